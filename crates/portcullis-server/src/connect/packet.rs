//! Socket.IO CONNECT and the plain form's connect: from a credential to a caller to a socket.
//! Never: two authentications of one connection at a time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use portcullis_guard::{
    Caller, ClientClass, Principal, RecoveryClaim, presents_ticket, read_recovery_claim,
};
use portcullis_model::limits::NAMESPACES_PER_CONNECTION_MAX;
use portcullis_model::{ClosedBy, Denial, Namespace, Now, Role, TokenFault};
use portcullis_wire::websocket::{Opcode, frame};
use portcullis_wire::{plain, socketio};

use crate::connect::capacity::Returning;
use crate::connect::identity::Identity;
use crate::connect::job::{Connecting, Entry};
use crate::connection::socket::{Socket, SocketId};
use crate::connection::state::End;
use crate::connection::task::ConnectionTask;
use crate::delivery::hub::Delta;
use crate::events::frame::Form;
use crate::random::random_id;
use crate::setup::options::ConnectAnswer;

fn returning(entry: &Entry, back: Option<&RecoveryClaim>) -> Returning {
    Returning { namespace: entry.namespace.clone(), rule: entry.rule, back: back.cloned() }
}

impl ConnectionTask {
    pub(crate) fn connect_packet(&mut self, name: &str, payload: Option<&str>, now: Now) {
        if !self.namespace_packet(now) {
            return;
        }
        let found = self.shard.registered.namespaces.find(name).map(|(rule, _)| rule);
        let namespace = Namespace::parse(name).ok();
        let (Some(rule), Some(namespace)) = (found, namespace) else {
            return self.unknown_namespace(name, now);
        };
        if self.connection.socket(name).is_some() {
            self.connection.end(End::Refused(Denial::Sequence("second_connect")));
            return;
        }
        if self.connection.sockets.borrow().len() >= NAMESPACES_PER_CONNECTION_MAX {
            self.connection.end(End::Refused(Denial::Sequence("namespaces")));
            return;
        }
        self.start_connect(Entry { namespace, rule, payload: None, used_up: false }, payload, now);
    }

    /// Counts a CONNECT or DISCONNECT packet; over the rate the connection ends.
    pub(crate) fn namespace_packet(&self, now: Now) -> bool {
        let caller = self.connection.caller();
        let user = caller.as_ref().map(|caller| &caller.principal.user().id);
        let counted =
            self.shard.gate.limits().count_namespace_packet(&self.connection.packets, user, now);
        counted.map_err(|denial| self.connection.end(End::Refused(denial))).is_ok()
    }

    fn unknown_namespace(&mut self, name: &str, now: Now) {
        let refusal = self.refuse(&Denial::NamespaceUnknown, None, now);
        let bare = self.shard.options.connect_answer == ConnectAnswer::Bare;
        let payload = if bare { refusal.bare_error() } else { refusal.connect_error() };
        let text = socketio::connect_error(name, &payload);
        self.shard.send(&self.connection, frame(Opcode::Text, text.as_bytes()));
        // Before a CONNECT there is nobody to count strikes of; a server without credentials
        // leaves that to the CONNECT deadline.
        let ends = match self.connection.caller() {
            Some(caller) => caller.count_violation(now),
            None if bare => !self.control(now),
            None => true,
        };
        if ends {
            self.connection.end(End::Told(Denial::NamespaceUnknown));
        }
    }

    pub(crate) fn plain_connect(&mut self, data: Option<&str>, id: Option<String>, now: Now) {
        if !self.namespace_packet(now) {
            return;
        }
        if self.connection.caller.borrow().is_some() {
            self.connection.end(End::Refused(Denial::Sequence("second_connect")));
            return;
        }
        self.before.get_or_insert_default().plain_connect_id = id;
        self.start_connect(Entry::main(), data, now);
    }

    /// Verifies at once; what has to ask a hook becomes an act of the connection.
    pub(crate) fn start_connect(&mut self, mut entry: Entry, payload: Option<&str>, now: Now) {
        let identity = match self.identity(payload, now) {
            Ok(identity) => identity,
            Err(Denial::Token(TokenFault::Key)) if self.may_learn_keys() => {
                let back = read_recovery_claim(payload);
                let future = self.learn_keys(payload, returning(&entry, back.as_ref()), now);
                return self.start_connecting(Connecting::User { entry, back, future }, now);
            }
            Err(denial) => return self.connect_refused(&entry, &denial, now),
        };
        entry.used_up = presents_ticket(payload);
        let back = match &identity {
            Identity::Verified(_) | Identity::Known => read_recovery_claim(payload),
            Identity::Anonymous(_) => {
                entry.payload = payload.map(String::from);
                None
            }
        };
        if let Some(caller) = self.connection.caller() {
            return self.connect_further(entry, back, &caller, &identity, now);
        }
        let outcome = match identity {
            Identity::Verified(verified) => {
                let hook = self.shard.product_of(self.connection.client, &verified);
                let returning = returning(&entry, back.as_ref());
                if hook.is_some() || !self.shard.has_room(&returning, &verified) {
                    let future = self.shard.authenticate_later(returning, hook, *verified);
                    return self.start_connecting(Connecting::User { entry, back, future }, now);
                }
                self.shard.gate.authenticate(*verified, now)
            }
            Identity::Anonymous(user) => {
                self.shard.gate.authentication().authenticate_anonymous(user, now)
            }
            Identity::Known => Err(Denial::Token(TokenFault::Missing)),
        };
        self.authenticated(entry, back, outcome, now);
    }

    fn take_plain_connect_id(&mut self) -> Option<String> {
        self.before.as_mut()?.plain_connect_id.take()
    }

    /// A further namespace of a signed-in connection: the same user.
    fn connect_further(
        &mut self,
        entry: Entry,
        back: Option<RecoveryClaim>,
        caller: &Caller,
        identity: &Identity,
        now: Now,
    ) {
        let same = match identity {
            Identity::Verified(verified) => caller.principal.user().id == verified.user,
            Identity::Anonymous(_) | Identity::Known => true,
        };
        if !same {
            let denial = Denial::Token(TokenFault::User);
            return self.connect_refused(&entry, &denial, now);
        }
        if let Err(denial) = caller.principal.is_current(now) {
            self.connection.end(End::Refused(denial));
            return;
        }
        self.admit_to_namespace(entry, back, now);
    }

    /// The outcome of door 2: the connection has a caller from here on.
    pub(crate) fn authenticated(
        &mut self,
        entry: Entry,
        back: Option<RecoveryClaim>,
        outcome: Result<Principal, Denial>,
        now: Now,
    ) {
        let principal = match outcome {
            Ok(principal) => principal,
            Err(denial) => {
                // The user is proven; that there are too many of the user's connections is no
                // matter of the address.
                if matches!(denial, Denial::UserConnections | Denial::UserConnectionsUnheard) {
                    self.refund_user(now);
                }
                return self.connect_refused(&entry, &denial, now);
            }
        };
        if let Err(denial) = self.role_holds(&entry, &principal) {
            return self.connect_refused(&entry, &denial, now);
        }
        if let Err(denial) =
            self.shard.gate.limits().count_first_namespace_packet(&principal.user().id, now)
        {
            if !principal.is_anonymous() {
                self.refund_user(now);
            }
            return self.connect_refused(&entry, &denial, now);
        }
        let is_admin = principal.roles().contains(Role::Admin);
        let class = if is_admin { ClientClass::Admin } else { ClientClass::Returning };
        let gate = &self.shard.gate;
        let placed = self.slot.as_mut().map_or(Ok(()), |slot| match principal.is_anonymous() {
            true => gate.limits().sign_in_anonymous(slot, class),
            false => gate.limits().sign_in(slot, class, now),
        });
        if let Err(denial) = placed {
            return self.connect_refused(&entry, &denial, now);
        }
        let Ok(nonce) = random_id::<16>() else {
            return self.connect_refused(&entry, &Denial::Internal("randomness"), now);
        };
        let lanes = self.shard.gate.limits().address_buckets(self.connection.client);
        let caller = Rc::new(Caller::new(principal, &nonce).coming_from(lanes));
        let user = caller.principal.user().id.clone();
        if caller.principal.evicts() {
            let recheck = Delta::Recheck { user: user.clone() };
            if self.shard.hub.try_deliver(recheck).is_err() {
                tracing::warn!("a shard is behind; a connection that made room finds out later");
            }
        }
        *self.connection.caller.borrow_mut() = Some(caller);
        // Neither the header's token nor a ticket can be shown again.
        self.shows_no_more |= self.bearer().is_some() || entry.used_up;
        self.shard.sign_in(&self.connection, &user);
        self.shard.record_connected(&self.connection, entry.used_up, now);
        self.admit_to_namespace(entry, back, now);
    }

    fn refund_user(&mut self, now: Now) {
        if let Some(slot) = &mut self.slot {
            self.shard.gate.limits().refund_user(slot, now);
        }
    }

    fn role_holds(&self, entry: &Entry, principal: &Principal) -> Result<(), Denial> {
        let rule = self.shard.registered.namespaces.rule(entry.rule);
        match rule.and_then(|rule| rule.role) {
            Some(role) if principal.withheld().contains(role) => Err(Denial::SecondFactor("role")),
            Some(role) if !principal.roles().contains(role) => {
                Err(Denial::Forbidden("namespace_role"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The namespace's own say, and then the socket: a place kept for it, or a fresh one.
    fn admit_to_namespace(&mut self, entry: Entry, back: Option<RecoveryClaim>, now: Now) {
        let Some(caller) = self.connection.caller() else { return };
        if let Err(denial) = self.role_holds(&entry, &caller.principal) {
            return self.connect_refused(&entry, &denial, now);
        }
        let rule = self.shard.registered.namespaces.rule(entry.rule);
        let hook = rule.and_then(|rule| rule.connecting.as_ref());
        match hook {
            Some(hook) => {
                let user = caller.principal.user().clone();
                let future = hook(user, entry.namespace.clone());
                self.start_connecting(Connecting::Namespace { entry, back, future }, now);
            }
            None => self.admitted(entry, back, now),
        }
    }

    /// Whoever comes back gets the kept place, if there is one; everyone else a fresh one.
    pub(crate) fn admitted(&mut self, entry: Entry, back: Option<RecoveryClaim>, now: Now) {
        match back.and_then(|back| self.resume(&entry, &back, now)) {
            Some(future) => {
                self.start_connecting(Connecting::Resume { entry, future }, now);
            }
            None => self.join_fresh(entry, now),
        }
    }

    pub(crate) fn join_fresh(&mut self, entry: Entry, now: Now) {
        let Ok(id) = SocketId::random() else {
            self.connection.end(End::Refused(Denial::Internal("randomness")));
            return;
        };
        let recovers = self.shard.registered.namespaces.rule(entry.rule);
        let recovers = recovers.is_some_and(|rule| rule.recover.is_some());
        let pid = if recovers && self.connection.form == Form::SocketIo {
            random_id::<20>().ok().map(String::into_boxed_str)
        } else {
            None
        };
        let socket = self.new_socket(&entry, id, pid);
        let answer = self.connect_answer(&socket, now);
        self.shard.enter_namespace(&socket);
        self.shard.send(&self.connection, frame(Opcode::Text, answer.as_bytes()));
        self.entered(&socket, entry.payload, now);
    }

    pub(crate) fn new_socket(
        &self,
        entry: &Entry,
        id: SocketId,
        pid: Option<Box<str>>,
    ) -> Rc<Socket> {
        Rc::new(Socket {
            connection: Rc::clone(&self.connection),
            namespace: entry.namespace.clone(),
            rule: entry.rule,
            id,
            pid,
            key: Cell::new(0),
            rooms: RefCell::default(),
            shown: Cell::default(),
        })
    }

    /// A socket is in: deadlines change, and the namespace's hook runs.
    pub(crate) fn entered(&mut self, socket: &Rc<Socket>, payload: Option<String>, now: Now) {
        self.connection.session.borrow_mut().connected();
        self.before = None;
        // The first look at the principal's own end of time.
        if let Some(next_ms) = self.connection.due(now, &self.shard.options) {
            self.shard.arm(&self.connection, next_ms);
        }
        let rule = self.shard.registered.namespaces.rule(socket.rule);
        let caller = self.connection.caller();
        let hook = rule.and_then(|rule| rule.connected.as_ref());
        if let (Some(hook), Some(caller)) = (hook, caller) {
            let future = hook(self.context(socket, &caller, now), payload);
            self.start_connecting(Connecting::Entered { future }, now);
        }
    }

    /// The text that tells a client it is in.
    pub(crate) fn connect_answer(&mut self, socket: &Socket, now: Now) -> String {
        let id = socket.id;
        let mut members = format!(r#""sid":"{id}""#);
        if let Some(pid) = &socket.pid {
            members.push_str(&format!(r#","pid":"{pid}""#));
        }
        if self.shard.options.connect_answer == ConnectAnswer::Full {
            let caller = self.connection.caller();
            let nonce = caller.as_ref().map_or("", |caller| caller.nonce());
            let time = now.unix_ms;
            members.push_str(&format!(r#","conn":"{nonce}","server_time":{time}"#));
            let withheld = self.shard.withheld_roles(&self.connection);
            if !withheld.is_empty() {
                let names = serde_json::Value::from(withheld);
                members.push_str(&format!(r#","roles_withheld":{names}"#));
            }
        }
        match self.connection.form {
            Form::SocketIo | Form::Engine => {
                socketio::connect_ok(socket.namespace.as_str(), &format!("{{{members}}}"))
            }
            Form::Plain => match self.take_plain_connect_id() {
                Some(id) => plain::plain_reply(&id, &format!(r#"{{"ok":true,{members}}}"#)),
                None => plain::plain_event("connect", &format!("{{{members}}}")),
            },
        }
    }

    pub(crate) fn connect_refused(&mut self, entry: &Entry, denial: &Denial, now: Now) {
        let refusal = self.refuse(denial, None, now);
        let text = match self.connection.form {
            Form::SocketIo | Form::Engine => {
                socketio::connect_error(entry.namespace.as_str(), &refusal.connect_error())
            }
            Form::Plain => match self.take_plain_connect_id() {
                Some(id) => plain::plain_reply(&id, &refusal.reply()),
                None => plain::plain_event("connect_error", &refusal.connect_error()),
            },
        };
        self.shard.send(&self.connection, frame(Opcode::Text, text.as_bytes()));
        let inside = !self.connection.sockets.borrow().is_empty();
        let goes_on = inside && denial.answer().closed_by == ClosedBy::Nothing;
        if goes_on {
            self.strike(denial, now);
        } else {
            self.connection.end(End::Told(denial.clone()));
        }
    }

    /// Says why before the close frame, to a peer that can read it.
    pub(crate) fn tell_refused(&mut self, denial: &Denial, now: Now) {
        let refusal = self.refuse(denial, None, now);
        let sockets: Vec<_> = self.connection.sockets.borrow().iter().cloned().collect();
        let options = &self.shard.options;
        if let Denial::Draining | Denial::SlowConsumer | Denial::PingTimeout = denial {
            return;
        }
        for socket in sockets {
            let text = match (denial, self.connection.form) {
                (Denial::SessionEnded("barred"), Form::SocketIo | Form::Engine) => {
                    // A disconnect carries no text, and the user has to learn why.
                    let why = self.event_text(&socket, "error", &refusal.error_event(None));
                    self.connection.queue_last(frame(Opcode::Text, why.as_bytes()), options);
                    socketio::disconnect(socket.namespace.as_str())
                }
                (Denial::SessionEnded(_), Form::SocketIo | Form::Engine) => {
                    socketio::disconnect(socket.namespace.as_str())
                }
                (_, Form::SocketIo | Form::Engine | Form::Plain) => {
                    self.event_text(&socket, "error", &refusal.error_event(None))
                }
            };
            self.connection.queue_last(frame(Opcode::Text, text.as_bytes()), options);
        }
    }
}
