//! Replaces the rules while the engine runs.
//! Never: an open alert that goes without a message; a fault that reaches the caller.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use portcullis_model::Now;

use super::alerts::{Shared, lock, random};
use super::codec;
use crate::alert::engine::evaluation::Engine;
use crate::alert::input::interest::Interest;
use crate::alert::input::queues::QUEUES;
use crate::alert::notification::Alert;
use crate::alert::options::AlertOptions;

/// Replaces rules and times; `false` if a fault of the engine prevented it.
///
/// The engine starts again after a fault: with the new rules, and the state that was saved last.
pub(super) fn replace_rules(shared: &Shared, options: &AlertOptions) -> bool {
    let now = shared.clock.now();
    let mut in_force = lock(&shared.options);
    let newer = AlertOptions {
        state_file: in_force.state_file.clone(),
        node_name: in_force.node_name.clone(),
        clock: Arc::clone(&in_force.clock),
        ..options.clone()
    };
    let replaced = catch_unwind(AssertUnwindSafe(|| replace_engine(shared, &newer, now)));
    *in_force = newer;
    drop(in_force);
    let Some(resolved) = replaced.ok().flatten() else {
        tracing::error!("the alert engine failed while its rules were replaced");
        lock(&shared.stop.0).fails = true;
        return false;
    };
    // The thread delivers them, after what it delivers now.
    lock(&shared.resolved).extend(resolved);
    true
}

/// Returns the alerts of rules that are gone, as resolved; `None` if the state is not taken over.
fn replace_engine(shared: &Shared, newer: &AlertOptions, now: Now) -> Option<Vec<Arc<Alert>>> {
    let note = lock(&shared.watch).note();
    let mut engine = lock(&shared.engine);
    // The rules so far evaluate the notes that wait.
    let mut pending = shared.queues.spare();
    for queue in 0..QUEUES {
        shared.queues.exchange(queue, &mut pending);
        engine.take(&pending, now);
        pending.clear();
    }
    let mut next = Engine::new(newer, now, random());
    codec::decode(&codec::encode(&engine), &mut next).ok()?;
    next.counts = engine.counts;
    next.policy.changed = true;
    let resolved = engine.resolve_rules_without(&newer.rules, note.as_deref(), now);
    shared.queues.replace_interest(Interest::new(&newer.rules));
    *engine = next;
    Some(resolved)
}
