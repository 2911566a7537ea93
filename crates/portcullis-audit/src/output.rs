//! Standard output and standard error behind a bounded queue and a thread each.
//! Never: blocks the thread that prints; lines that do not fit are counted.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// Maximum number of queued bytes.
const QUEUE_MAX_BYTES: usize = 1024 * 1024;

/// A stream whose reader can be slow or can stop reading. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Output {
    shared: Arc<OutputQueue>,
}

#[derive(Debug, Default)]
struct OutputQueue {
    state: Mutex<OutputState>,
    wake: Condvar,
    empty: Condvar,
}

#[derive(Debug, Default)]
struct OutputState {
    waiting: Vec<u8>,
    /// Lines in `waiting`.
    lines: u64,
    /// Bytes that the thread is writing.
    writing: usize,
    lost: u64,
    /// Lost lines that were already reported.
    reported: u64,
}

impl Output {
    /// The process's standard output.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn stdout() -> io::Result<Self> {
        static STDOUT: OnceLock<Output> = OnceLock::new();
        Self::once(&STDOUT, "stdout-writer", || Box::new(io::stdout()))
    }

    /// The process's standard error.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub fn stderr() -> io::Result<Self> {
        static STDERR: OnceLock<Output> = OnceLock::new();
        Self::once(&STDERR, "stderr-writer", || Box::new(io::stderr()))
    }

    fn once(
        cell: &OnceLock<Self>,
        thread: &str,
        stream: impl FnOnce() -> Box<dyn Write + Send>,
    ) -> io::Result<Self> {
        if let Some(output) = cell.get() {
            return Ok(output.clone());
        }
        let output = Self::start(thread, stream())?;
        Ok(cell.get_or_init(|| output).clone())
    }

    /// Starts a thread that writes to `stream`.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn start(thread: &str, mut stream: Box<dyn Write + Send>) -> io::Result<Self> {
        let shared = Arc::new(OutputQueue::default());
        let output = Self { shared: Arc::clone(&shared) };
        std::thread::Builder::new().name(String::from(thread)).spawn(move || {
            loop {
                let (bytes, lines) = shared.take();
                let written = stream.write_all(&bytes).and_then(|()| stream.flush());
                shared.finish(if written.is_ok() { 0 } else { lines });
            }
        })?;
        Ok(output)
    }

    /// Queues whole lines; counts them as lost and returns `false` when the queue is full.
    pub fn push(&self, text: &str, lines: u64) -> bool {
        let mut state = self.shared.lock();
        if state.waiting.len() + state.writing + text.len() > QUEUE_MAX_BYTES {
            state.lost += lines;
            return false;
        }
        state.waiting.extend_from_slice(text.as_bytes());
        state.lines += lines;
        drop(state);
        self.shared.wake.notify_one();
        true
    }

    /// Lines that were not written.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.shared.lock().lost
    }

    /// Lines lost since the last call; 0 while the queue has no room to report them.
    #[must_use]
    pub fn take_lost(&self) -> u64 {
        let mut state = self.shared.lock();
        if state.waiting.len() + state.writing > QUEUE_MAX_BYTES / 2 {
            return 0;
        }
        let lost = state.lost - state.reported;
        state.reported = state.lost;
        lost
    }

    /// Waits until everything is written; `false` after the timeout.
    pub fn flush(&self, timeout: Duration) -> bool {
        let state = self.shared.lock();
        let is_busy = |state: &mut OutputState| !state.waiting.is_empty() || state.writing > 0;
        let waited = self.shared.empty.wait_timeout_while(state, timeout, is_busy);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

impl OutputQueue {
    fn take(&self) -> (Vec<u8>, u64) {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let bytes = std::mem::take(&mut state.waiting);
        state.writing = bytes.len();
        (bytes, std::mem::take(&mut state.lines))
    }

    fn finish(&self, lost: u64) {
        let mut state = self.lock();
        state.writing = 0;
        state.lost += lost;
        drop(state);
        self.empty.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, OutputState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For the operational log: each write is one line.
impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let lost = self.take_lost();
        if lost > 0 {
            let text = format!(
                "{{\"level\":\"WARN\",\"fields\":{{\"message\":\"lines of this log were lost: \
                 its reader is too slow\",\"lost\":{lost}}},\"target\":\"portcullis\"}}\n"
            );
            self.push(&text, 1);
        }
        self.push(&String::from_utf8_lossy(bytes), 1);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// A stream that completes one write for each message.
    pub(crate) struct GatedStream {
        pub(crate) gate: Receiver<()>,
        pub(crate) seen: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for GatedStream {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.gate.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
            self.seen.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(crate) fn gated_output() -> (Output, SyncSender<()>, Arc<Mutex<Vec<u8>>>) {
        let (open, gate) = sync_channel(16);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stream = GatedStream { gate, seen: Arc::clone(&seen) };
        (Output::start("gated", Box::new(stream)).unwrap(), open, seen)
    }

    #[test]
    fn unread_output_is_bounded_and_counts_lost_lines() {
        let (output, open, seen) = gated_output();
        let line = format!("{}\n", "x".repeat(1023));
        let taken = (0..2_000).filter(|_| output.push(&line, 1)).count();
        assert_eq!(taken, 1_024);
        assert_eq!((output.lost(), output.take_lost()), (976, 0), "no room for the report yet");
        assert!(!output.flush(Duration::ZERO));
        for _ in 0..2 {
            open.send(()).unwrap();
        }
        assert!(output.flush(Duration::from_secs(60)));
        assert_eq!(seen.lock().unwrap().len(), 1024 * 1024);
        assert_eq!((output.take_lost(), output.take_lost()), (976, 0));
        drop(open);
        // The stream can still complete one write.
        while output.lost() == 976 {
            assert!(output.push("a\nb\n", 2));
            assert!(output.flush(Duration::from_secs(60)));
        }
        assert_eq!(output.lost(), 978, "a closed stream takes no lines");
    }
}
