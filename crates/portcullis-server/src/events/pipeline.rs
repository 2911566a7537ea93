//! A message's way: decode, permit, dispatch, answer.
//! Never: a handler called with anything but a permit.

use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use portcullis_guard::{Caller, Event, EventBody, EventRequest, LooseEnvelope};
use portcullis_model::{ClosedBy, Deadline, Denial, Now, Violation};
use portcullis_wire::plain::{self, PlainMessage};
use portcullis_wire::socketio;
use portcullis_wire::websocket::{Opcode, frame};

use crate::connect::auth_refresh::AuthRefresh;
use crate::connection::socket::Socket;
use crate::connection::state::End;
use crate::connection::task::{ConnectionTask, Job};
use crate::delivery::hub::{Acknowledge, Delta, has_pending};
use crate::events::context::{Context, Reply};
use crate::events::event_table::{Call, HandlerFuture};
use crate::events::frame::Form;
use crate::events::payload::Payload;
use crate::rooms::covered_rooms::CoveredRooms;

/// Where the answer of an event goes.
#[derive(Debug, Clone)]
pub(crate) enum Recipient {
    /// A Socket.IO acknowledgement under the id the client gave.
    Ack(u64),
    /// The plain form's `id`, as raw JSON.
    Plain(String),
    /// The client did not ask for one.
    Nobody,
}

/// An event by its declared name; what nobody declared is kept as it was written.
#[derive(Clone)]
pub(crate) enum EventName {
    Declared(&'static str),
    Unknown(Box<str>),
}

impl EventName {
    fn as_str(&self) -> &str {
        match self {
            Self::Declared(name) => name,
            Self::Unknown(name) => name,
        }
    }
}

/// The event that is answered.
#[derive(Clone)]
pub(crate) struct AnswerTo {
    pub(crate) socket: Rc<Socket>,
    pub(crate) recipient: Recipient,
    pub(crate) event: EventName,
}

impl ConnectionTask {
    /// A Socket.IO event.
    pub(crate) fn socket_event(
        &mut self,
        socket: &Rc<Socket>,
        json: &str,
        attachments: &[Bytes],
        ack: Option<u64>,
        now: Now,
    ) {
        let name = match socketio::event_name(json) {
            Ok(name) => name,
            Err(fault) => {
                self.connection.end(End::Refused(Denial::Packet(fault.0)));
                return;
            }
        };
        let recipient = ack.map_or(Recipient::Nobody, Recipient::Ack);
        let binary: usize = attachments.iter().map(Bytes::len).sum();
        let size_bytes = json.len() + binary;
        let body = EventBody::Array(json);
        let namespace = socket.namespace.as_str();
        let ask = EventRequest { namespace, event: name, body, size_bytes, attachments };
        self.event(socket, recipient, &ask, now);
    }

    /// An event in the plain form.
    pub(crate) fn plain_event(&mut self, message: &PlainMessage<'_>, size: usize, now: Now) {
        let Some(socket) = self.connection.socket("/") else {
            self.connection.end(End::Refused(Denial::Sequence("event_before_connect")));
            return;
        };
        let recipient = match &message.id {
            Some(id) => Recipient::Plain(id.as_json().to_owned()),
            None => Recipient::Nobody,
        };
        let PlainMessage { event, mid, seq, ts, sig, .. } = *message;
        let envelope = LooseEnvelope { mid, seq, ts, sig };
        let body = EventBody::Parts { payload: message.data, envelope };
        let ask = EventRequest { namespace: "/", event, body, size_bytes: size, attachments: &[] };
        self.event(&socket, recipient, &ask, now);
    }

    fn event(
        &mut self,
        socket: &Rc<Socket>,
        recipient: Recipient,
        ask: &EventRequest<'_>,
        now: Now,
    ) {
        let Some(caller) = self.connection.caller() else {
            self.connection.end(End::Refused(Denial::Sequence("event_before_connect")));
            return;
        };
        self.shard.metrics.messages_in.inc();
        let shard = Rc::clone(&self.shard);
        if ask.event == AuthRefresh::NAME
            && let Some(rule) = &shard.registered.auth_refresh
        {
            return self.refresh(rule, socket, recipient, ask, &caller, now);
        }
        let socket = Rc::clone(socket);
        if self.time_left(now).is_zero() {
            // Its time is over, and it has had no effect.
            let answer =
                AnswerTo { socket, recipient, event: EventName::Unknown(ask.event.into()) };
            return self.answer(&answer, Err(Denial::Overloaded), now);
        }
        let rule = shard.registered.namespaces.rule(socket.rule);
        let declared = rule.and_then(|rule| rule.events.find(ask.event));
        match declared.filter(|_| !socketio::is_reserved(ask.event)) {
            Some((name, event)) => {
                let event_name = EventName::Declared(name);
                let context = self.context(&socket, &caller, now);
                let answer = AnswerTo { socket, recipient, event: event_name };
                let call = Call { gate: &shard.gate, caller: &caller, ask, now, context };
                match event.start(call) {
                    Ok(future) => self.run(future, answer, now),
                    Err(denial) => self.answer(&answer, Err(denial), now),
                }
            }
            None => {
                let denial = shard.gate.reject_undeclared(&caller, ask, now);
                let event = EventName::Unknown(ask.event.into());
                let answer = AnswerTo { socket, recipient, event };
                self.answer(&answer, Err(denial), now);
            }
        }
    }

    /// Most handlers wait for nothing: those are answered at once. What waits becomes an act.
    pub(crate) fn run(&mut self, mut future: HandlerFuture, answer: AnswerTo, now: Now) {
        if let Some(waker) = self.connection.waker() {
            let mut context = std::task::Context::from_waker(&waker);
            let deadline = Deadline::after(self.time_left(now));
            if let Poll::Ready(outcome) = deadline.enter(|| future.as_mut().poll(&mut context)) {
                self.ended(outcome.as_ref().err(), now.monotonic_ms, now);
                return self.answer(&answer, outcome, now);
            }
        }
        self.start_job(Job::Event { future, answer: Box::new(answer) }, now);
    }

    /// The time that is left for the event that is looked at now.
    fn time_left(&self, now: Now) -> Duration {
        let waited = Duration::from_millis(self.waited_ms(now));
        self.shard.options.handler_timeout().saturating_sub(waited)
    }

    /// What a handler or hook of a socket gets.
    pub(crate) fn context(&self, socket: &Socket, caller: &Caller, now: Now) -> Context {
        let shard = &self.shard;
        Context {
            connection: self.connection.id,
            namespace: socket.namespace.clone(),
            socket: socket.id,
            client: self.connection.client,
            now,
            surroundings: Arc::clone(&shard.surroundings),
            user: caller.principal.user().clone(),
            rooms: socket.rooms.borrow().len(),
            covered: CoveredRooms::heard(socket.heard()),
        }
    }

    /// Tells the client how its event went.
    pub(crate) fn answer(&mut self, answer: &AnswerTo, outcome: Result<Reply, Denial>, now: Now) {
        match outcome {
            Ok(reply) => self.reply(answer, reply.payload()),
            Err(denial) => self.answer_refused(answer, &denial, now),
        }
    }

    fn answer_refused(&mut self, answer: &AnswerTo, denial: &Denial, now: Now) {
        if let ClosedBy::Code(_) = denial.answer().closed_by {
            self.connection.end(End::Refused(denial.clone()));
            return;
        }
        let refusal = self.refuse(denial, Some(answer.event.as_str()), now);
        match &answer.recipient {
            Recipient::Nobody => {
                let payload = refusal.error_event(Some(answer.event.as_str()));
                let text = self.event_text(&answer.socket, "error", &payload);
                self.say(vec![frame(Opcode::Text, text.as_bytes())]);
            }
            Recipient::Ack(_) | Recipient::Plain(_) => {
                self.reply(answer, &Payload::raw(refusal.reply()));
            }
        }
        self.strike(denial, now);
        self.slow_down(denial, now);
    }

    /// A client that goes on above a rate is read more slowly: it costs little, and loses nothing.
    fn slow_down(&mut self, denial: &Denial, now: Now) {
        let Some(caller) = self.connection.caller() else { return };
        if denial.limit().is_some()
            && let Err(pause_ms) = caller.over_rate(now)
        {
            self.pause_for(pause_ms, now);
        }
    }

    /// A refusal that answers nothing: recorded, and counted as a strike.
    pub(crate) fn refuse_unanswerable(&mut self, denial: &Denial, now: Now) {
        if let ClosedBy::Code(_) = denial.answer().closed_by {
            self.connection.end(End::Refused(denial.clone()));
            return;
        }
        let _recorded = self.refuse(denial, None, now);
        self.strike(denial, now);
    }

    /// Counts a violation against the connection; it ends with the tenth in a minute.
    pub(crate) fn strike(&self, denial: &Denial, now: Now) {
        let Some(caller) = self.connection.caller() else { return };
        let struck = denial.answer().violation == Violation::Counts && caller.count_violation(now);
        // Copies and forgeries are no accident: there are three, not ten.
        let replayed = matches!(denial, Denial::Replay(_)) && caller.replayed();
        if struck || replayed {
            self.connection.end(End::Refused(Denial::Strikes));
        }
    }

    fn reply(&self, answer: &AnswerTo, payload: &Payload) {
        let namespace = answer.socket.namespace.as_str();
        let text = match &answer.recipient {
            Recipient::Ack(id) => {
                socketio::ack_with(namespace, *id, payload.attachments().len(), payload.arguments())
            }
            Recipient::Plain(id) => plain::plain_reply(id, &without_id(payload.arguments())),
            Recipient::Nobody => return,
        };
        let first = frame(Opcode::Text, text.as_bytes());
        let attachments = payload.attachments().iter().map(|bytes| frame(Opcode::Binary, bytes));
        if attachments.len() == 0 && !has_pending() {
            self.shard.send(&self.connection, first);
        } else {
            self.say(std::iter::once(first).chain(attachments).collect());
        }
    }

    /// Sends to this connection. What handlers emitted may still be on its way through the hub:
    /// then this goes after it.
    fn say(&self, frames: Vec<Bytes>) {
        let connection = self.connection.id;
        if has_pending() {
            let delta = Delta::Acknowledge(Acknowledge { connection, frames: frames.clone() });
            if self.shard.hub.try_deliver_to(connection.shard, delta).is_ok() {
                return;
            }
        }
        for frame in frames {
            self.shard.send(&self.connection, frame);
        }
    }

    /// An event to this connection, in its form.
    pub(crate) fn event_text(&self, socket: &Socket, name: &str, payload_json: &str) -> String {
        match self.connection.form {
            Form::SocketIo | Form::Engine => {
                socketio::event(socket.namespace.as_str(), name, payload_json)
            }
            Form::Plain => plain::plain_event(name, payload_json),
        }
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
