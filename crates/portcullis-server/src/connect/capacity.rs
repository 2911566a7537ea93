//! Room for one more connection of a user: half-open ones make way for the client that lost them.
//! Never: an end for a connection whose client answers, or a place for another user or session.

use std::rc::Rc;
use std::time::Duration;

use portcullis_guard::{LastActivity, Principal, RecoveryClaim, VerifiedCredential, WhenUserFull};
use portcullis_model::{ConnectionId, Denial, Namespace, Now, UserId};
use portcullis_wire::websocket::{Opcode, frame};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::connect::job::PrincipalFuture;
use crate::connection::state::{Connection, End, Transport};
use crate::delivery::hub::Delta;
use crate::events::namespace::HookFuture;
use crate::rooms::recovery::Comer;
use crate::shard::state::Shard;

/// How long a connection that is replaced may take to leave its rooms.
const LEAVE_MS: u64 = 1_000;
/// How long the client of a connection may take to show that nobody else can have its place.
const CLAIM_MS: u64 = 500;
const CLAIM_LOOK_MS: u64 = 25;
/// A client that was heard so lately is there: nothing comes back as fast.
const THERE_MS: u64 = 250;
/// How long a client may take to answer a probe, at most.
const PROBE_MS: u64 = 3_000;
/// Between two looks at the answers.
const PROBE_LOOK_MS: u64 = 100;
/// A client that was heard so lately is there: it does not make room.
const LATELY_MS: u64 = 5_000;
/// Between two pings of one connection.
const PROBE_EVERY_MS: u64 = 250;

/// The claim of a client that comes back, and its namespace.
#[derive(Clone)]
pub(crate) struct Returning {
    pub(crate) namespace: Namespace,
    /// Which of the registered namespaces it is.
    pub(crate) rule: usize,
    pub(crate) back: Option<RecoveryClaim>,
}

impl Shard {
    /// Authenticates once the connection that the client lost has ended, the product is done, and
    /// there is room for one more connection of the user.
    pub(crate) fn authenticate_later(
        self: &Rc<Self>,
        returning: Returning,
        hook: Option<HookFuture>,
        verified: VerifiedCredential,
    ) -> PrincipalFuture {
        let shard = Rc::clone(self);
        Box::pin(async move {
            if let Some(left) = shard.take_over(&returning, &verified).await {
                // Without its place the client gets a fresh one.
                let _in_time = timeout(Duration::from_millis(LEAVE_MS), left).await;
            }
            if let Some(hook) = hook {
                hook.await?;
            }
            shard.authenticate_with_room(verified).await
        })
    }

    /// Whether a CONNECT can be decided at once: no connection has to end for it.
    pub(crate) fn has_room(&self, returning: &Returning, verified: &VerifiedCredential) -> bool {
        let user = self.gate.directory().user(&verified.user);
        let full = user.is_some_and(|user| {
            let options = self.gate.options();
            options.when_user_full == WhenUserFull::EvictSilent
                && user.connections() >= options.connections_per_user
        });
        !full && self.lost(returning, verified).is_none()
    }

    /// The open connection whose place a client asks for.
    fn lost(
        &self,
        returning: &Returning,
        verified: &VerifiedCredential,
    ) -> Option<(ConnectionId, LastActivity)> {
        self.registered.namespaces.rule(returning.rule)?.recover.as_ref()?;
        let pid = &returning.back.as_ref()?.pid;
        let comer = Comer { user: &verified.user, session: verified.session.as_deref() };
        self.parking.connection_of(pid, &comer, &returning.namespace)
    }

    /// Ends the connection whose place a client asks for, unless its own client is there and
    /// answers. The receiver hears when the place is kept.
    async fn take_over(
        &self,
        returning: &Returning,
        verified: &VerifiedCredential,
    ) -> Option<oneshot::Receiver<()>> {
        let (connection, last_heard) = self.lost(returning, verified)?;
        let asked_ms = self.now().monotonic_ms;
        if asked_ms < last_heard.monotonic_ms().saturating_add(THERE_MS) {
            return None;
        }
        let left = self.parking.wait_for(&returning.back.as_ref()?.pid)?;
        self.hub.try_deliver(Delta::Probe { user: verified.user.clone() }).ok()?;
        while self.now().monotonic_ms < asked_ms + CLAIM_MS {
            sleep(Duration::from_millis(CLAIM_LOOK_MS)).await;
            if last_heard.monotonic_ms() >= asked_ms {
                return None;
            }
        }
        self.hub.try_deliver_to(connection.shard, Delta::Replace { connection }).ok()?;
        Some(left)
    }

    /// Authenticates. If the user has as many connections as are permitted, asks their clients
    /// whether they are there, and evicts one that does not answer.
    pub(crate) async fn authenticate_with_room(
        &self,
        verified: VerifiedCredential,
    ) -> Result<Principal, Denial> {
        let asked = self.now();
        let full = match self.gate.authenticate(verified.clone(), asked) {
            Err(full @ Denial::UserConnections) => full,
            outcome => return outcome,
        };
        let probes = self.gate.options().when_user_full == WhenUserFull::EvictSilent;
        let user = self.gate.directory().user(&verified.user).filter(|_| probes);
        let Some(user) = user else { return Err(full) };
        self.hub.try_deliver(Delta::Probe { user: verified.user.clone() })?;
        let since_ms = asked.monotonic_ms.saturating_sub(LATELY_MS);
        // The CONNECT has to be answered within the time of a handler.
        let probe_ms = (self.options.handler_timeout_ms / 4 * 3).min(PROBE_MS);
        for _ in 0..probe_ms / PROBE_LOOK_MS {
            sleep(Duration::from_millis(PROBE_LOOK_MS)).await;
            match self.gate.authenticate(verified.clone(), self.now()) {
                Err(Denial::UserConnections) => {}
                outcome => return outcome,
            }
            if !user.has_silent_connection(since_ms) {
                let all_heard = !user.has_silent_connection(asked.monotonic_ms);
                return Err(if all_heard { full } else { Denial::UserConnectionsUnheard });
            }
        }
        self.gate.authenticate_replacing(verified, since_ms, self.now())
    }

    /// Asks the clients of a user whether they are there. Every client answers pings by itself.
    pub(crate) fn probe(&self, user: &UserId) {
        let now = self.now();
        for connection in self.connections_of(user) {
            if connection.is_probed(now) {
                self.mark_dirty(&connection);
            }
        }
    }

    /// A client has come back on another connection: this one ends, and its places are kept.
    pub(crate) fn replace(&self, connection: ConnectionId) {
        if let Some(connection) = self.open_connection(connection) {
            connection.end(End::Replaced);
        }
    }
}

impl Connection {
    /// Queues a ping, unless one went out just now. Gives whether it did.
    fn is_probed(&self, now: Now) -> bool {
        let Some(caller) = self.caller() else { return false };
        if self.paused_until_ms.get() != 0 || self.job_since_ms.get() != 0 {
            // The server reads nothing of the client at the moment, so it would not see an answer.
            caller.principal.record_activity(now);
            return false;
        }
        let probed_ms = self.probed_ms.get();
        if probed_ms != 0 && now.monotonic_ms < probed_ms + PROBE_EVERY_MS {
            return false;
        }
        self.probed_ms.set(now.monotonic_ms.max(1));
        let ping = match &*self.transport.borrow() {
            Transport::Socket(_) => frame(Opcode::Ping, b""),
            Transport::Polling(_) => frame(Opcode::Text, b"2"),
        };
        self.queue_probe(ping);
        true
    }
}
