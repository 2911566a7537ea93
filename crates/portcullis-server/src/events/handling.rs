//! The handling of one event: authorize, start the handler, acknowledge.
//! Never: a handler called without a permit.

use std::borrow::Cow;
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use portcullis_guard::{Caller, Event, EventBody, EventRequest, LooseEnvelope};
use portcullis_model::{ClosedBy, Deadline, Denial, Moment, Now, RoomId};
use portcullis_wire::plain::{self, PlainMessage};
use portcullis_wire::socketio;
use portcullis_wire::websocket::{Opcode, frame};

use crate::connect::auth_refresh::AuthRefresh;
use crate::connect::renewal;
use crate::connection::link::Link;
use crate::connection::socket::Socket;
use crate::delivery::hub::has_pending_batches;
use crate::events::event_table::{EventCall, HandlerFuture};
use crate::events::payload::Payload;
use crate::events::reply::Reply;
use crate::task::inbound::event_name;
use crate::task::pause::pause_reading;
use crate::task::progress::Progress;

/// The form in which an event is acknowledged.
#[derive(Debug, Clone)]
pub(crate) enum AckForm {
    /// A Socket.IO acknowledgement with the id that the client chose.
    Ack(u64),
    /// The plain form's `id`, as raw JSON.
    Plain(String),
    /// The client did not request an acknowledgement.
    None,
}

/// The name of an event: a declared one, or an undeclared one as the client sent it.
#[derive(Clone)]
pub(crate) enum EventName {
    Declared(&'static str),
    Undeclared(Box<str>),
}

impl EventName {
    fn as_str(&self) -> &str {
        match self {
            Self::Declared(name) => name,
            Self::Undeclared(name) => name,
        }
    }
}

/// The event that is acknowledged.
#[derive(Clone)]
pub(crate) struct AckTarget {
    pub(crate) socket: Rc<Socket>,
    pub(crate) form: AckForm,
    pub(crate) event: EventName,
    /// The room of a message whose text was rejected.
    pub(crate) room: Option<RoomId>,
}

/// A handler that runs, and the acknowledgement of its event.
pub(crate) struct EventJob {
    pub(crate) future: HandlerFuture,
    pub(crate) target: Box<AckTarget>,
    pub(crate) started: Moment,
}

/// The part of a connection's task that event handling uses.
pub(crate) struct EventHandling<'t> {
    pub(crate) link: &'t Link,
    pub(crate) progress: &'t mut Progress,
    /// The event whose handler was started last.
    pub(crate) last_event: &'t mut Option<&'static str>,
    pub(crate) now: Now,
}

impl EventHandling<'_> {
    /// Handles a Socket.IO event. Returns the job of a handler that waits.
    pub(crate) fn socket_event(
        &mut self,
        socket: &Rc<Socket>,
        json: &str,
        attachments: &[Bytes],
        ack: Option<u64>,
    ) -> Option<EventJob> {
        let event = match event_name(json) {
            Ok(name) => name,
            Err(denial) => {
                self.link.deny(denial);
                return None;
            }
        };
        let form = ack.map_or(AckForm::None, AckForm::Ack);
        let size_bytes = json.len() + attachments.iter().map(Bytes::len).sum::<usize>();
        let namespace = socket.namespace.as_str();
        let request = EventRequest {
            namespace,
            event,
            body: EventBody::Array(json),
            size_bytes,
            attachments,
        };
        self.event(socket, form, &request)
    }

    /// Handles an event of the plain form. Returns the job of a handler that waits.
    pub(crate) fn plain_event(
        &mut self,
        message: &PlainMessage<'_>,
        size_bytes: usize,
    ) -> Option<EventJob> {
        let Some(socket) = self.link.connection.socket("/") else {
            self.link.deny(Denial::Sequence("event_before_connect"));
            return None;
        };
        let form = match &message.id {
            Some(id) => AckForm::Plain(id.as_json().to_owned()),
            None => AckForm::None,
        };
        let PlainMessage { event, mid, seq, ts, sig, .. } = *message;
        let envelope = LooseEnvelope { mid, seq, ts, sig };
        let body = EventBody::Parts { payload: message.data, envelope };
        let request = EventRequest { namespace: "/", event, body, size_bytes, attachments: &[] };
        self.event(&socket, form, &request)
    }

    fn event(
        &mut self,
        socket: &Rc<Socket>,
        form: AckForm,
        request: &EventRequest<'_>,
    ) -> Option<EventJob> {
        let Some(caller) = self.link.connection.caller() else {
            self.link.deny(Denial::Sequence("event_before_connect"));
            return None;
        };
        let server = &self.link.shard.server;
        server.metrics.messages_in.inc();
        self.link.connection.output.received.count(self.now);
        let mut target = AckTarget {
            socket: Rc::clone(socket),
            form,
            event: EventName::Declared(AuthRefresh::NAME),
            room: None,
        };
        if request.event == AuthRefresh::NAME
            && let Some(rule) = &server.registered.auth_refresh
        {
            let permit = server.gate.permit(rule, &caller, request, self.now);
            return self
                .run(permit.map(|permit| renewal::renew(self.link, permit, caller)), target);
        }
        if self.progress.time_left(server.options.handler_timeout(), self.now).is_zero() {
            // The time is over before the event has had any effect.
            target.event = EventName::Undeclared(request.event.into());
            self.send_denial(&target, &Denial::Overloaded);
            return None;
        }
        let started = self.start(&caller, request, &mut target);
        self.run(started, target)
    }

    /// Authorizes an event and starts its handler.
    fn start(
        &mut self,
        caller: &Rc<Caller>,
        request: &EventRequest<'_>,
        target: &mut AckTarget,
    ) -> Result<HandlerFuture, Denial> {
        let (server, now) = (&self.link.shard.server, self.now);
        let rule = server.registered.namespaces.rule(target.socket.rule);
        let declared = rule.and_then(|rule| rule.events.find(request.event));
        match declared.filter(|_| !socketio::is_reserved(request.event)) {
            Some((name, event)) => {
                target.event = EventName::Declared(name);
                *self.last_event = Some(name);
                let context = self.link.context(&target.socket, caller, now);
                let room = &mut target.room;
                event.start(EventCall { gate: &server.gate, caller, request, now, context, room })
            }
            None => {
                target.event = EventName::Undeclared(request.event.into());
                Err(server.gate.reject_undeclared(caller, request, now))
            }
        }
    }

    /// Polls a handler once: most do not wait and are acknowledged at once. The others become jobs.
    fn run(
        &mut self,
        started: Result<HandlerFuture, Denial>,
        target: AckTarget,
    ) -> Option<EventJob> {
        let mut future = match started {
            Ok(future) => future,
            Err(denial) => {
                self.send_denial(&target, &denial);
                return None;
            }
        };
        let started = Moment::now();
        if let Some(waker) = self.link.connection.waker() {
            let mut context = std::task::Context::from_waker(&waker);
            let limit = self.link.shard.server.options.handler_timeout();
            let left = self.progress.time_left(limit, self.now);
            let deadline = Deadline::of_request(started, started.plus(left));
            if let Poll::Ready(outcome) = deadline.enter(|| future.as_mut().poll(&mut context)) {
                self.record_time(started);
                self.job_ended(&outcome, self.now.monotonic_ms);
                self.acknowledge(&target, outcome);
                return None;
            }
        }
        Some(EventJob { future, target: Box::new(target), started })
    }

    /// Records how long a handler took.
    pub(crate) fn record_time(&self, started: Moment) {
        if let Some(times) = self.link.shard.times() {
            times.handlers.record(Moment::now().since(started));
        }
    }

    /// Records the end of a handler that started at `since_ms`.
    pub(crate) fn job_ended(&mut self, outcome: &Result<Reply, Denial>, since_ms: u64) {
        let timeout_ms = self.link.shard.server.options.handler_timeout_ms;
        self.progress.job_ended(outcome.as_ref().err(), since_ms, timeout_ms, self.now);
    }

    /// Sends the result of a handler to the client.
    ///
    /// Its denial is an answer: only [`Denial::SessionEnded`] ends the connection, even if the same
    /// denial ends connections elsewhere. So a full queue of another shard does not disconnect the
    /// sender.
    pub(crate) fn acknowledge(&mut self, target: &AckTarget, outcome: Result<Reply, Denial>) {
        let is_own = target.event.as_str() == AuthRefresh::NAME;
        match outcome {
            Ok(reply) => match reply.fault() {
                None => self.send_ack(target, reply.payload()),
                Some(fault) => self.send_rejection(target, &Denial::Internal(fault)),
            },
            Err(denial) if is_own || matches!(denial, Denial::SessionEnded(_)) => {
                self.send_denial(target, &denial);
            }
            Err(denial) => self.send_rejection(target, &denial),
        }
    }

    /// Sends a denial of the server itself; some of them end the connection.
    fn send_denial(&mut self, target: &AckTarget, denial: &Denial) {
        if let ClosedBy::Code(_) = denial.answer().closed_by {
            return self.link.deny(denial.clone());
        }
        self.send_rejection(target, denial);
    }

    fn send_rejection(&mut self, target: &AckTarget, denial: &Denial) {
        let (link, now) = (self.link, self.now);
        let event = target.event.as_str();
        let rejection = link.reject_event(denial, event, target.room.as_ref(), now);
        match &target.form {
            AckForm::None => {
                let payload = rejection.error_event(Some(event));
                let text = link.connection.event_text(&target.socket, "error", &payload);
                link.send_in_order(vec![frame(Opcode::Text, text.as_bytes())]);
            }
            AckForm::Ack(_) | AckForm::Plain(_) => {
                self.send_ack(target, &Payload::raw(rejection.reply()));
            }
        }
        link.count_violation(denial, now);
        self.slow_down(denial);
    }

    /// Reads more slowly from a client that continues above a rate.
    fn slow_down(&mut self, denial: &Denial) {
        let Some(caller) = self.link.connection.caller() else { return };
        if denial.limit().is_some()
            && let Err(pause_ms) = caller.over_rate(self.now)
        {
            pause_reading(self.link, self.progress, pause_ms, self.now);
        }
    }

    fn send_ack(&self, target: &AckTarget, payload: &Payload) {
        let namespace = target.socket.namespace.as_str();
        let text = match &target.form {
            AckForm::Ack(id) => {
                socketio::ack_with(namespace, *id, payload.attachments().len(), payload.arguments())
            }
            AckForm::Plain(id) => plain::plain_reply(id, &without_id(payload.arguments())),
            AckForm::None => return,
        };
        let first = frame(Opcode::Text, text.as_bytes());
        let attachments = payload.attachments().iter().map(|bytes| frame(Opcode::Binary, bytes));
        if attachments.len() == 0 && !has_pending_batches() {
            self.link.send(first);
        } else {
            self.link.send_in_order(std::iter::once(first).chain(attachments).collect());
        }
    }
}

/// Removes the `id` of an acknowledgement: the plain form sends the `id` of the request instead.
fn without_id(json: &str) -> Cow<'_, str> {
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
    fn acknowledgement_loses_only_its_outer_id() {
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
