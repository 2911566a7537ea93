//! The files that the writer thread uses: the log, its sequence file, its reserve, its sync thread.
//! Never: waits for a sync.

use std::path::Path;
use std::sync::Arc;

use portcullis_model::Now;

use crate::chain::files::{ChainFiles, later_chain_format};
use crate::chain::hash::ChainHash;
use crate::chain::runtime::{Chain, NewestNote, Statement};
use crate::chain::start::{ChainOptions, set_torn_line_aside, start};
use crate::files::disk::Disk;
use crate::files::log_file::{AppendError, LogFile};
use crate::files::path::file_name;
use crate::files::reserve::Reserve;
use crate::files::retention::Retention;
use crate::files::rotation_request::take_request;
use crate::files::segment::Naming;
use crate::files::sequence::SequenceFile;
use crate::files::sync::Syncer;
use crate::options::{AuditError, AuditOptions};
use crate::queue::Queue;
use crate::record::fields::Record;
use crate::record::log_events;
use crate::writer::batch::Batch;
use crate::writer::status::LogState;

/// Without a reserve, free bytes that are required before a full disk is tried again.
const FREE_BYTES: u64 = 1024 * 1024;
/// Lines of users and clients are synced at this interval; operations at once.
const SYNC_MS: u64 = 10_000;
/// The retention rules are applied at this interval.
const RETENTION_MS: u64 = 60_000;
/// A failed rotation is retried after this interval.
const RETRY_MS: u64 = 60_000;

/// The files of the log. Without a log file, all parts are `None`.
pub(crate) struct Storage {
    pub(crate) file: Option<LogFile>,
    /// Set for regular files, which are rotated and synced.
    managed: Option<ManagedFile>,
    sequence: Option<SequenceFile>,
    pub(crate) chain: Option<Chain>,
    segment_bytes: u64,
    schedule: Schedule,
}

/// The files at the start of a process.
pub(crate) struct OpenedStorage {
    pub(crate) storage: Storage,
    /// The number of the last line in the log.
    pub(crate) last: u64,
    /// Records about what was found.
    pub(crate) records: Vec<Record>,
}

/// The parts that only a regular file has; a device is never rotated or synced.
struct ManagedFile {
    naming: Naming,
    syncer: Syncer,
    reserve: Option<Reserve>,
}

/// The times of the last sync, retention and failed rotation.
#[derive(Debug, Default)]
struct Schedule {
    /// Whether lines were written since the last sync.
    dirty: bool,
    synced_ms: u64,
    retention_ms: Option<u64>,
    rotate_from_ms: u64,
    /// Whether another program asks for a rotation.
    rotation_requested: bool,
}

impl Storage {
    /// Opens the files.
    pub(crate) fn open(
        options: &AuditOptions,
        disk: &Arc<dyn Disk>,
        queue: &Arc<Queue>,
        newest_note: &NewestNote,
    ) -> Result<OpenedStorage, AuditError> {
        let mut storage = Self {
            file: None,
            managed: None,
            sequence: None,
            chain: None,
            segment_bytes: options.segment_bytes,
            schedule: Schedule::default(),
        };
        let mut records = Vec::new();
        let Some(path) = &options.file else {
            return Ok(OpenedStorage { storage, last: 0, records });
        };
        let fault = |source| AuditError::File { path: path.clone(), source };
        if let Some(chain) = &options.chain {
            check_format(chain)?;
            records.extend(set_torn_line_aside(path).map_err(fault)?);
        }
        let (file, mut last) = LogFile::open(path, Arc::clone(disk)).map_err(fault)?;
        storage.sequence = options.sequence_file.as_deref().and_then(open_sequence);
        if let Some(sequence) = &storage.sequence {
            last = sequence.last_number(last, file.id());
        }
        if file.is_regular() {
            let managed = ManagedFile::open(path, options, disk, queue)?;
            if let Some(chain) = &options.chain {
                let files = ChainFiles::new(&chain.folder);
                let started = start(path, chain, &files, last, Arc::clone(newest_note));
                let started = started.map_err(|source| AuditError::Chain {
                    path: files.state_path().to_owned(),
                    source,
                })?;
                // Before the first line that its key signs.
                match files.write(&started.update) {
                    Ok(()) => managed.syncer.set_stored_epoch(started.update.epoch),
                    Err(error) => {
                        tracing::error!(%error, "the keys of the log cannot be stored yet");
                        managed.syncer.store_chain(started.update);
                    }
                }
                last = started.last;
                records.extend(started.records);
                storage.chain = Some(started.chain);
            }
            storage.managed = Some(managed);
        }
        storage.file = Some(file);
        Ok(OpenedStorage { storage, last, records })
    }

    /// Whether the next line is the first of its file.
    pub(crate) fn is_file_empty(&self) -> bool {
        self.file.as_ref().is_none_or(LogFile::is_empty)
    }

    /// The statement of the chain that is due after line `last`.
    pub(crate) fn due_statement(&self, last: u64, now: Now, state: LogState) -> Option<Statement> {
        let (chain, managed) = (self.chain.as_ref()?, self.managed.as_ref()?);
        let can_change_key = managed.syncer.has_stored_epoch(chain.epoch());
        chain.due(last, now, state.name(), can_change_key)
    }

    /// A note about line `last`, if lines were written since the newest one.
    pub(crate) fn final_note(&self, last: u64, now: Now, state: LogState) -> Option<Statement> {
        let chain = self.chain.as_ref().filter(|chain| chain.has_unsigned_lines())?;
        Some(chain.note(last, now, state.name()))
    }

    /// A statement was written as a line with this hash.
    pub(crate) fn commit_statement(&mut self, statement: Statement, head: ChainHash, now: Now) {
        let update = self.chain.as_mut().and_then(|chain| chain.commit(statement, head, now));
        if let (Some(update), Some(syncer)) = (update, self.syncer()) {
            syncer.store_chain(update);
        }
    }

    /// Whether the file is to be rotated before the next line.
    pub(crate) fn is_rotation_due(&self, now: Now) -> bool {
        self.managed.is_some() && self.rotation_reason(now).is_some()
    }

    fn rotation_reason(&self, now: Now) -> Option<&'static str> {
        let file = self.file.as_ref()?;
        if now.monotonic_ms < self.schedule.rotate_from_ms {
            return None;
        }
        let is_requested = self.schedule.rotation_requested && file.has_lines();
        file.rotation_reason(self.segment_bytes, now.unix_ms)
            .or_else(|| is_requested.then_some("request"))
    }

    /// Looks for the request of another program to close the file.
    pub(crate) fn take_rotation_request(&mut self) {
        if let Some(managed) = &self.managed {
            self.schedule.rotation_requested |= take_request(&managed.naming);
        }
    }

    /// Reserves the numbers up to `last` before their lines are written.
    pub(crate) fn reserve_numbers(&mut self, last: u64) {
        let (Some(sequence), Some(file)) = (&mut self.sequence, &self.file) else { return };
        match sequence.reserve(last, file.id()) {
            Ok(Some(written)) => self.sync_closed(written),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "the last number of the log cannot be stored"),
        }
    }

    /// Appends a batch, whose first line has the number `first`. Operations are synced at once.
    pub(crate) fn append(
        &mut self,
        batch: &Batch,
        first: u64,
        now: Now,
    ) -> Result<(), AppendError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let result = file.append(batch.text(), first, now.unix_ms);
        self.schedule.dirty = true;
        let is_appended = result.as_ref().map_or_else(|failure| failure.whole > 0, |()| true);
        if batch.has_reserved() && is_appended {
            self.sync(now);
        }
        result
    }

    /// Rotates the file when it is due; `last` is the number of its last line.
    ///
    /// Returns the record of the rotation.
    pub(crate) fn rotate_if_due(&mut self, last: u64, now: Now) -> Option<Record> {
        let reason = self.rotation_reason(now)?;
        let (file, managed) = (self.file.as_mut()?, self.managed.as_ref()?);
        self.schedule.rotation_requested = false;
        let first = file.first();
        match file.rotate(&managed.naming, now.unix_ms) {
            Ok((path, old)) => {
                managed.syncer.sync_closed(old);
                managed.syncer.apply_retention(now);
                let detail = format!("{} contains lines {first} to {last}", file_name(&path));
                Some(log_events::file_rotated(reason, detail))
            }
            Err(error) => {
                self.schedule.rotate_from_ms = now.monotonic_ms + RETRY_MS;
                tracing::warn!(%error, "the security log cannot be rotated; its file stays in use");
                None
            }
        }
    }

    /// Applies the retention rules and syncs the file when that is due.
    pub(crate) fn maintain(&mut self, now: Now) {
        let Some(managed) = &self.managed else { return };
        let is_due = |at_ms| now.monotonic_ms >= at_ms + RETENTION_MS;
        if self.schedule.retention_ms.is_none_or(is_due) {
            self.schedule.retention_ms = Some(now.monotonic_ms);
            managed.syncer.apply_retention(now);
        }
        if self.schedule.dirty && now.monotonic_ms >= self.schedule.synced_ms + SYNC_MS {
            self.sync(now);
        }
    }

    /// Whether another write can succeed after a fault: there is space, or the file is open again.
    pub(crate) fn try_to_recover(&mut self, fault: LogState) -> bool {
        match fault {
            LogState::Ok | LogState::Slow => false,
            LogState::Full => match self.reserve_mut() {
                Some(reserve) => reserve.fill(),
                None => self.has_free_space(),
            },
            LogState::Failing => self.file.as_mut().is_none_or(|file| file.reopen().is_ok()),
        }
    }

    /// Whether a reserve exists.
    pub(crate) fn has_reserve(&self) -> bool {
        self.managed.as_ref().is_some_and(|managed| managed.reserve.is_some())
    }

    /// Releases reserved space for `bytes` more; `false` when none is left.
    pub(crate) fn release_reserve(&mut self, bytes: u64) -> bool {
        self.reserve_mut().is_some_and(|reserve| reserve.release(bytes))
    }

    /// Bytes that the reserve has.
    pub(crate) fn reserve_bytes(&self) -> u64 {
        let reserve = self.managed.as_ref().and_then(|managed| managed.reserve.as_ref());
        reserve.map_or(0, Reserve::bytes)
    }

    /// The size at which the file is rotated.
    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segment_bytes
    }

    /// The sync thread; a log without a regular file has none.
    pub(crate) fn syncer(&self) -> Option<&Syncer> {
        self.managed.as_ref().map(|managed| &managed.syncer)
    }

    /// Requests the last sync of a file that is no longer written.
    pub(crate) fn sync_closed(&self, file: Arc<std::fs::File>) {
        if let Some(syncer) = self.syncer() {
            syncer.sync_closed(file);
        }
    }

    /// Stores the exact last number, requests the last sync, and stops the sync thread.
    pub(crate) fn close(&mut self, last: u64) {
        if let (Some(sequence), Some(file)) = (&mut self.sequence, &self.file)
            && let Err(error) = sequence.finish(last, file.id())
        {
            tracing::warn!(%error, "the last number of the log cannot be stored");
        }
        if let Some(syncer) = self.syncer() {
            if let Some(file) = &self.file {
                syncer.sync(file.handle());
            }
            syncer.stop();
        }
    }

    fn sync(&mut self, now: Now) {
        if let (Some(managed), Some(file)) = (&self.managed, &self.file) {
            managed.syncer.sync(file.handle());
            self.schedule.dirty = false;
            self.schedule.synced_ms = now.monotonic_ms;
        }
    }

    fn reserve_mut(&mut self) -> Option<&mut Reserve> {
        self.managed.as_mut()?.reserve.as_mut()
    }

    fn has_free_space(&self) -> bool {
        let Some(file) = &self.file else { return true };
        file.free_bytes().is_ok_and(|free| free >= FREE_BYTES)
    }
}

impl ManagedFile {
    fn open(
        path: &Path,
        options: &AuditOptions,
        disk: &Arc<dyn Disk>,
        queue: &Arc<Queue>,
    ) -> Result<Self, AuditError> {
        let naming = Naming::of(path);
        let retention = Retention::new(naming.clone(), options);
        let chain = options.chain.as_ref().map(|chain| ChainFiles::new(&chain.folder));
        let syncer = Syncer::start(Arc::clone(queue), Arc::clone(disk), retention, chain);
        let syncer = syncer.map_err(AuditError::Thread)?;
        let reserve = (options.reserve_bytes > 0).then(|| {
            Reserve::open(path, options.reserve_bytes, Arc::clone(disk))
                .inspect_err(|error| tracing::warn!(%error, "the log has no reserve on the disk"))
                .ok()
        });
        Ok(Self { naming, syncer, reserve: reserve.flatten() })
    }
}

/// Rejects the state of a chain that a later version wrote: a new one would replace its keys.
fn check_format(chain: &ChainOptions) -> Result<(), AuditError> {
    let path = ChainFiles::new(&chain.folder).state_path().to_owned();
    match later_chain_format(&chain.folder) {
        Ok(Some(format)) => Err(AuditError::ChainLater { path, format }),
        Ok(None) => Ok(()),
        Err(source) => Err(AuditError::Chain { path, source }),
    }
}

fn open_sequence(path: &Path) -> Option<SequenceFile> {
    SequenceFile::open(path)
        .inspect_err(|error| tracing::warn!(%error, "the last number of the log is not stored"))
        .ok()
}
