//! Whether the threads and lasting tasks of the server run.
//! Never: a restart of what has ended: that is the supervisor's, which reads `/ready`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

/// A shard that has not turned its timer wheel for this long does not serve, in milliseconds.
const STALLED_MS: u64 = 5_000;

/// Whether the server's threads and lasting tasks run; shared by all of them.
#[derive(Debug)]
pub(crate) struct Vitals {
    /// When each shard last turned its timer wheel.
    turned_ms: Box<[AtomicU64]>,
    /// What has ended although the server runs on.
    ended: Mutex<Vec<&'static str>>,
    stopping: AtomicBool,
}

impl Vitals {
    /// All of them are about to start.
    pub(crate) fn new(shards: usize, now_ms: u64) -> Self {
        Self {
            turned_ms: (0..shards).map(|_| AtomicU64::new(now_ms)).collect(),
            ended: Mutex::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Notes that a shard has turned its timer wheel.
    pub(crate) fn turned(&self, shard: u16, now_ms: u64) {
        if let Some(turned_ms) = self.turned_ms.get(usize::from(shard)) {
            turned_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// From now on everything may end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Runs a task that must not end before the server stops; notes when it does, also by a panic.
    pub(crate) async fn watch(self: Arc<Self>, name: &'static str, task: impl Future<Output = ()>) {
        let _watch = Watch { vitals: self, name };
        task.await;
    }

    /// Why the server cannot serve, in one word each; empty while it can.
    pub(crate) fn faults(&self, now_ms: u64) -> Vec<&'static str> {
        let mut faults = self.ended.lock().clone();
        let stalled = |turned_ms: &AtomicU64| {
            now_ms.saturating_sub(turned_ms.load(Ordering::Relaxed)) >= STALLED_MS
        };
        if self.turned_ms.iter().any(stalled) {
            faults.push("shard_stalled");
        }
        faults
    }
}

/// Notes the end of a task when it is dropped.
struct Watch {
    vitals: Arc<Vitals>,
    name: &'static str,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.vitals.stopping.load(Ordering::Acquire) {
            return;
        }
        tracing::error!(task = self.name, "a task of the server has ended: restart the server");
        let mut ended = self.vitals.ended.lock();
        if !ended.contains(&self.name) {
            ended.push(self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn task_that_ends_or_panics_is_a_fault_until_the_server_stops() {
        let vitals = Arc::new(Vitals::new(1, 0));
        assert_eq!(vitals.faults(0), Vec::<&str>::new());
        Arc::clone(&vitals).watch("deliveries", async {}).await;
        let panicking = Arc::clone(&vitals).watch("timers", async { panic!("planned") });
        assert!(tokio::spawn(panicking).await.is_err());
        Arc::clone(&vitals).watch("timers", async {}).await;
        assert_eq!(vitals.faults(0), ["deliveries", "timers"]);
        vitals.stop();
        Arc::clone(&vitals).watch("writes", async {}).await;
        assert_eq!(vitals.faults(0), ["deliveries", "timers"]);
    }

    #[test]
    fn shard_that_turns_no_more_is_a_fault_until_it_does_again() {
        let vitals = Vitals::new(2, 0);
        vitals.turned(0, 4_000);
        assert_eq!(vitals.faults(4_999), Vec::<&str>::new());
        assert_eq!(vitals.faults(5_000), ["shard_stalled"]);
        vitals.turned(1, 5_000);
        assert_eq!(vitals.faults(8_999), Vec::<&str>::new());
    }
}
