//! Extends the service manager's timeout of a start that progresses: migrations, loading of data.
//! Never: an extension for a start that hangs, or one without an end.

use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The period between samples of the progress.
pub(crate) const SAMPLE_PERIOD: Duration = Duration::from_secs(5);
/// Processor time between two samples that shows progress. A start that hangs uses less.
const PROGRESS_MIN: Duration = Duration::from_millis(20);
/// The message; each extends the start to at least two minutes from now.
const EXTENSION: &str = "EXTEND_TIMEOUT_USEC=120000000";
/// Most samples: an hour of 5 s.
const SAMPLES_MAX: usize = 720;

/// A thread that extends the timeout until this is dropped.
#[derive(Default)]
pub(crate) struct StartExtension {
    thread: Option<(SyncSender<()>, JoinHandle<()>)>,
}

impl StartExtension {
    /// Starts the thread. `used` reads the processor time of the process.
    pub(crate) fn start(
        period: Duration,
        mut used: impl FnMut() -> Duration + Send + 'static,
        send: impl Fn(&str) + Send + 'static,
    ) -> Self {
        let (end, ended) = sync_channel(1);
        let run = move || {
            let mut before = used();
            for _ in 0..SAMPLES_MAX {
                if ended.recv_timeout(period) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                let now = used();
                if has_progressed(before, now) {
                    send(EXTENSION);
                }
                before = now;
            }
        };
        let thread = std::thread::Builder::new().name(String::from("start")).spawn(run);
        let thread = thread.inspect_err(|error| {
            tracing::warn!(%error, "cannot extend the timeout of the service manager");
        });
        Self { thread: thread.ok().map(|thread| (end, thread)) }
    }
}

impl Drop for StartExtension {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.thread.take() {
            drop(end);
            // No extension is sent after `READY=1`.
            let _ended = thread.join();
        }
    }
}

/// The processor time of all threads of this process.
pub(crate) fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

fn has_progressed(before: Duration, now: Duration) -> bool {
    now.saturating_sub(before) >= PROGRESS_MIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::Receiver;

    /// Samples as far as given, then the last one forever. Reports each sample that was read.
    fn samples(values_ms: &'static [u64]) -> (impl FnMut() -> Duration, Receiver<u64>) {
        let (read, reads) = sync_channel(1_000);
        let mut number = 0;
        let next = move || {
            let value = values_ms.get(number).or(values_ms.last()).copied().unwrap();
            number += 1;
            let _full = read.try_send(value);
            Duration::from_millis(value)
        };
        (next, reads)
    }

    #[test]
    fn start_that_progresses_is_extended_and_one_that_hangs_is_not() {
        // Processor time at each sample in milliseconds, and the number of extensions.
        let cases: [(&[u64], usize); 5] = [
            (&[0, 20, 40, 5_000], 3),
            (&[0, 19, 38, 57], 0),
            (&[100, 100, 100, 100], 0),
            (&[0, 5_000, 5_001, 5_002, 9_000], 2),
            (&[9_000, 0, 1], 0),
        ];
        for (values_ms, expect) in cases {
            let (used, reads) = samples(values_ms);
            let (sender, sent) = sync_channel(1_000);
            let send = move |message: &str| sender.try_send(message.to_owned()).unwrap();
            let extension = StartExtension::start(Duration::from_millis(1), used, send);
            // Two samples after the last one that differs: the messages before are complete.
            for _ in 0..values_ms.len() + 2 {
                reads.recv().unwrap();
            }
            drop(extension);
            let messages: Vec<String> = sent.iter().collect();
            assert_eq!(messages, vec![EXTENSION; expect], "{values_ms:?}");
        }
    }
}
