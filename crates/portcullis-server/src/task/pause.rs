//! Pauses in reading from a client that exceeds a rate.
//! Never: a lost packet; the client's data waits in its socket.

use portcullis_model::{Denial, Now};

use crate::connection::link::Link;
use crate::shard::state::TICK_MS;
use crate::task::progress::Progress;

/// Pauses reading until the rate permits more, and records the denial.
pub(crate) fn pause_for_denial(link: &Link, progress: &mut Progress, denial: &Denial, now: Now) {
    if pause_reading(link, progress, denial.retry_after_ms().unwrap_or(1), now) {
        let _recorded = link.reject(denial, None, now);
    }
}

/// Pauses reading for a time. Returns false when the time is too short for a pause.
pub(crate) fn pause_reading(link: &Link, progress: &mut Progress, pause_ms: u64, now: Now) -> bool {
    // A pause has at least the length of a tick; shorter ones add up in the rate.
    if pause_ms < TICK_MS {
        return false;
    }
    let Link { shard, connection } = link;
    let until_ms = now.monotonic_ms.saturating_add(pause_ms);
    let until_ms = shard.deadlines.fires_at(until_ms).max(until_ms);
    let pause_ms = u32::try_from(until_ms.saturating_sub(now.monotonic_ms)).unwrap_or(u32::MAX);
    let timers = &connection.timers;
    timers.paused_ms.update(|paused_ms| paused_ms.saturating_add(pause_ms));
    timers.paused_until_ms.set(until_ms);
    progress.advance(until_ms);
    let options = shard.server.options.session();
    connection.session.borrow_mut().excuse_pong(until_ms, &options);
    shard.deadlines.set(connection, until_ms);
    true
}
