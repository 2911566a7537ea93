//! Bounded queues of notes between the threads that record and the thread that evaluates.
//! Never: waits or allocates; a note that finds no space is counted for each rule without a key.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use portcullis_model::{Code, CodeClass, Now};

use super::interest::Interest;
use super::note::{Buffer, Flag, Note, Text};
use super::subject::Subject;
use crate::record::fields::Record;
use crate::record::group::RecordGroup;

/// Recorders are spread over so many queues, so that they rarely meet.
pub(crate) const QUEUES: usize = 16;
/// Notes that wait in one queue.
pub(crate) const NOTES_MAX: usize = 4_096;
/// Bytes of the texts that wait in one queue.
const TEXT_BYTES: usize = 192 * 1_024;
/// Kinds of records that share a queue; kinds with an equal number share their part.
const KINDS: usize = 128;
/// Shares of the queue, of 8 parts: operations and faults always find space.
const USER_PARTS: usize = 7;
const UNAUTHENTICATED_PARTS: usize = 5;

/// The notes in one queue. About 480 KiB when full.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) notes: Vec<Note>,
    pub(crate) texts: Vec<u8>,
    /// Notes that found no space, for each trigger without a key.
    pub(crate) uncounted: Vec<u64>,
    pub(crate) dropped: u64,
    /// Notes of each kind.
    kinds: [u16; KINDS],
}

impl Pending {
    pub(crate) fn new(triggers: usize) -> Self {
        Self {
            notes: Vec::with_capacity(NOTES_MAX),
            texts: Vec::with_capacity(TEXT_BYTES),
            uncounted: vec![0; triggers],
            dropped: 0,
            kinds: [0; KINDS],
        }
    }

    pub(crate) fn clear(&mut self) {
        self.notes.clear();
        self.texts.clear();
        self.uncounted.fill(0);
        self.dropped = 0;
        self.kinds.fill(0);
    }
}

/// All queues. Worst-case memory: 17 times 480 KiB, 8 MiB, touched only in a flood.
#[derive(Debug)]
pub(crate) struct NoteQueues {
    queues: Vec<Mutex<Pending>>,
    interest: ArcSwap<Interest>,
    seen: Vec<AtomicBool>,
    dropped: AtomicU64,
}

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Each thread has its queue; up to 16 threads never meet.
    static QUEUE: usize = NEXT_THREAD.fetch_add(1, Ordering::Relaxed) % QUEUES;
}

impl NoteQueues {
    pub(crate) fn new(interest: Interest) -> Self {
        let triggers = interest.triggers();
        Self {
            queues: (0..QUEUES).map(|_| Mutex::new(Pending::new(triggers))).collect(),
            interest: ArcSwap::from_pointee(interest),
            seen: Code::ALL.iter().map(|_| AtomicBool::new(false)).collect(),
            dropped: AtomicU64::new(0),
        }
    }

    /// A buffer to exchange for what waits.
    pub(crate) fn spare(&self) -> Pending {
        Pending::new(self.interest.load().triggers())
    }

    /// Takes other rules into account from now on. Call it when all queues are empty: counts that
    /// wait are of triggers of the old rules.
    pub(crate) fn replace_interest(&self, interest: Interest) {
        let triggers = interest.triggers();
        self.interest.store(Arc::new(interest));
        for queue in &self.queues {
            let mut pending = queue.lock().unwrap_or_else(PoisonError::into_inner);
            pending.uncounted = vec![0; triggers];
        }
    }

    /// Notes that rules with a key did not see.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Whether a rule counts records of a code.
    pub(crate) fn wants(&self, code: Code) -> bool {
        self.interest.load().texts(code).is_some()
    }

    /// Notes a record for the rules.
    pub(crate) fn push(
        &self,
        record: &Record,
        subject: &Subject<'_>,
        group: RecordGroup,
        now: Now,
    ) {
        if let Some(seen) = self.seen.get(record.code as usize)
            && !seen.load(Ordering::Relaxed)
        {
            seen.store(true, Ordering::Relaxed);
        }
        let interest = self.interest.load();
        let Some(wanted) = interest.texts(record.code) else { return };
        let mut note = Note::new(record, subject, now);
        if lost_operations(record) {
            note.set(Flag::Reserved);
        }
        let texts = wanted_texts(wanted, record, subject);
        let Some(queue) = self.queues.get(QUEUE.with(|queue| *queue)) else { return };
        let mut pending = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = match group {
            RecordGroup::Reserved => 8,
            RecordGroup::User => USER_PARTS,
            RecordGroup::Unauthenticated => UNAUTHENTICATED_PARTS,
        };
        let Pending { notes, texts: bytes, uncounted, dropped, kinds } = &mut *pending;
        let free = (NOTES_MAX * parts / 8).saturating_sub(notes.len());
        let mut own = 0;
        let of_kind = kinds.get_mut(kind(record)).unwrap_or(&mut own);
        // One kind leaves as much as it takes, so a flood of one does not hide the others.
        let is_fair = group == RecordGroup::Reserved || usize::from(*of_kind) < free;
        let has_space = free > 0 && is_fair;
        let mut buffer = Buffer { bytes, bytes_max: TEXT_BYTES * parts / 8 };
        if has_space && note.store_texts(&texts, &mut buffer) {
            notes.push(note);
            *of_kind = of_kind.saturating_add(1);
            return;
        }
        *dropped += 1;
        for trigger in interest.whole(&note) {
            if let Some(uncounted) = uncounted.get_mut(trigger) {
                *uncounted += 1;
            }
        }
    }

    /// Exchanges what waits in a queue for an empty buffer.
    pub(crate) fn exchange(&self, queue: usize, empty: &mut Pending) {
        let Some(queue) = self.queues.get(queue) else { return };
        // The rules may have been replaced since the buffer was made.
        empty.uncounted.resize(self.interest.load().triggers(), 0);
        let mut pending = queue.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut *pending, empty);
        drop(pending);
        self.dropped.fetch_add(empty.dropped, Ordering::Relaxed);
    }

    /// The codes that were recorded since the last call.
    pub(crate) fn take_seen(&self) -> impl Iterator<Item = Code> + '_ {
        let codes = Code::ALL.iter().zip(&self.seen);
        codes.filter(|(_, seen)| seen.swap(false, Ordering::Relaxed)).map(|(code, _)| *code)
    }
}

/// A number for code and rule; clients choose neither.
fn kind(record: &Record) -> usize {
    let mut rule = record.rule.bytes().map(usize::from);
    let (first, last) = (rule.next().unwrap_or(0), rule.next_back().unwrap_or(0));
    (record.code as usize * 7 + record.rule.len() * 31 + first * 5 + last) % KINDS
}

/// Whether a record reports the loss of records of operations or faults.
fn lost_operations(record: &Record) -> bool {
    if record.code != Code::LogLost {
        return false;
    }
    let Some(name) = &record.event else { return false };
    let code = Code::ALL.iter().find(|code| code.name() == name);
    code.is_some_and(|code| match code.class() {
        CodeClass::Operation | CodeClass::Service => true,
        CodeClass::Traffic | CodeClass::Rejection => false,
    })
}

fn wanted_texts<'a>(wanted: u8, record: &'a Record, subject: &Subject<'a>) -> [Option<&'a str>; 6] {
    Text::ALL.map(|text| {
        if wanted & text.bit() == 0 {
            return None;
        }
        match text {
            Text::User => record.user.as_ref().map(|user| user.as_str()),
            Text::Name => subject.name,
            Text::Origin => subject.origin,
            Text::Room => subject.room,
            Text::Object => subject.object,
            Text::Reference => subject.reference.map(|reference| reference.as_str()),
        }
    })
}
