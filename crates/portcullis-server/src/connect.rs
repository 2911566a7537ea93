//! Socket.IO CONNECT and the plain form's connect: a credential becomes a caller.
//! Never: two authentications of one connection at a time.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use portcullis_audit::{Outcome, Record};
use portcullis_guard::{Caller, Cookies, Credential, Principal, Verified};
use portcullis_model::{ClosedBy, Denial, Now, Role, Severity, TokenFault};
use portcullis_wire::websocket::{Opcode, frame};
use portcullis_wire::{plain, socketio};

use crate::connection::{Connection, End};
use crate::connection_task::{ConnectionTask, Job};
use crate::frame::Form;
use crate::random::random_id;
use crate::shard::Shard;

/// The namespaces there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NamespaceName {
    /// `/`: everyone who is signed in.
    Users,
    /// `/admin`: administrators.
    Admin,
}

impl NamespaceName {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "/" => Some(Self::Users),
            "/admin" => Some(Self::Admin),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Users => "/",
            Self::Admin => "/admin",
        }
    }
}

/// A CONNECT that waits for a product's hook.
pub(crate) struct Connecting {
    pub(crate) namespace: NamespaceName,
    future: Pin<Box<dyn Future<Output = Result<Principal, Denial>>>>,
}

impl Connecting {
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Principal, Denial>> {
        self.future.as_mut().poll(context)
    }
}

impl ConnectionTask {
    pub(crate) fn connect_packet(&mut self, namespace: &str, payload: Option<&str>, now: Now) {
        let Some(namespace) = NamespaceName::parse(namespace) else {
            let refusal = self.refuse(&Denial::NamespaceUnknown, None, now);
            let text = socketio::connect_error(namespace, &refusal.connect_error());
            self.shard.send(&self.connection, frame(Opcode::Text, text.as_bytes()));
            // An unknown name costs what a control frame costs, so that it cannot be a flood.
            if self.connection.caller().is_none_or(|caller| caller.strike(now)) {
                self.connection.end(End::Told(Denial::NamespaceUnknown));
            }
            return;
        };
        let joined = match namespace {
            NamespaceName::Users => self.namespaces.users,
            NamespaceName::Admin => self.namespaces.admin,
        };
        if joined {
            self.connection.end(End::Refused(Denial::Sequence("second_connect")));
            return;
        }
        self.start_connect(namespace, payload, now);
    }

    pub(crate) fn plain_connect(&mut self, data: Option<&str>, id: Option<String>, now: Now) {
        if self.connection.caller.borrow().is_some() {
            self.connection.end(End::Refused(Denial::Sequence("second_connect")));
            return;
        }
        self.plain_connect_id = id;
        self.start_connect(NamespaceName::Users, data, now);
    }

    /// Verifies at once; a user nobody knows yet waits for the product's hook.
    pub(crate) fn start_connect(
        &mut self,
        namespace: NamespaceName,
        payload: Option<&str>,
        now: Now,
    ) {
        let verified = match self.verify(payload, now) {
            Ok(verified) => verified,
            Err(denial) => return self.connected(namespace, Err(denial), now),
        };
        if let Some(caller) = self.connection.caller() {
            self.join_further(namespace, &caller, &verified, now);
            return;
        }
        let gate = &self.shard.gate;
        let known = gate.directory().user(&verified.user).is_some();
        match &self.shard.registered.connect {
            Some(hook) if !known && !verified.own => {
                let hooked = hook(verified.clone());
                let (gate, clock) = (gate.clone(), self.shard.clock.clone());
                let future = Box::pin(async move {
                    hooked.await?;
                    gate.authenticate(verified, clock.now())
                });
                self.start_job(Job::Connect(Connecting { namespace, future }), now);
            }
            _ => {
                let outcome = gate.authenticate(verified, now);
                self.connected(namespace, outcome, now);
            }
        }
    }

    fn verify(&self, payload: Option<&str>, now: Now) -> Result<Verified, Denial> {
        let credential = match (&self.bearer, self.cookies) {
            (Some(bearer), _) => Credential::Both { bearer: bearer.expose(), payload },
            (None, Cookies::Some) => Credential::PayloadBesideCookies(payload),
            (None, Cookies::None) => Credential::Payload(payload),
        };
        self.shard.gate.verify(credential, now)
    }

    /// A further namespace of a signed-in connection: the same user, with the role it needs.
    fn join_further(
        &mut self,
        namespace: NamespaceName,
        caller: &Caller,
        verified: &Verified,
        now: Now,
    ) {
        let user = caller.principal.user();
        if user.id != verified.user {
            let denial = Denial::Token(TokenFault::User);
            return self.connected(namespace, Err(denial), now);
        }
        if let Err(denial) = caller.principal.is_current(now) {
            self.connection.end(End::Refused(denial));
            return;
        }
        if namespace == NamespaceName::Admin && !user.roles().contains(Role::Admin) {
            return self.connect_refused(namespace, &Denial::Forbidden("namespace_role"), now);
        }
        self.joined(namespace, now);
    }

    /// Ends a CONNECT one way or the other.
    pub(crate) fn connected(
        &mut self,
        namespace: NamespaceName,
        outcome: Result<Principal, Denial>,
        now: Now,
    ) {
        let principal = match outcome {
            Ok(principal) => principal,
            Err(denial) => return self.connect_refused(namespace, &denial, now),
        };
        let admin = principal.user().roles().contains(Role::Admin);
        if namespace == NamespaceName::Admin && !admin {
            return self.connect_refused(namespace, &Denial::Forbidden("namespace_role"), now);
        }
        if let Some(slot) = &mut self.slot {
            slot.authenticated();
        }
        let caller = Rc::new(Caller::new(principal));
        let user = caller.principal.user().id.clone();
        *self.connection.caller.borrow_mut() = Some(caller);
        self.bearer = None;
        self.shard.sign_in(&self.connection, &user);
        self.connection.session.borrow_mut().connected();
        self.shard.record_connected(&self.connection, now);
        // The first look at the principal's own end of time.
        if let Some(next_ms) = self.connection.due(now, &self.shard.options) {
            self.shard.arm(&self.connection, next_ms);
        }
        self.joined(namespace, now);
    }

    fn joined(&mut self, namespace: NamespaceName, now: Now) {
        let (Ok(sid), Ok(nonce)) = (random_id::<15>(), random_id::<16>()) else {
            self.connection.end(End::Refused(Denial::Internal("randomness")));
            return;
        };
        match namespace {
            NamespaceName::Users => {
                self.namespaces.users = true;
                self.connection.hears_users.set(true);
            }
            NamespaceName::Admin => self.namespaces.admin = true,
        }
        let members = format!(r#""sid":"{sid}","conn":"{nonce}","server_time":{}"#, now.unix_ms);
        let text = match self.connection.form {
            Form::SocketIo => socketio::connect_ok(namespace.name(), &format!("{{{members}}}")),
            Form::Plain => match self.plain_connect_id.take() {
                Some(id) => plain::plain_reply(&id, &format!(r#"{{"ok":true,{members}}}"#)),
                None => plain::plain_event("connect", &format!("{{{members}}}")),
            },
        };
        self.shard.send(&self.connection, frame(Opcode::Text, text.as_bytes()));
    }

    fn connect_refused(&mut self, namespace: NamespaceName, denial: &Denial, now: Now) {
        let refusal = self.refuse(denial, None, now);
        let text = match self.connection.form {
            Form::SocketIo => socketio::connect_error(namespace.name(), &refusal.connect_error()),
            Form::Plain => match self.plain_connect_id.take() {
                Some(id) => plain::plain_reply(&id, &refusal.reply()),
                None => plain::plain_event("connect_error", &refusal.connect_error()),
            },
        };
        self.shard.send(&self.connection, frame(Opcode::Text, text.as_bytes()));
        let signed_in = self.connection.caller.borrow().is_some();
        let goes_on = signed_in && denial.answer().closed_by == ClosedBy::Nothing;
        if !goes_on {
            self.connection.end(End::Told(denial.clone()));
        }
    }

    /// Says why before the close frame, to a peer that can read it.
    pub(crate) fn tell_refused(&mut self, denial: &Denial, now: Now) {
        let refusal = self.refuse(denial, None, now);
        let signed_in = self.connection.caller.borrow().is_some();
        let options = &self.shard.options;
        match (denial, self.connection.form) {
            (Denial::Draining | Denial::SlowConsumer | Denial::PingTimeout, _) => {}
            (Denial::SessionEnded, Form::SocketIo) => {
                let text = socketio::disconnect("/");
                self.connection.queue_last(frame(Opcode::Text, text.as_bytes()), options);
            }
            (_, form) if signed_in => {
                let payload = refusal.error_event(None);
                let text = match form {
                    Form::SocketIo => socketio::event("/", "error", &payload),
                    Form::Plain => plain::plain_event("error", &payload),
                };
                self.connection.queue_last(frame(Opcode::Text, text.as_bytes()), options);
            }
            _ => {}
        }
    }
}

impl Shard {
    fn record_connected(&self, connection: &Connection, now: Now) {
        let mut record = Record::new("ws_connected", Severity::Info);
        record.outcome = Outcome::Success;
        self.record_connection(record, connection, now);
    }

    /// Records that a connection is over, and why.
    pub(crate) fn record_end(&self, connection: &Connection, end: &End, code: u16, now: Now) {
        let mut record = Record::new("ws_disconnected", Severity::Info);
        record.outcome = Outcome::Unknown;
        record.reason = match end {
            End::Peer => "peer",
            End::Goodbye => "goodbye",
            End::Refused(denial) | End::Told(denial) => denial.answer().rule,
        };
        record.status = Some(code);
        self.record_connection(record, connection, now);
    }

    fn record_connection(&self, mut record: Record, connection: &Connection, now: Now) {
        record.client = Some(connection.client);
        record.port = Some(connection.peer.port());
        record.connection = Some(connection.id);
        record.origin = connection.origin.as_deref().map(String::from);
        let caller = connection.caller();
        record.user = caller.map(|caller| caller.principal.user().id.clone());
        self.audit.record(record, now);
    }
}
