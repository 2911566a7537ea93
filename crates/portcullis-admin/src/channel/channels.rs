//! All channels: takes alerts from the engine, and starts and ends the workers.
//! Never: a wait of the engine for a receiver or the disk.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis_audit::{Alert, AlertSeverity, AlertSink, Audit, SinkOutcome};
use portcullis_model::{Clock, Now};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::{monitor, worker};
use crate::channel::monitor::MonitorOptions;
use crate::channel::options::ChannelOptions;
use crate::channel::shared::{ChannelFiles, Shared};
use crate::spool::delivery::Delivery;
use crate::spool::file;
use crate::spool::queue::{PushOutcome, Spool};

/// At most one write of the file in this time.
const WRITE_EVERY: Duration = Duration::from_secs(1);

/// Longest time until programs have ended.
const END_WITHIN: Duration = Duration::from_secs(1);

/// The numbers of delivered, given-up and waiting messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChannelCounts {
    /// Messages that receivers have.
    pub delivered: u64,
    /// Messages that were given up, or had no space.
    pub undelivered: u64,
    /// Messages that wait.
    pub waiting: u64,
}

/// The state of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelState {
    /// Its name.
    pub name: String,
    /// `ok`, `failing` (an attempt failed and is repeated), or `off`.
    pub state: &'static str,
    /// Messages that wait.
    pub waiting: u64,
}

/// Delivers alerts by all configured channels.
///
/// Memory and disk: 1,000 messages or 4 MiB of them. Delivery: at least once; a message that the
/// receiver got, but whose answer was lost, is sent again with the same id.
pub struct Channels {
    pub(crate) shared: Arc<Shared>,
    end: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Channels {
    /// Reads the messages that wait, and starts the workers on a thread of their own.
    ///
    /// # Errors
    /// An I/O error if the file cannot be read or the thread cannot be started.
    pub fn start(
        channels: Vec<ChannelOptions>,
        monitors: Vec<MonitorOptions>,
        files: ChannelFiles,
        audit: Audit,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let found = file::read(&files.spool)?;
        let mut spool = Spool::default();
        let (mut dropped, mut lost) = (0, Vec::new());
        let now = clock.now();
        for mut delivery in found {
            delivery.resume(now.unix_ms);
            let fits = channels
                .iter()
                .any(|channel| channel.name == delivery.channel && channel.form() == delivery.form);
            if !fits || spool.push(delivery, &mut lost) != PushOutcome::Queued {
                dropped += 1;
            }
        }
        dropped += lost.len();
        if dropped > 0 {
            tracing::warn!(
                dropped,
                "undelivered alerts of removed or changed channels are dropped"
            );
        }
        let shared = Arc::new(Shared::new(channels, spool, files, audit, clock));
        let end = Arc::new(Notify::new());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (of_thread, ends) = (Arc::clone(&shared), Arc::clone(&end));
        let thread = std::thread::Builder::new().name(String::from("alert-channels"));
        let thread = thread.spawn(move || {
            runtime.block_on(async {
                let mut tasks = JoinSet::new();
                for channel in &of_thread.channels {
                    tasks.spawn(worker::run(Arc::clone(&of_thread), Arc::clone(channel)));
                }
                for monitor in monitors {
                    tasks.spawn(monitor::run(Arc::clone(&of_thread), monitor));
                }
                tasks.spawn(keep(Arc::clone(&of_thread)));
                ends.notified().await;
                // A program whose worker has ended is killed.
                tasks.shutdown().await;
            });
            // A disk that hangs does not keep the server from ending.
            runtime.shutdown_timeout(END_WITHIN);
        })?;
        Ok(Self { shared, end, thread: Some(thread) })
    }

    /// The sink of the engine.
    #[must_use]
    pub fn sink(&self) -> Arc<dyn AlertSink> {
        Arc::new(ChannelsSink(Arc::clone(&self.shared)))
    }

    /// Reads the counters, for metrics.
    pub fn counter(&self) -> impl Fn() -> ChannelCounts + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || ChannelCounts {
            delivered: shared.counts.delivered.load(Ordering::Relaxed),
            undelivered: shared.counts.undelivered.load(Ordering::Relaxed),
            waiting: shared.spool().all().len() as u64,
        }
    }

    /// Reads the state of each channel.
    pub fn states(&self) -> impl Fn() -> Vec<ChannelState> + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || {
            let spool = shared.spool();
            let state = |channel: &Arc<ChannelOptions>| {
                let waiting = spool.all().iter().filter(|one| one.channel == channel.name);
                let (waiting, failed) = waiting.fold((0, false), |(count, failed), one| {
                    (count + 1, failed || one.progress.attempts > 0)
                });
                let state = match (shared.is_off(&channel.name), failed) {
                    (true, _) => "off",
                    (false, true) => "failing",
                    (false, false) => "ok",
                };
                ChannelState { name: channel.name.clone(), state, waiting }
            };
            shared.channels.iter().map(state).collect()
        }
    }

    /// Reads the last delivery of each channel, in milliseconds since 1970.
    pub fn deliveries(&self) -> impl Fn() -> BTreeMap<String, i64> + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.delivered().all().clone()
    }

    /// Ends the workers and saves the messages that wait.
    ///
    /// Open requests are dropped and sent again later.
    pub fn close(mut self) {
        self.end.notify_one();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the alert channels has failed");
        }
        self.shared.save();
    }
}

/// The time until the fallback of a channel gets an alert, in milliseconds.
fn fallback_after_ms(severity: AlertSeverity) -> i64 {
    match severity {
        AlertSeverity::Critical => 60_000,
        AlertSeverity::High | AlertSeverity::Medium | AlertSeverity::Info => 300_000,
    }
}

/// Writes the file after changes, at most once a second.
async fn keep(shared: Arc<Shared>) {
    loop {
        shared.changed.notified().await;
        let of_write = Arc::clone(&shared);
        let written = tokio::task::spawn_blocking(move || of_write.save());
        let _reported = written.await;
        tokio::time::sleep(WRITE_EVERY).await;
    }
}

/// Queues alerts for the channels that want them.
struct ChannelsSink(Arc<Shared>);

impl AlertSink for ChannelsSink {
    fn name(&self) -> &'static str {
        "channels"
    }

    fn offer(&self, alert: &Arc<Alert>) -> SinkOutcome {
        let shared = &self.0;
        let now = shared.clock.now();
        let mut outcome = SinkOutcome::Accepted;
        for channel in shared.channels.iter().filter(|channel| channel.wants(alert.severity)) {
            let mut lost = Vec::new();
            for delivery in deliveries(shared, channel, alert, now) {
                let pushed = shared.spool().push(delivery, &mut lost);
                match pushed {
                    PushOutcome::Queued => {}
                    // The fallback gets nothing either.
                    PushOutcome::Canceled => break,
                    PushOutcome::NoSpace => {
                        shared.undelivered(&channel.name, &alert.id, "the spool is full", 1);
                        outcome = SinkOutcome::Full;
                    }
                }
            }
            for other in lost {
                let why = "the spool is full, and another alert is more severe";
                shared.undelivered(&other.channel, &other.alert, why, 1);
            }
        }
        shared.queued.notify_waiters();
        shared.changed.notify_one();
        outcome
    }
}

/// The messages of a state of an alert: for the channel, and for its fallback.
fn deliveries(
    shared: &Shared,
    channel: &ChannelOptions,
    alert: &Alert,
    now: Now,
) -> impl Iterator<Item = Delivery> {
    let is_off = shared.is_off(&channel.name);
    let own = if is_off { None } else { channel.delivery(alert, now) };
    let own = own.map(|delivery| held(channel, delivery));
    // A channel in its quiet hours has not failed.
    let starts = own.as_ref().and_then(|own| own.hold.until_unix_ms).unwrap_or(now.unix_ms);
    let fallback = shared.fallback(channel, alert.severity).and_then(|fallback| {
        let wait_ms = if is_off { 0 } else { fallback_after_ms(alert.severity) };
        let mut delivery = fallback.delivery(alert, now)?;
        delivery.instead_of = Some(channel.name.clone());
        delivery.progress.due_unix_ms = starts.saturating_add(wait_ms);
        Some(held(fallback, delivery))
    });
    own.into_iter().chain(fallback)
}

/// Holds a message that is due in the quiet hours of its channel.
fn held(channel: &ChannelOptions, mut delivery: Delivery) -> Delivery {
    if let Some(until) = channel.held_until(&delivery) {
        delivery.hold(until);
    }
    delivery
}
