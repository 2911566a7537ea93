//! The state machine of a CONNECT: authenticate, authorize, recover or join, greet.
//! Never: two authentications of one connection at a time.

use std::rc::Rc;
use std::task::{Context, Poll};

use portcullis_guard::{
    Caller, ConnectionSlot, Cookies, Principal, RecoveryClaim, presents_ticket, read_recovery_claim,
};
use portcullis_model::limits::NAMESPACES_PER_CONNECTION_MAX;
use portcullis_model::{ClosedBy, Denial, Now, Secret, TokenFault};

use crate::connect::answer::{connect_error, connect_ok};
use crate::connect::credentials::Credentials;
use crate::connect::identity::{
    Identity, can_look_up_key, foreign_user_hook, identify, look_up_key,
};
use crate::connect::namespace_packet::{count_namespace_packet, find_namespace};
use crate::connect::recovery_claim::claim_socket;
use crate::connect::request::ConnectRequest;
use crate::connect::sign_in::{check_role, refund, sign_in};
use crate::connect::state::{ConnectState, Step};
use crate::connect::user_slot::{authenticate_with_slot, has_free_slot};
use crate::connection::end::EndReason;
use crate::connection::link::Link;
use crate::connection::record::record_connected;
use crate::connection::socket::{PendingRecovery, Socket};
use crate::connection::socket_id::SocketId;
use crate::delivery::hub::{Delta, pending_batches};
use crate::events::frame::Form;
use crate::random::random_id;
use crate::rooms::kept_sockets::RecoveryOutcome;
use crate::rooms::membership::enter_namespace;
use crate::websocket::control_rate::ControlRate;

/// The credentials of a connection and the state of its CONNECT.
pub(crate) struct ConnectFlow {
    pub(crate) slot: Option<ConnectionSlot>,
    pub(crate) credentials: Credentials,
}

impl ConnectFlow {
    pub(crate) fn new(
        slot: Option<ConnectionSlot>,
        bearer: Option<Secret<String>>,
        cookies: Cookies,
    ) -> Self {
        Self { slot, credentials: Credentials::new(bearer, cookies) }
    }

    /// Starts with a Socket.IO CONNECT.
    pub(crate) fn connect(
        &mut self,
        link: &Link,
        control: &mut ControlRate,
        name: &str,
        payload: Option<&str>,
        now: Now,
    ) -> Step {
        if !count_namespace_packet(link, now) {
            return Step::Done;
        }
        let Some((rule, namespace)) = find_namespace(link, control, name, now) else {
            return Step::Done;
        };
        let sequence = if link.connection.socket(name).is_some() {
            "second_connect"
        } else if link.connection.members.sockets.borrow().len() >= NAMESPACES_PER_CONNECTION_MAX {
            "namespaces"
        } else {
            return self.start(link, ConnectRequest::new(namespace, rule), payload, now);
        };
        link.deny(Denial::Sequence(sequence));
        Step::Done
    }

    /// Starts with the connect message of the plain form.
    pub(crate) fn plain_connect(
        &mut self,
        link: &Link,
        id: Option<String>,
        payload: Option<&str>,
        now: Now,
    ) -> Step {
        if !count_namespace_packet(link, now) {
            return Step::Done;
        }
        if link.connection.caller.borrow().is_some() {
            link.deny(Denial::Sequence("second_connect"));
            return Step::Done;
        }
        self.credentials.set_plain_id(id);
        self.start(link, ConnectRequest::main(), payload, now)
    }

    /// Verifies the credential; authenticates at once if nothing has to wait.
    pub(crate) fn start(
        &mut self,
        link: &Link,
        mut request: ConnectRequest,
        payload: Option<&str>,
        now: Now,
    ) -> Step {
        let credentials = &self.credentials;
        let identity = match identify(link, credentials, payload, now) {
            Ok(identity) => identity,
            Err(Denial::Token(TokenFault::Key)) if can_look_up_key(link) => {
                let claim = read_recovery_claim(payload);
                let target = request.target(claim.as_ref());
                let future = look_up_key(link, credentials, payload, target, now);
                return Step::start(ConnectState::Authenticating { request, claim, future });
            }
            Err(denial) => return self.reject(link, &request, &denial, now),
        };
        request.is_single_use = presents_ticket(payload);
        request.verified = identity.verified_user();
        let claim = match &identity {
            Identity::Verified(_) | Identity::SignedIn => read_recovery_claim(payload),
            Identity::Anonymous(_) => {
                request.payload = payload.map(String::from);
                None
            }
        };
        if let Some(caller) = link.connection.caller() {
            return self.connect_further(link, request, claim, &caller, &identity, now);
        }
        let (shard, gate) = (&link.shard, &link.shard.server.gate);
        let outcome = match identity {
            Identity::Verified(verified) => {
                let hook = foreign_user_hook(shard, link.connection.client.address, &verified);
                let target = request.target(claim.as_ref());
                if hook.is_some() || !has_free_slot(shard, &target, &verified) {
                    let future = authenticate_with_slot(shard, target, hook, *verified);
                    return Step::start(ConnectState::Authenticating { request, claim, future });
                }
                gate.authenticate(*verified, now)
            }
            Identity::Anonymous(user) => gate.authentication().authenticate_anonymous(user, now),
            Identity::SignedIn => Err(Denial::Token(TokenFault::Missing)),
        };
        self.authenticated(link, request, claim, outcome, now)
    }

    /// Connects a signed-in connection to a further namespace, as the same user.
    fn connect_further(
        &mut self,
        link: &Link,
        request: ConnectRequest,
        claim: Option<RecoveryClaim>,
        caller: &Caller,
        identity: &Identity,
        now: Now,
    ) -> Step {
        let is_same_user = match identity {
            Identity::Verified(verified) => caller.principal.user().id == verified.user,
            Identity::Anonymous(_) | Identity::SignedIn => true,
        };
        if !is_same_user {
            return self.reject(link, &request, &Denial::Token(TokenFault::User), now);
        }
        if let Err(denial) = caller.principal.is_current(now) {
            link.deny(denial);
            return Step::Done;
        }
        self.authorize(link, request, claim, now)
    }

    /// Signs the authenticated user in on the connection.
    fn authenticated(
        &mut self,
        link: &Link,
        request: ConnectRequest,
        claim: Option<RecoveryClaim>,
        outcome: Result<Principal, Denial>,
        now: Now,
    ) -> Step {
        let signed_in = outcome
            .inspect_err(|denial| {
                // The user is proven: a user's own limit does not count against the address.
                if matches!(denial, Denial::UserConnections | Denial::UserConnectionsUnheard) {
                    refund(link, &mut self.slot, now);
                }
            })
            .and_then(|principal| sign_in(link, &mut self.slot, &request, principal, now));
        let caller = match signed_in {
            Ok(caller) => caller,
            Err(denial) => return self.reject(link, &request, &denial, now),
        };
        let (shard, connection) = (&link.shard, &link.connection);
        let user = caller.principal.user().id.clone();
        if caller.principal.evicts() {
            let recheck = Delta::Recheck { user: user.clone() };
            if shard.server.hub.try_deliver(recheck).is_err() {
                tracing::warn!("the queue of a shard is full: an evicted connection ends later");
            }
        }
        *connection.caller.borrow_mut() = Some(caller);
        // Neither the token of the request nor a ticket can be sent again.
        self.credentials.is_used_up |= self.credentials.bearer().is_some() || request.is_single_use;
        shard.connections.sign_in(connection, &user);
        record_connected(shard, connection, request.is_single_use, now);
        self.authorize(link, request, claim, now)
    }

    /// Checks the role that the namespace requires, and starts its hook.
    fn authorize(
        &mut self,
        link: &Link,
        request: ConnectRequest,
        claim: Option<RecoveryClaim>,
        now: Now,
    ) -> Step {
        let Some(caller) = link.connection.caller() else { return Step::Done };
        if let Err(denial) = check_role(link, &request, &caller.principal) {
            return self.reject(link, &request, &denial, now);
        }
        let rule = link.shard.server.registered.namespaces.rule(request.rule);
        match rule.and_then(|rule| rule.connecting.as_ref()) {
            Some(hook) => {
                let user = caller.principal.user().clone();
                let future = hook(user, request.namespace.clone());
                Step::start(ConnectState::Authorizing { request, claim, future })
            }
            None => self.recover_or_join(link, request, claim, now),
        }
    }

    /// Recovers the kept socket of a returning client; other clients get a new socket.
    fn recover_or_join(
        &mut self,
        link: &Link,
        request: ConnectRequest,
        claim: Option<RecoveryClaim>,
        now: Now,
    ) -> Step {
        let claimed = claim.and_then(|claim| claim_socket(link, &request, &claim, now));
        let Some((socket, future)) = claimed else { return self.join(link, request, now) };
        let answer = connect_ok(link, &socket, self.credentials.take_plain_id(), now);
        let recovery = PendingRecovery { socket, answer };
        link.connection.members.recovery.set(Some(Box::new(recovery)));
        Step::start(ConnectState::LookingUpMissed { request, future })
    }

    /// Joins the namespace with a new socket.
    fn join(&mut self, link: &Link, request: ConnectRequest, now: Now) -> Step {
        let Ok(id) = SocketId::random() else {
            link.deny(Denial::Internal("randomness"));
            return Step::Done;
        };
        let rule = link.shard.server.registered.namespaces.rule(request.rule);
        let is_recoverable = rule.is_some_and(|rule| rule.recover.is_some());
        let pid = if is_recoverable && link.connection.form == Form::SocketIo {
            random_id::<20>().ok().map(String::into_boxed_str)
        } else {
            None
        };
        let ConnectRequest { namespace, rule, payload, .. } = request;
        let connection = Rc::clone(&link.connection);
        let socket = Rc::new(Socket::new(connection, namespace, rule, id, pid));
        let answer = connect_ok(link, &socket, self.credentials.take_plain_id(), now);
        enter_namespace(&link.shard, &socket);
        link.send(answer);
        self.greet(link, &socket, payload, now)
    }

    /// Sets the deadlines of a joined socket, and starts the namespace's hook.
    fn greet(
        &mut self,
        link: &Link,
        socket: &Rc<Socket>,
        payload: Option<String>,
        now: Now,
    ) -> Step {
        link.connection.session.borrow_mut().connected();
        self.credentials.clear();
        // The expiry of the credential is now one of the deadlines.
        link.shard.check_deadlines(&link.connection, now);
        let rule = link.shard.server.registered.namespaces.rule(socket.rule);
        let hook = rule.and_then(|rule| rule.connected.as_ref());
        match (hook, link.connection.caller()) {
            (Some(hook), Some(caller)) => {
                let future = hook(link.context(socket, &caller, now), payload);
                Step::start(ConnectState::Greeting { future })
            }
            (_, _) => Step::Done,
        }
    }

    /// Continues a CONNECT that waits.
    pub(crate) fn poll(
        &mut self,
        link: &Link,
        state: ConnectState,
        context: &mut Context<'_>,
        now: Now,
    ) -> Step {
        match state {
            ConnectState::Authenticating { request, claim, mut future } => {
                match future.as_mut().poll(context) {
                    Poll::Ready(outcome) => self.authenticated(link, request, claim, outcome, now),
                    Poll::Pending => {
                        Step::wait(ConnectState::Authenticating { request, claim, future })
                    }
                }
            }
            ConnectState::Authorizing { request, claim, mut future } => {
                match future.as_mut().poll(context) {
                    Poll::Ready(Ok(())) => self.recover_or_join(link, request, claim, now),
                    Poll::Ready(Err(denial)) => self.reject(link, &request, &denial, now),
                    Poll::Pending => {
                        Step::wait(ConnectState::Authorizing { request, claim, future })
                    }
                }
            }
            ConnectState::LookingUpMissed { request, mut future } => {
                match future.as_mut().poll(context) {
                    Poll::Ready(Ok(RecoveryOutcome::Resumed)) => {
                        self.poll(link, ConnectState::Recovering { request }, context, now)
                    }
                    Poll::Ready(Ok(RecoveryOutcome::Fresh) | Err(_)) => {
                        self.cancel_recovery(link, request, now)
                    }
                    Poll::Pending => Step::wait(ConnectState::LookingUpMissed { request, future }),
                }
            }
            ConnectState::Recovering { request } if link.connection.is_recovering() => {
                Step::wait(ConnectState::Recovering { request })
            }
            ConnectState::Recovering { request } => self.recovered(link, request, now),
            ConnectState::Greeting { mut future } => match future.as_mut().poll(context) {
                Poll::Ready(Ok(())) => match pending_batches() {
                    Some(pending) => {
                        self.poll(link, ConnectState::Flushing { pending }, context, now)
                    }
                    None => Step::Done,
                },
                Poll::Ready(Err(denial)) => {
                    link.deny(denial);
                    Step::Done
                }
                Poll::Pending => Step::wait(ConnectState::Greeting { future }),
            },
            ConnectState::Flushing { pending } if !pending.are_applied() => {
                context.waker().wake_by_ref();
                Step::wait(ConnectState::Flushing { pending })
            }
            ConnectState::Flushing { .. } => Step::Done,
        }
    }

    /// Ends a state that has taken too long.
    pub(crate) fn time_out(&mut self, link: &Link, state: ConnectState, now: Now) -> Step {
        match state {
            ConnectState::Authenticating { request, .. }
            | ConnectState::Authorizing { request, .. } => {
                self.reject(link, &request, &Denial::HandlerTimeout, now)
            }
            ConnectState::LookingUpMissed { request, .. }
            | ConnectState::Recovering { request } => self.cancel_recovery(link, request, now),
            ConnectState::Greeting { .. } => {
                link.reject_silently(&Denial::HandlerTimeout, now);
                Step::Done
            }
            ConnectState::Flushing { .. } => Step::Done,
        }
    }

    /// Greets a recovered socket; without one, the client gets a new socket.
    fn recovered(&mut self, link: &Link, request: ConnectRequest, now: Now) -> Step {
        match link.connection.socket(request.namespace.as_str()) {
            Some(socket) => self.greet(link, &socket, None, now),
            // More was missed than may be queued for one connection.
            None => self.join(link, request, now),
        }
    }

    fn cancel_recovery(&mut self, link: &Link, request: ConnectRequest, now: Now) -> Step {
        // The hub may have recovered the socket before the hook ended.
        match link.connection.members.recovery.take() {
            Some(_) => self.join(link, request, now),
            None => self.recovered(link, request, now),
        }
    }

    /// Rejects a CONNECT. The connection ends, unless it has sockets and the denial permits them.
    fn reject(&mut self, link: &Link, request: &ConnectRequest, denial: &Denial, now: Now) -> Step {
        let rejection = link.reject_connect(denial, request.verified.as_ref(), now);
        let plain_id = self.credentials.take_plain_id();
        link.send(connect_error(link, &request.namespace, plain_id, &rejection));
        let has_sockets = !link.connection.members.sockets.borrow().is_empty();
        if has_sockets && denial.answer().closed_by == ClosedBy::Nothing {
            link.count_violation(denial, now);
        } else {
            link.connection.end(EndReason::DeniedAndSent(denial.clone()));
        }
        Step::Done
    }
}
