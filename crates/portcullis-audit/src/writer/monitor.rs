//! What the writer looks after once a second: changes from outside, slow disks, syncs, old files.
//! Never: reads a clock; time comes with records and ticks.

use std::collections::VecDeque;

use portcullis_model::{Code, Now, Severity};

use crate::files::log_file::Change;
use crate::queue::{Entry, Woken};
use crate::record::encode::encode;
use crate::record::fields::{Outcome, Record};
use crate::writer::thread::{LogState, SLOW_MS, Writer};

/// A file that was renamed is an operator's rotation if SIGHUP follows within this time.
const ROTATION_MS: u64 = 60_000;
/// Lines of users are synced after this long; operations at once.
const SYNC_MS: u64 = 10_000;
/// Old files are looked through this often.
const TIDY_MS: u64 = 60_000;
/// A rotation that failed is tried again after this long.
const RETRY_MS: u64 = 60_000;

/// What the writer remembers from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Lines were written since the last sync.
    pub(crate) dirty: bool,
    synced_ms: u64,
    tidied_ms: Option<u64>,
    renamed_ms: Option<u64>,
    rotate_from_ms: u64,
    slow: bool,
}

impl Watch {
    pub(crate) fn synced(&mut self, now: Now) {
        self.dirty = false;
        self.synced_ms = now.monotonic_ms;
    }

    pub(crate) fn may_rotate(&self, now: Now) -> bool {
        now.monotonic_ms >= self.rotate_from_ms
    }

    pub(crate) fn rotation_failed(&mut self, now: Now) {
        self.rotate_from_ms = now.monotonic_ms + RETRY_MS;
    }
}

impl Writer {
    /// Gives the records that came of it.
    pub(crate) fn look_after(&mut self, woken: &Woken) -> VecDeque<Entry> {
        let mut entries = VecDeque::new();
        if woken.idle || woken.reopen || woken.last {
            self.look_at_file(woken, &mut entries);
            self.look_at_disk(&mut entries);
            self.look_at_output();
            self.rotate_by_day(&mut entries);
        }
        if let Some(syncer) = &self.syncer {
            let now_ms = self.now.monotonic_ms;
            if self.watch.tidied_ms.is_none_or(|at_ms| now_ms >= at_ms + TIDY_MS) {
                self.watch.tidied_ms = Some(now_ms);
                syncer.tidy(self.now);
            }
            if self.watch.dirty && now_ms >= self.watch.synced_ms + SYNC_MS {
                if let Some(file) = &self.file {
                    syncer.sync(file.handle());
                }
                self.watch.synced(self.now);
            }
        }
        entries
    }

    fn look_at_file(&mut self, woken: &Woken, entries: &mut VecDeque<Entry>) {
        let Some(file) = &mut self.file else { return };
        let change = match file.check() {
            Ok(change) => change,
            Err(error) => {
                tracing::debug!(%error, "the security log's path cannot be looked at");
                None
            }
        };
        if let Some(Change::Renamed | Change::Deleted) = change {
            let old = file.handle();
            if let Err(error) = file.reopen() {
                self.cannot_reopen(change, &error, entries);
                return;
            }
            if let Some(syncer) = &self.syncer {
                syncer.sync_closed(old);
            }
        }
        let now_ms = self.now.monotonic_ms;
        let mut renamed_ms = self.watch.renamed_ms;
        match change {
            Some(Change::Renamed) => renamed_ms = Some(now_ms),
            Some(Change::Deleted) if woken.reopen => renamed_ms = Some(now_ms),
            Some(Change::Deleted) => {
                entries.push_back(self.entry(replaced("deleted", String::from("it was deleted"))));
            }
            Some(Change::Truncated { from, to }) => {
                let detail = format!("it had {from} bytes and has {to}");
                entries.push_back(self.entry(replaced("truncated", detail)));
            }
            None => {}
        }
        if let Some(at_ms) = renamed_ms {
            if woken.reopen || woken.last {
                entries.push_back(self.entry(rotated()));
                renamed_ms = None;
            } else if now_ms >= at_ms + ROTATION_MS {
                let detail = String::from("it was renamed, and no SIGHUP came within a minute");
                entries.push_back(self.entry(replaced("renamed", detail)));
                renamed_ms = None;
            }
        }
        self.watch.renamed_ms = renamed_ms;
    }

    /// A renamed file goes on while no other can be made: its lines are not lost. Without a file,
    /// or when something else was put in its place, records wait. The next look tries again.
    fn cannot_reopen(
        &mut self,
        change: Option<Change>,
        error: &std::io::Error,
        entries: &mut VecDeque<Entry>,
    ) {
        let goes_on =
            change == Some(Change::Renamed) && error.kind() != std::io::ErrorKind::InvalidInput;
        if goes_on {
            tracing::error!(%error, "the security log cannot be made again");
        } else if self.fault.is_none() {
            entries.push_back(self.begin_fault(error));
        }
    }

    fn look_at_disk(&mut self, entries: &mut VecDeque<Entry>) {
        let Some(syncer) = &self.syncer else { return };
        let lasts_ms = syncer.lasts_ms(self.now);
        let failed = syncer.take_failed();
        let is_slow = lasts_ms >= SLOW_MS;
        if is_slow != self.watch.slow {
            self.watch.slow = is_slow;
            let mut record = Record::new(Code::DiskSlow);
            record.rule = "security_log";
            if is_slow {
                record.outcome = Outcome::Failure;
                record.detail = Some(format!("a sync lasts {lasts_ms} ms so far"));
                tracing::error!(lasts_ms, "the disk of the security log is slow");
            } else {
                record.outcome = Outcome::Success;
                record.severity = Severity::Info;
                record.detail = Some(String::from("the sync has ended"));
            }
            entries.push_back(self.entry(record));
        }
        if self.fault.is_none() {
            self.status.set_state(if is_slow { LogState::Slow } else { LogState::Ok });
        }
        if failed {
            let mut record = Record::new(Code::SysMonitorDisabled);
            record.outcome = Outcome::Failure;
            record.rule = "security_log";
            record.reason = "sync";
            record.detail = Some(String::from("the disk did not confirm the newest lines"));
            tracing::error!("the disk did not confirm the newest lines of the security log");
            entries.push_back(self.entry(record));
        }
    }

    /// Keeps the numbers of these lines, before they are written.
    pub(crate) fn cover(&mut self, lines: usize) {
        let (Some(numbers), Some(file)) = (&mut self.numbers, &self.file) else { return };
        match numbers.cover(self.sequence + lines as u64, file.place()) {
            Ok(written) => {
                if let (Some(written), Some(syncer)) = (written, &self.syncer) {
                    syncer.sync_closed(written);
                }
            }
            Err(error) => tracing::debug!(%error, "the last number of the log cannot be kept"),
        }
    }

    /// Keeps the exact number, at the end.
    pub(crate) fn finish_numbers(&mut self) {
        if let (Some(numbers), Some(file)) = (&mut self.numbers, &self.file)
            && let Err(error) = numbers.finish(self.sequence, file.place())
        {
            tracing::warn!(%error, "the last number of the log cannot be kept");
        }
    }

    /// Says how many lines standard output lost, once it is read again.
    fn look_at_output(&mut self) {
        let Some(output) = &self.output else { return };
        let lost = output.take_lost();
        if lost == 0 {
            return;
        }
        let mut record = Record::new(Code::LogLost);
        record.outcome = Outcome::Failure;
        record.reason = "stdout";
        record.suppressed = lost;
        let mut line = String::new();
        encode(&mut line, &record, self.now, None, &self.service);
        output.push(&line, 1);
    }

    /// Closes the file of yesterday, also when no record comes.
    fn rotate_by_day(&mut self, entries: &mut VecDeque<Entry>) {
        if self.fault.is_none() {
            self.rotate_if_due(entries);
        }
    }
}

fn replaced(reason: &'static str, detail: String) -> Record {
    let mut record = Record::new(Code::LogReplaced);
    record.outcome = Outcome::Failure;
    record.reason = reason;
    record.detail = Some(detail);
    tracing::error!(reason, "another program changed the security log's file");
    record
}

fn rotated() -> Record {
    let mut record = Record::new(Code::LogRotated);
    record.outcome = Outcome::Success;
    record.reason = "operator";
    record.detail = Some(String::from("the file was renamed; a new one was made"));
    record
}
