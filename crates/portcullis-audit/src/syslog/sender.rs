//! The thread that forwards lines: connects, sends, and connects again.
//! Never: makes another thread wait, except at most three seconds when it is closed.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use portcullis_model::Now;
use rustls::ClientConfig;

use crate::audit::Audit;
use crate::read::follower::Follower;
use crate::record::log_events;
use crate::syslog::connection::SyslogConnection;
use crate::syslog::message::MessageHeader;
use crate::syslog::options::{SyslogError, SyslogOptions, syslog_tls};
use crate::syslog::position::{Position, PositionFile};
use crate::syslog::status::{SyslogCounts, SyslogStatus};

/// Pause before the log is read again.
const PAUSE: Duration = Duration::from_millis(200);
/// Shortest and longest pause between two connections. It doubles after each failure.
const RETRY_MIN_MS: u64 = 500;
const RETRY_MAX_MS: u64 = 30_000;
/// The server counts as down after so long without a connection: a restart is shorter.
const DOWN_MS: u64 = 10_000;
/// A connection works if it has lasted so long.
const STABLE_MS: u64 = 2_000;
/// Bytes that are sent at once.
const BATCH_BYTES: usize = 64 * 1024;
/// Time for the last lines when the server stops.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// Forwards the security log to a syslog server, on a thread of its own.
pub struct Syslog {
    shared: Arc<SyslogThread>,
}

/// The state that the thread shares with its handle.
#[derive(Debug, Default)]
struct SyslogThread {
    status: SyslogStatus,
    phase: Mutex<Phase>,
    changed: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Running,
    Stopping,
    Ended,
}

impl Syslog {
    /// Starts the thread. `audit` gets a record when the server is down, and when it is up again.
    ///
    /// # Errors
    /// [`SyslogError`] when the authorities cannot be used or the thread cannot be started.
    pub fn start(options: SyslogOptions, audit: Audit) -> Result<Self, SyslogError> {
        let shared = Arc::new(SyslogThread::default());
        let tls = syslog_tls(options.authorities_pem.as_deref())?;
        options.target.server_name()?;
        let file = PositionFile::open(&options.position);
        shared.status.set_caught_up(options.clock.now().monotonic_ms);
        let sender = Sender {
            header: MessageHeader::new(&options.host_name, std::process::id()),
            tls,
            position: Position::new(file.number()),
            file,
            connection: ConnectionLog::default(),
            retry_ms: 0,
            options,
            audit,
            shared: Arc::clone(&shared),
        };
        let thread = std::thread::Builder::new().name(String::from("audit-syslog"));
        thread.spawn(move || sender.run()).map_err(SyslogError::Thread)?;
        Ok(Self { shared })
    }

    /// A function that tells the state for metrics; `now_ms` is the monotonic clock.
    pub fn observer(&self) -> impl Fn(u64) -> SyslogCounts + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move |now_ms| shared.status.counts(now_ms)
    }

    /// Sends the last lines if the server is connected, and ends the thread.
    ///
    /// Takes at most three seconds. What was not sent is sent after the next start.
    pub fn close(&self) {
        let mut phase = self.shared.lock();
        if *phase == Phase::Running {
            *phase = Phase::Stopping;
        }
        self.shared.changed.notify_all();
        let has_not_ended = |phase: &mut Phase| *phase != Phase::Ended;
        drop(self.shared.changed.wait_timeout_while(phase, CLOSE_TIMEOUT, has_not_ended));
    }
}

impl SyslogThread {
    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        *self.lock() != Phase::Running
    }

    /// Waits; returns early when the thread is stopped.
    fn pause(&self, time: Duration) {
        let is_running = |phase: &mut Phase| *phase == Phase::Running;
        drop(self.changed.wait_timeout_while(self.lock(), time, is_running));
    }
}

/// The loss of the connection: its time, and whether it was recorded.
#[derive(Debug, Default)]
struct ConnectionLog {
    lost_ms: Option<u64>,
    is_recorded: bool,
}

/// The state of the thread.
struct Sender {
    options: SyslogOptions,
    header: MessageHeader,
    tls: Arc<ClientConfig>,
    position: Position,
    file: PositionFile,
    connection: ConnectionLog,
    retry_ms: u64,
    audit: Audit,
    shared: Arc<SyslogThread>,
}

impl Sender {
    fn run(mut self) {
        while !self.shared.is_stopping() {
            self.retry_ms = self.retry_ms.saturating_mul(2).clamp(RETRY_MIN_MS, RETRY_MAX_MS);
            let ended = self.connect().and_then(|connection| self.deliver(connection));
            self.shared.status.set_up(false);
            self.position.reset();
            if let Err(error) = ended {
                self.set_down(&error);
                self.shared.pause(Duration::from_millis(spread(self.retry_ms)));
            }
        }
        self.keep_position();
        *self.shared.lock() = Phase::Ended;
        self.shared.changed.notify_all();
    }

    fn connect(&self) -> io::Result<SyslogConnection> {
        let target = &self.options.target;
        let name = target.server_name().map_err(io::Error::other)?;
        SyslogConnection::open(target, name, &self.tls)
    }

    /// Sends lines until the connection is lost or the thread is stopped.
    fn deliver(&mut self, mut connection: SyslogConnection) -> io::Result<()> {
        let mut follower = Follower::new(&self.options.log, self.position.arrived());
        let mut batch = Vec::new();
        let opened_ms = self.now().monotonic_ms;
        self.shared.status.set_up(true);
        loop {
            let is_stopping = self.shared.is_stopping();
            connection.check()?;
            let now_ms = self.now().monotonic_ms;
            self.position.confirm(now_ms);
            self.keep_position();
            let count = self.fill(&mut follower, &mut batch)?;
            if count > 0 {
                connection.send(&batch)?;
                self.position.add_sent(follower.after(), now_ms);
                self.shared.status.add_sent(count);
                continue;
            }
            self.shared.status.set_caught_up(now_ms);
            if is_stopping {
                if connection.close() {
                    self.position.confirm_all();
                }
                return Ok(());
            }
            if now_ms.saturating_sub(opened_ms) >= STABLE_MS {
                self.set_up();
            }
            self.shared.pause(PAUSE);
        }
    }

    /// Collects the next messages; returns their number.
    fn fill(&self, follower: &mut Follower, batch: &mut Vec<u8>) -> io::Result<u64> {
        batch.clear();
        let mut count = 0;
        while batch.len() < BATCH_BYTES {
            let before = follower.after();
            match follower.next_line() {
                Ok(Some(line)) => {
                    if before > 0 && line.sequence > before + 1 {
                        let (first, last) = (before + 1, line.sequence - 1);
                        tracing::warn!(first, last, "the log has no such lines for syslog");
                    }
                    self.header.append(batch, line.sequence, &line.bytes);
                    count += 1;
                }
                Ok(None) => break,
                Err(error) if follower.skip_file() => {
                    tracing::warn!(%error, "a closed file cannot be read for syslog");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    fn keep_position(&mut self) {
        if let Err(error) = self.file.write(self.position.arrived()) {
            tracing::debug!(%error, "the position of syslog cannot be written");
        }
    }

    /// The connection works, and no line waits.
    fn set_up(&mut self) {
        self.retry_ms = 0;
        if std::mem::take(&mut self.connection).is_recorded {
            self.audit.record(log_events::syslog_up(), self.now());
        }
    }

    fn set_down(&mut self, error: &io::Error) {
        tracing::warn!(%error, host = self.options.target.host, "no connection to syslog");
        let now = self.now();
        let lost_ms = *self.connection.lost_ms.get_or_insert(now.monotonic_ms);
        let is_down = now.monotonic_ms.saturating_sub(lost_ms) >= DOWN_MS;
        if is_down && !self.connection.is_recorded {
            self.connection.is_recorded = true;
            self.audit.record(log_events::syslog_down(&error.to_string()), now);
        }
    }

    fn now(&self) -> Now {
        self.options.clock.now()
    }
}

/// A time within a fifth of the given one, so that many servers do not connect at once.
fn spread(ms: u64) -> u64 {
    let random = u64::try_from(crate::alert::run::alerts::random() % 1_000).unwrap_or(0);
    ms * 4 / 5 + ms * 2 / 5 * random / 1_000
}
