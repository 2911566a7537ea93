//! A message's way: decode, permit, dispatch, answer.
//! Never: a handler called with anything but a permit.

use portcullis_guard::{Ask, Body, Caller};
use portcullis_model::{ClosedBy, Denial, Now};
use portcullis_wire::plain::{self, PlainMessage};
use portcullis_wire::socketio;
use portcullis_wire::websocket::{Opcode, frame};

use crate::connect::NamespaceName;
use crate::connection::End;
use crate::connection_task::{ConnectionTask, Job};
use crate::context::{Context, Reply};
use crate::event_table::Call;
use crate::frame::Form;

/// Where the answer of an event goes.
#[derive(Debug, Clone)]
pub(crate) enum Recipient {
    /// A Socket.IO acknowledgement.
    Ack {
        /// Where the event came from.
        namespace: NamespaceName,
        /// The id the client gave it.
        id: u64,
    },
    /// The plain form's `id`, as raw JSON.
    Plain(String),
    /// The client did not ask for one.
    Nobody,
}

impl Recipient {
    /// Who gets the answer of a Socket.IO event.
    pub(crate) fn of(namespace: NamespaceName, ack: Option<u64>) -> Self {
        ack.map_or(Self::Nobody, |id| Self::Ack { namespace, id })
    }
}

/// The event that is answered.
#[derive(Debug, Clone)]
pub(crate) struct AnswerTo {
    pub(crate) recipient: Recipient,
    pub(crate) event: String,
}

impl ConnectionTask {
    /// A Socket.IO event of the users' namespace.
    pub(crate) fn socket_event(&mut self, json: &str, ack: Option<u64>, now: Now) {
        let name = match socketio::event_name(json) {
            Ok(name) => name,
            Err(fault) => {
                self.connection.end(End::Refused(Denial::Packet(fault.0)));
                return;
            }
        };
        let recipient = Recipient::of(NamespaceName::Users, ack);
        let answer = AnswerTo { recipient, event: String::from(name) };
        let ask = Ask { event: name, body: Body::Array(json), size_bytes: json.len() };
        self.event(&ask, answer, now);
    }

    /// An event in the plain form.
    pub(crate) fn plain_event(&mut self, message: &PlainMessage<'_>, size: usize, now: Now) {
        let recipient = match &message.id {
            Some(id) => Recipient::Plain(id.as_json().to_owned()),
            None => Recipient::Nobody,
        };
        let answer = AnswerTo { recipient, event: String::from(message.event) };
        let body = Body::Parts { payload: message.data, mid: message.mid, seq: message.seq };
        let ask = Ask { event: message.event, body, size_bytes: size };
        self.event(&ask, answer, now);
    }

    fn event(&mut self, ask: &Ask<'_>, answer: AnswerTo, now: Now) {
        let Some(caller) = self.connection.caller() else {
            self.connection.end(End::Refused(Denial::Sequence("event_before_connect")));
            return;
        };
        self.shard.metrics.messages_in.inc();
        match self.permit_and_start(&caller, ask, now) {
            Ok(future) => self.start_job(Job::Event { future, answer }, now),
            Err(denial) => self.answer(&answer, Err(denial), now),
        }
    }

    fn permit_and_start(
        &self,
        caller: &Caller,
        ask: &Ask<'_>,
        now: Now,
    ) -> Result<crate::event_table::HandlerFuture, Denial> {
        let shard = &self.shard;
        let event = shard.registered.events.find(ask.event);
        let Some(event) = event.filter(|_| !socketio::is_reserved(ask.event)) else {
            return Err(shard.gate.refuse_unknown(caller, now));
        };
        let context = Context {
            connection: self.connection.id,
            client: self.connection.client,
            now,
            hub: shard.hub.clone(),
            clock: shard.clock.clone(),
            audit: shard.audit.clone(),
            directory: shard.gate.directory().clone(),
            rooms: self.connection.rooms.borrow().len(),
        };
        event.start(Call { gate: &shard.gate, caller, ask, now, context })
    }

    /// Tells the client how its event went.
    pub(crate) fn answer(&mut self, answer: &AnswerTo, outcome: Result<Reply, Denial>, now: Now) {
        match outcome {
            Ok(reply) => self.reply(&answer.recipient, reply.json()),
            Err(denial) => self.answer_refused(answer, &denial, now),
        }
    }

    fn answer_refused(&mut self, answer: &AnswerTo, denial: &Denial, now: Now) {
        if let ClosedBy::Code(_) = denial.answer().closed_by {
            self.connection.end(End::Refused(denial.clone()));
            return;
        }
        let refusal = self.refuse(denial, Some(&answer.event), now);
        match &answer.recipient {
            Recipient::Nobody => {
                self.emit("error", &refusal.error_event(Some(&answer.event)));
            }
            recipient => self.reply(recipient, &refusal.reply()),
        }
        let strikes = denial.answer().strike
            && self.connection.caller().is_some_and(|caller| caller.strike(now));
        if strikes {
            self.connection.end(End::Refused(Denial::Strikes));
        }
    }

    fn reply(&self, recipient: &Recipient, json: &str) {
        let text = match recipient {
            Recipient::Ack { namespace, id } => socketio::ack(namespace.name(), *id, json),
            Recipient::Plain(id) => plain::plain_reply(id, &without_id(json)),
            Recipient::Nobody => return,
        };
        self.shard.send(&self.connection, frame(Opcode::Text, text.as_bytes()));
    }

    /// Sends an event to this connection alone.
    pub(crate) fn emit(&self, name: &str, payload_json: &str) {
        let text = match self.connection.form {
            Form::SocketIo => socketio::event("/", name, payload_json),
            Form::Plain => plain::plain_event(name, payload_json),
        };
        self.shard.send(&self.connection, frame(Opcode::Text, text.as_bytes()));
    }
}

/// The plain form answers with the request's `id`: an acknowledgement's own `id` gives way to it.
fn without_id(json: &str) -> std::borrow::Cow<'_, str> {
    if !json.contains("\"id\":") {
        return json.into();
    }
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json) {
        Ok(mut members) => {
            members.remove("id");
            serde_json::Value::Object(members).to_string().into()
        }
        Err(_) => json.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_outer_id_gives_way() {
        let cases = [
            (r#"{"ok":true}"#, r#"{"ok":true}"#),
            (r#"{"ok":true,"id":"m","seq":1}"#, r#"{"ok":true,"seq":1}"#),
            (r#"{"ok":true,"room":{"id":"r"}}"#, r#"{"ok":true,"room":{"id":"r"}}"#),
        ];
        for (json, expect) in cases {
            assert_eq!(without_id(json), expect);
        }
    }
}
