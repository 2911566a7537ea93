//! Whether the threads and background tasks of the server run.
//! Never: a restart of an ended task; the supervisor restarts the server, as `/ready` tells it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

/// A shard whose last tick is older than this is stalled, in milliseconds.
const STALLED_MS: u64 = 5_000;

/// A task that runs for the life of its shard.
pub(crate) type BackgroundTask = Pin<Box<dyn Future<Output = ()>>>;

/// Whether the server's threads and background tasks run; shared by all of them.
#[derive(Debug)]
pub(crate) struct TaskHealth {
    /// The last tick of each shard.
    ticked_ms: Box<[AtomicU64]>,
    /// The tasks that have ended while the server runs.
    ended: Mutex<Vec<&'static str>>,
    stopping: AtomicBool,
}

impl TaskHealth {
    /// The state before the start of all tasks.
    pub(crate) fn new(shards: usize, now_ms: u64) -> Self {
        Self {
            ticked_ms: (0..shards).map(|_| AtomicU64::new(now_ms)).collect(),
            ended: Mutex::default(),
            stopping: AtomicBool::new(false),
        }
    }

    /// Records the tick of a shard.
    pub(crate) fn set_ticked(&self, shard: u16, now_ms: u64) {
        if let Some(ticked_ms) = self.ticked_ms.get(usize::from(shard)) {
            ticked_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// Records that the server stops: from now on tasks may end.
    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Runs a task that must not end before the server stops; records its end, also by a panic.
    pub(crate) async fn watch(self: Arc<Self>, name: &'static str, task: impl Future<Output = ()>) {
        let _watch = Watch { health: self, name };
        task.await;
    }

    /// The reasons why the server cannot serve, one word each; empty while it can.
    pub(crate) fn faults(&self, now_ms: u64) -> Vec<&'static str> {
        let mut faults = self.ended.lock().clone();
        let is_stalled = |ticked_ms: &AtomicU64| {
            now_ms.saturating_sub(ticked_ms.load(Ordering::Relaxed)) >= STALLED_MS
        };
        if self.ticked_ms.iter().any(is_stalled) {
            faults.push("shard_stalled");
        }
        faults
    }
}

/// Records the end of a task when it is dropped.
struct Watch {
    health: Arc<TaskHealth>,
    name: &'static str,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if self.health.stopping.load(Ordering::Acquire) {
            return;
        }
        tracing::error!(task = self.name, "a task of the server has ended: restart the server");
        let mut ended = self.health.ended.lock();
        if !ended.contains(&self.name) {
            ended.push(self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn ended_task_is_a_fault_until_the_server_stops() {
        let health = Arc::new(TaskHealth::new(1, 0));
        assert_eq!(health.faults(0), Vec::<&str>::new());
        Arc::clone(&health).watch("deliveries", async {}).await;
        let panicking = Arc::clone(&health).watch("timers", async { panic!("planned") });
        assert!(tokio::spawn(panicking).await.is_err());
        Arc::clone(&health).watch("timers", async {}).await;
        assert_eq!(health.faults(0), ["deliveries", "timers"]);
        health.stop();
        Arc::clone(&health).watch("writes", async {}).await;
        assert_eq!(health.faults(0), ["deliveries", "timers"]);
    }

    #[test]
    fn shard_without_ticks_is_a_fault_until_its_next_tick() {
        let health = TaskHealth::new(2, 0);
        health.set_ticked(0, 4_000);
        assert_eq!(health.faults(4_999), Vec::<&str>::new());
        assert_eq!(health.faults(5_000), ["shard_stalled"]);
        health.set_ticked(1, 5_000);
        assert_eq!(health.faults(8_999), Vec::<&str>::new());
    }
}
