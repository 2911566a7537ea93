//! The loops of a shard: writes, ticks and deadlines.
//! Never: a wait for a single connection.

use std::rc::Rc;
use std::time::Duration;

use portcullis_guard::LoadState;
use portcullis_model::Now;

use crate::shard::shedding::shed_connections;
use crate::shard::state::{Shard, TICK_MS};

/// The interval between two summaries of suppressed security records.
const AUDIT_TICK_MS: u64 = 1_000;
/// The interval between two times that a shard at the level `critical` sheds connections.
const SHED_EVERY_MS: u64 = 1_000;

/// Writes the outboxes of all queued connections, once in each turn.
pub(crate) async fn write_loop(shard: Rc<Shard>) {
    let mut batch = Vec::new();
    loop {
        shard.writes.take(&mut batch).await;
        let now = shard.now();
        for connection in batch.drain(..) {
            connection.output.is_queued.set(false);
            if !connection.is_stalled() {
                shard.flush(&connection, now);
            }
        }
    }
}

/// Measures delays, and runs periodic tasks.
pub(crate) async fn tick_loop(shard: Rc<Shard>) {
    let mut ticks = tokio::time::interval(Duration::from_millis(TICK_MS));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut tick = Tick { load: LoadState::Normal, shed_at_ms: 0, audit_at_ms: 0 };
    let mut ticked_ms = shard.now().monotonic_ms;
    loop {
        ticks.tick().await;
        let fired_ms = shard.now().monotonic_ms;
        shard.server.health.set_ticked(shard.index, fired_ms);
        shard.server.load.add_lag(fired_ms.saturating_sub(ticked_ms + TICK_MS));
        ticked_ms = fired_ms;
        // The task continues after all tasks that are ready now.
        tokio::task::yield_now().await;
        let now = shard.now();
        shard.server.load.add_queue_delay(now.monotonic_ms.saturating_sub(fired_ms));
        tick.run(&shard, now);
    }
}

/// The state between two ticks.
struct Tick {
    load: LoadState,
    shed_at_ms: u64,
    audit_at_ms: u64,
}

impl Tick {
    fn run(&mut self, shard: &Shard, now: Now) {
        let before = std::mem::replace(&mut self.load, shard.server.gate.load());
        let is_recent = before == self.load && now.monotonic_ms < self.shed_at_ms;
        if self.load == LoadState::Critical && !is_recent {
            self.shed_at_ms = now.monotonic_ms + SHED_EVERY_MS;
            shed_connections(shard);
        }
        // One shard serves the state that all share: admission queues and summaries of records.
        if shard.index == 0 {
            shard.server.queues.call(self.load);
        }
        if shard.index == 0 && now.monotonic_ms >= self.audit_at_ms {
            self.audit_at_ms = now.monotonic_ms + AUDIT_TICK_MS;
            shard.server.audit.tick(now);
        }
    }
}

/// Checks each connection whose deadline is due.
pub(crate) async fn deadline_loop(shard: Rc<Shard>) {
    let mut due = Vec::new();
    loop {
        // A nearer deadline that is set meanwhile fires a tick late at most.
        let now_ms = shard.now().monotonic_ms;
        let next_ms = shard.deadlines.next_ms(now_ms + TICK_MS);
        let wait_ms = next_ms.map_or(TICK_MS, |next_ms| next_ms.saturating_sub(now_ms));
        tokio::time::sleep(Duration::from_millis(wait_ms.max(1))).await;
        let now = shard.now();
        shard.deadlines.turn(now.monotonic_ms, &mut due);
        for entry in due.drain(..) {
            let Some(connection) = shard.connections.find(entry.connection) else { continue };
            if connection.timers.wheel_ms.get() != entry.at_ms {
                continue;
            }
            connection.timers.wheel_ms.set(0);
            shard.check_deadlines(&connection, now);
            shard.writes.add(&connection);
        }
    }
}
