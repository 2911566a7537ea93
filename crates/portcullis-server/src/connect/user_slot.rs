//! A connection slot for a user: half-open connections are ended for the client that lost them.
//! Never: the end of a connection whose client answers; a socket for another user or session.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use portcullis_guard::{LastActivity, Principal, VerifiedCredential, WhenUserFull};
use portcullis_model::{ConnectionId, Denial};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::connect::request::RecoveryTarget;
use crate::delivery::hub::Delta;
use crate::events::namespace::HookFuture;
use crate::rooms::kept_sockets::Claimant;
use crate::shard::state::Shard;

/// How long a replaced connection may take to leave its rooms.
const LEAVE_MS: u64 = 1_000;
/// How long the client of a claimed socket may take to answer a ping.
const CLAIM_MS: u64 = 500;
const CLAIM_CHECK_MS: u64 = 25;
/// A client that sent something within this time is present: no client reconnects so fast.
const PRESENT_MS: u64 = 250;
/// How long the clients of a full user may take to answer a ping, at most.
const PROBE_MS: u64 = 3_000;
/// The interval between two checks of their answers.
const PROBE_CHECK_MS: u64 = 100;
/// A client of a full user that sent something within this time keeps its connection.
const RECENT_MS: u64 = 5_000;

pub(crate) type PrincipalFuture = Pin<Box<dyn Future<Output = Result<Principal, Denial>>>>;

/// Authenticates after the client's lost connection has ended, the product's hook has run, and the
/// user has a free connection slot.
pub(crate) fn authenticate_with_slot(
    shard: &Rc<Shard>,
    target: RecoveryTarget,
    hook: Option<HookFuture>,
    verified: VerifiedCredential,
) -> PrincipalFuture {
    let shard = Rc::clone(shard);
    Box::pin(async move {
        if let Some(ended) = replace_lost_connection(&shard, &target, &verified).await {
            // Without the lost connection's socket, the client gets a new one.
            let _in_time = timeout(Duration::from_millis(LEAVE_MS), ended).await;
        }
        if let Some(hook) = hook {
            hook.await?;
        }
        authenticate(&shard, verified).await
    })
}

/// Whether a CONNECT can be decided at once, because no connection has to end for it.
pub(crate) fn has_free_slot(
    shard: &Shard,
    target: &RecoveryTarget,
    verified: &VerifiedCredential,
) -> bool {
    let gate = &shard.server.gate;
    let user = gate.directory().user(&verified.user);
    let is_full = user.is_some_and(|user| {
        let options = gate.options();
        options.when_user_full == WhenUserFull::EvictSilent
            && user.connections() >= options.connections_per_user
    });
    !is_full && lost_connection(shard, target, verified).is_none()
}

/// The open connection of the socket that a client claims.
fn lost_connection(
    shard: &Shard,
    target: &RecoveryTarget,
    verified: &VerifiedCredential,
) -> Option<(ConnectionId, LastActivity)> {
    let server = &shard.server;
    server.registered.namespaces.rule(target.rule)?.recover.as_ref()?;
    let pid = &target.claim.as_ref()?.pid;
    let claimant = Claimant { user: &verified.user, session: verified.session.as_deref() };
    server.recovery.live_connection(pid, &claimant, &target.namespace)
}

/// Ends the connection of the socket that a client claims, unless its own client still answers.
/// The receiver is notified when the socket is kept.
async fn replace_lost_connection(
    shard: &Shard,
    target: &RecoveryTarget,
    verified: &VerifiedCredential,
) -> Option<oneshot::Receiver<()>> {
    let (connection, last_activity) = lost_connection(shard, target, verified)?;
    let started_ms = shard.now().monotonic_ms;
    if started_ms < last_activity.monotonic_ms().saturating_add(PRESENT_MS) {
        return None;
    }
    let server = &shard.server;
    let ended = server.recovery.watch_end(&target.claim.as_ref()?.pid)?;
    server.hub.try_deliver(Delta::Probe { user: verified.user.clone() }).ok()?;
    while shard.now().monotonic_ms < started_ms + CLAIM_MS {
        sleep(Duration::from_millis(CLAIM_CHECK_MS)).await;
        if last_activity.monotonic_ms() >= started_ms {
            return None;
        }
    }
    server.hub.try_deliver_to(connection.shard, Delta::Replace { connection }).ok()?;
    Some(ended)
}

/// Authenticates. If the user has as many connections as permitted, sends pings to their clients
/// and evicts a connection whose client does not answer.
async fn authenticate(shard: &Shard, verified: VerifiedCredential) -> Result<Principal, Denial> {
    let server = &shard.server;
    let gate = &server.gate;
    let started = shard.now();
    let full = match gate.authenticate(verified.clone(), started) {
        Err(full @ Denial::UserConnections) => full,
        outcome => return outcome,
    };
    let may_evict = gate.options().when_user_full == WhenUserFull::EvictSilent;
    let user = gate.directory().user(&verified.user).filter(|_| may_evict);
    let Some(user) = user else { return Err(full) };
    server.hub.try_deliver(Delta::Probe { user: verified.user.clone() })?;
    let since_ms = started.monotonic_ms.saturating_sub(RECENT_MS);
    // The CONNECT has to be answered within the time limit of a handler.
    let probe_ms = (server.options.handler_timeout_ms / 4 * 3).min(PROBE_MS);
    for _ in 0..probe_ms / PROBE_CHECK_MS {
        sleep(Duration::from_millis(PROBE_CHECK_MS)).await;
        match gate.authenticate(verified.clone(), shard.now()) {
            Err(Denial::UserConnections) => {}
            outcome => return outcome,
        }
        if !user.has_silent_connection(since_ms) {
            let all_answered = !user.has_silent_connection(started.monotonic_ms);
            return Err(if all_answered { full } else { Denial::UserConnectionsUnheard });
        }
    }
    gate.authenticate_replacing(verified, since_ms, shard.now())
}
