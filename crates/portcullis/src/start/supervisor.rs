//! Messages to the service manager that started the server: `sd_notify` of systemd.
//! Never: an error that stops the server; a message of more than one second.

use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_model::Clock;
use portcullis_server::HealthReader;
use rustix::time::{ClockId, clock_gettime};

use crate::start::start_extension::{SAMPLE_PERIOD, StartExtension, processor_time};

/// The variable with the path of the manager's socket; `@` begins an abstract name.
const SOCKET: &str = "NOTIFY_SOCKET";
/// The variable with the time in microseconds after which a silent server is restarted.
const WATCHDOG: &str = "WATCHDOG_USEC";
/// The variable with the process for which the time is meant.
const WATCHDOG_PROCESS: &str = "WATCHDOG_PID";
/// The longest wait for a manager that reads nothing.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);
/// The shortest and the longest period of pings. A period far below that of the manager: a stall
/// that ends before the manager's period must not cost a restart.
const PING_PERIOD: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// The service manager, if one started the server.
#[derive(Clone)]
pub(crate) struct Supervisor {
    socket: Option<Arc<(UnixDatagram, SocketAddr)>>,
    /// The time after which a silent server is restarted.
    watchdog: Option<Duration>,
    is_stopping: Arc<AtomicBool>,
    /// The status that was sent last.
    status: Arc<Mutex<String>>,
}

impl Supervisor {
    /// Reads the variables of the manager. Without them, all messages are dropped.
    ///
    /// `process` is the id of this process.
    pub(crate) fn read(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        process: u32,
    ) -> Self {
        let (mut socket, mut watchdog, mut is_for_other) = (None, None, false);
        for (name, value) in environment {
            match name.to_str() {
                Some(SOCKET) => socket = open(&value).map(Arc::new),
                Some(WATCHDOG) => watchdog = period(&value),
                Some(WATCHDOG_PROCESS) => {
                    is_for_other = value.to_str() != Some(&process.to_string());
                }
                Some(_) | None => {}
            }
        }
        let watchdog = watchdog.filter(|_| !is_for_other);
        Self { socket, watchdog, is_stopping: Arc::default(), status: Arc::default() }
    }

    /// The server serves: after the start, and after a reload.
    pub(crate) fn ready(&self) {
        self.send("READY=1");
    }

    /// The server reloads its certificates. Call [`Supervisor::ready`] after that.
    pub(crate) fn reloading(&self) {
        // The manager compares the moment with its own signal, by the clock of the system.
        let now = clock_gettime(ClockId::Monotonic);
        let now_us = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={now_us}"));
    }

    /// The server drains. From now on pings only say that the process runs.
    pub(crate) fn stopping(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.send("STOPPING=1\nSTATUS=draining");
    }

    /// Shows the load level and the number of connections, if they have changed.
    pub(crate) fn show_status(&self, health: &HealthReader) {
        let line = status_line(health.load().name(), health.connections_open());
        let mut sent = self.status.lock();
        if *sent != line {
            self.send(&format!("STATUS={line}"));
            *sent = line;
        }
    }

    /// Extends the manager's timeout of the start while the result exists and the start progresses.
    pub(crate) fn extend_start(&self) -> StartExtension {
        let Some(_) = self.socket else { return StartExtension::default() };
        let supervisor = self.clone();
        StartExtension::start(SAMPLE_PERIOD, processor_time, move |message| {
            supervisor.send(message);
        })
    }

    /// Starts the pings, if the manager expects them: each second, while all shards answer.
    pub(crate) fn start_watchdog(&self, health: HealthReader, clock: Arc<dyn Clock>) {
        let Some(watchdog) = self.watchdog.filter(|_| self.socket.is_some()) else { return };
        let supervisor = self.clone();
        let run = move || {
            let mut reported = false;
            loop {
                supervisor.ping(&health.faults(clock.now()), &mut reported);
                std::thread::sleep(ping_period(watchdog));
            }
        };
        let thread = std::thread::Builder::new().name(String::from("watchdog"));
        if let Err(error) = thread.spawn(run) {
            tracing::error!(%error, "cannot start the watchdog: the manager restarts the server");
        }
    }

    /// Sends a ping unless a restart is needed, which is logged once.
    fn ping(&self, faults: &[&'static str], reported: &mut bool) {
        if faults.is_empty() || self.is_stopping.load(Ordering::Acquire) {
            self.send("WATCHDOG=1");
            *reported = false;
        } else if !*reported {
            *reported = true;
            let faults = faults.join(", ");
            tracing::error!(faults, "the server does not answer: no pings to the watchdog");
        }
    }

    fn send(&self, message: &str) {
        let Some((socket, address)) = self.socket.as_deref() else { return };
        if let Err(error) = socket.send_to_addr(message.as_bytes(), address) {
            tracing::warn!(%error, message, "cannot notify the service manager");
        }
    }
}

/// The period of pings for the manager's period.
fn ping_period(watchdog: Duration) -> Duration {
    (watchdog / 4).clamp(PING_PERIOD.0, PING_PERIOD.1)
}

fn status_line(load: &str, connections: u64) -> String {
    format!("load level {load}, {connections} connections")
}

fn open(name: &OsStr) -> Option<(UnixDatagram, SocketAddr)> {
    let opened = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    };
    let opened = opened.and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_TIMEOUT))?;
        Ok((socket, address))
    });
    opened
        .inspect_err(
            |error| tracing::warn!(%error, ?name, "cannot use the socket of NOTIFY_SOCKET"),
        )
        .ok()
}

fn period(value: &OsStr) -> Option<Duration> {
    let period = value.to_str().and_then(|text| text.parse().ok()).filter(|us| *us > 0);
    if period.is_none() {
        tracing::warn!(?value, "WATCHDOG_USEC is not a time in microseconds: no pings are sent");
    }
    period.map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Supervisor {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        Supervisor::read(variables.collect::<Vec<_>>(), 7)
    }

    #[test]
    fn watchdog_period_is_read_only_for_this_process() {
        let own = (WATCHDOG_PROCESS, "7");
        let cases = [
            (vec![], None),
            (vec![(WATCHDOG, "30000000")], Some(30_000_000)),
            (vec![(WATCHDOG, "30000000"), own], Some(30_000_000)),
            (vec![(WATCHDOG_PROCESS, "8"), (WATCHDOG, "30000000")], None),
            (vec![(WATCHDOG, "0")], None),
            (vec![(WATCHDOG, "-1")], None),
            (vec![(WATCHDOG, "soon")], None),
        ];
        for (variables, expect) in cases {
            let period = read(&variables).watchdog;
            assert_eq!(period, expect.map(Duration::from_micros), "{variables:?}");
        }
    }

    /// A manager's socket with this name, and a supervisor that sends to it.
    fn managed(name: &str) -> (UnixDatagram, Supervisor) {
        let name = format!("portcullis-{name}-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        manager.set_nonblocking(true).unwrap();
        let supervisor = read(&[(SOCKET, &format!("@{name}")), (WATCHDOG, "1000000")]);
        (manager, supervisor)
    }

    fn receive(manager: &UnixDatagram) -> Option<Vec<u8>> {
        let mut buffer = [0; 256];
        manager.recv(&mut buffer).ok().map(|count| buffer[..count].to_vec())
    }

    #[test]
    fn stall_that_ends_within_the_period_of_the_manager_causes_no_restart() {
        let (manager, supervisor) = managed("stall");
        // The manager's period and a stall in milliseconds; whether the manager restarts.
        for (watchdog_ms, stall_ms, expect) in [
            (30_000, 0, false),
            (30_000, 16_000, false),
            (30_000, 28_000, false),
            (30_000, 30_001, true),
            (2_000, 900, false),
            (2_000, 2_001, true),
        ] {
            let watchdog = Duration::from_millis(watchdog_ms);
            let period_ms = u64::try_from(ping_period(watchdog).as_millis()).unwrap();
            // The stall begins at each moment between two samples.
            for begin_ms in (60_000..60_000 + period_ms).step_by(97) {
                let stall = begin_ms..begin_ms + stall_ms;
                let (mut pinged_ms, mut gap_ms, mut reported) = (0, 0, false);
                for now_ms in (0..200_000_u64).step_by(usize::try_from(period_ms).unwrap()) {
                    let faults: &[_] =
                        if stall.contains(&now_ms) { &["shard_stalled"] } else { &[] };
                    supervisor.ping(faults, &mut reported);
                    if receive(&manager).is_some() {
                        gap_ms = gap_ms.max(now_ms - pinged_ms);
                        pinged_ms = now_ms;
                    }
                }
                let restarts = gap_ms > watchdog_ms;
                assert_eq!(restarts, expect, "{watchdog_ms} {stall:?}: a gap of {gap_ms} ms");
            }
        }
    }

    #[test]
    fn ping_is_sent_while_the_shards_answer_and_while_the_server_stops() {
        let (manager, supervisor) = managed("supervisor");
        let mut reported = false;
        let received = || receive(&manager);
        supervisor.ping(&[], &mut reported);
        assert_eq!(received().as_deref(), Some(&b"WATCHDOG=1"[..]));
        supervisor.ping(&["shard_stalled"], &mut reported);
        assert_eq!((received(), reported), (None, true));
        supervisor.ping(&[], &mut reported);
        assert_eq!(received().as_deref(), Some(&b"WATCHDOG=1"[..]));
        supervisor.stopping();
        assert_eq!(received().as_deref(), Some(&b"STOPPING=1\nSTATUS=draining"[..]));
        supervisor.ping(&["shard_stalled"], &mut reported);
        assert_eq!(received().as_deref(), Some(&b"WATCHDOG=1"[..]));
    }

    #[test]
    fn missing_manager_changes_nothing() {
        for variables in [&[][..], &[(SOCKET, "/nonexistent/notify")], &[(SOCKET, "")]] {
            let supervisor = read(variables);
            supervisor.ready();
            supervisor.reloading();
            supervisor.stopping();
            assert!(supervisor.is_stopping.load(Ordering::Acquire), "{variables:?}");
        }
    }
}
