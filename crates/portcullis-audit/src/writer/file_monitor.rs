//! The once-a-second checks of the log's file and disk: changes by other programs, slow syncs.
//! Never: reads a clock; the time comes from records and ticks.

use std::collections::VecDeque;
use std::io;

use portcullis_model::Now;

use crate::files::log_file::FileChange;
use crate::queue::WriterWork;
use crate::record::fields::Record;
use crate::record::log_events;
use crate::writer::status::{LogState, SLOW_MS};
use crate::writer::storage::Storage;

/// A rename of the file is an operator's rotation if SIGHUP arrives within this time.
const ROTATION_MS: u64 = 60_000;

/// The state that the checks keep from one check to the next.
#[derive(Debug, Default)]
pub(crate) struct FileMonitor {
    /// The time at which another program renamed the file, until SIGHUP or an alert.
    renamed_ms: Option<u64>,
    slow: bool,
}

impl FileMonitor {
    /// Detects changes by other programs, and opens a renamed or deleted file again.
    ///
    /// # Errors
    /// An I/O error if no file can be opened and lines would be lost. The next check tries again.
    pub(crate) fn check_file(
        &mut self,
        storage: &mut Storage,
        work: &WriterWork,
        records: &mut VecDeque<Record>,
    ) -> io::Result<()> {
        let Some(file) = &mut storage.file else { return Ok(()) };
        let change = match file.check() {
            Ok(change) => change,
            Err(error) => {
                tracing::debug!(%error, "the path of the security log cannot be checked");
                None
            }
        };
        if let Some(change @ (FileChange::Renamed | FileChange::Deleted)) = change {
            let old = file.handle();
            match file.reopen() {
                Ok(()) => storage.sync_closed(old),
                Err(error) if is_still_writable(change, &error) => {
                    tracing::error!(%error, "the security log cannot be created again");
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        self.report_change(change, work, records);
        self.report_rename(work, records);
        Ok(())
    }

    fn report_change(
        &mut self,
        change: Option<FileChange>,
        work: &WriterWork,
        records: &mut VecDeque<Record>,
    ) {
        let now_ms = work.now.monotonic_ms;
        match change {
            Some(FileChange::Renamed) => self.renamed_ms = Some(now_ms),
            Some(FileChange::Deleted) if work.reopen => self.renamed_ms = Some(now_ms),
            Some(FileChange::Deleted) => {
                records.push_back(replaced("deleted", String::from("the file was deleted")));
            }
            Some(FileChange::Truncated { from, to }) => {
                let detail = format!("the file was truncated from {from} to {to} bytes");
                records.push_back(replaced("truncated", detail));
            }
            None => {}
        }
    }

    /// A rename with SIGHUP is a rotation; without SIGHUP it becomes an alert.
    fn report_rename(&mut self, work: &WriterWork, records: &mut VecDeque<Record>) {
        let Some(renamed_ms) = self.renamed_ms else { return };
        if work.reopen || work.last {
            let detail = String::from("the file was renamed, and a new file was created");
            records.push_back(log_events::file_rotated("operator", detail));
            self.renamed_ms = None;
        } else if work.now.monotonic_ms >= renamed_ms + ROTATION_MS {
            let detail = "the file was renamed, and no SIGHUP arrived within a minute";
            records.push_back(replaced("renamed", String::from(detail)));
            self.renamed_ms = None;
        }
    }

    /// Checks the duration and the result of syncs; returns the state of the disk.
    pub(crate) fn check_sync(
        &mut self,
        storage: &Storage,
        now: Now,
        records: &mut VecDeque<Record>,
    ) -> LogState {
        let Some(syncer) = storage.syncer() else { return LogState::Ok };
        let elapsed_ms = syncer.elapsed_ms(now);
        let failed = syncer.take_failed();
        let is_slow = elapsed_ms >= SLOW_MS;
        if is_slow != self.slow {
            self.slow = is_slow;
            records.push_back(if is_slow {
                tracing::error!(elapsed_ms, "the disk of the security log is slow");
                log_events::disk_slow(elapsed_ms)
            } else {
                log_events::disk_recovered()
            });
        }
        if failed {
            tracing::error!("the disk did not confirm the newest lines of the security log");
            records.push_back(log_events::sync_failed());
        }
        if is_slow { LogState::Slow } else { LogState::Ok }
    }
}

/// Whether lines can still be written to the open file, although its path cannot be opened.
///
/// A renamed file stays in use. When another file type replaced it, records wait in memory.
fn is_still_writable(change: FileChange, error: &io::Error) -> bool {
    change == FileChange::Renamed && error.kind() != io::ErrorKind::InvalidInput
}

fn replaced(reason: &'static str, detail: String) -> Record {
    tracing::error!(reason, "another program changed the file of the security log");
    log_events::file_replaced(reason, detail)
}
