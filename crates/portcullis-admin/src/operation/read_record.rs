//! Records that an administrator has read data of persons, once a minute for each kind of read.
//! Never: the data that was read.

use std::collections::HashMap;

use portcullis_audit::{Outcome, Record};
use portcullis_model::{Code, Now, UserId};

use crate::operation::call::{Actor, Call};
use crate::operation::desk::Desk;

/// A further record of the same administrator and operation follows after this time.
const RECORD_EVERY_MS: u64 = 60_000;
/// Most administrators and operations that are remembered, about 100 bytes each.
const READERS_MAX: usize = 1_024;

/// The last record of a reader and an operation.
#[derive(Debug)]
struct LastRecord {
    at_ms: u64,
    /// Reads since then, which have no record.
    unrecorded: u64,
}

/// When reads were recorded last.
#[derive(Debug, Default)]
pub(crate) struct ReadRecords(HashMap<(Option<UserId>, &'static str), LastRecord>);

impl ReadRecords {
    /// Counts a read. Returns the number of reads without a record before it, if it is recorded.
    fn count(&mut self, reader: Option<UserId>, event: &'static str, now: Now) -> Option<u64> {
        let is_recent =
            |last: &LastRecord| now.monotonic_ms < last.at_ms.saturating_add(RECORD_EVERY_MS);
        let key = (reader, event);
        if let Some(last) = self.0.get_mut(&key).filter(|last| is_recent(last)) {
            last.unrecorded += 1;
            return None;
        }
        if self.0.len() >= READERS_MAX {
            self.0.retain(|_, last| is_recent(last));
        }
        let unrecorded = self.0.remove(&key).map_or(0, |last| last.unrecorded);
        // In a full table each read has a record: too many records are better than none.
        if self.0.len() < READERS_MAX {
            self.0.insert(key, LastRecord { at_ms: now.monotonic_ms, unrecorded: 0 });
        }
        Some(unrecorded)
    }
}

/// Records a read of data of persons, unless the same administrator has a record of this operation
/// in the last minute. `more` adds what was selected.
pub(crate) fn record_read(
    desk: &Desk,
    call: &Call,
    event: &'static str,
    more: impl FnOnce(&mut Record),
) {
    let reader = match &call.actor {
        Actor::User { user, .. } => Some(user.id.clone()),
        Actor::Operator => None,
    };
    let Some(unrecorded) = desk.read_records().count(reader, event, call.now) else { return };
    let mut record = Record::new(Code::PersonalDataRead);
    record.outcome = Outcome::Success;
    call.describe(&mut record);
    record.event = Some(String::from(event));
    record.suppressed = unrecorded;
    more(&mut record);
    call.services.audit.record(record, call.now);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 0 }
    }

    fn user(name: &str) -> Option<UserId> {
        UserId::parse(name).ok()
    }

    #[test]
    fn read_is_recorded_once_a_minute_for_each_reader_and_operation() {
        let mut records = ReadRecords::default();
        for (reader, event, at_ms, expect) in [
            (user("ann"), "admin:user", 5, Some(0)),
            (user("ann"), "admin:user", 6, None),
            (user("ann"), "admin:users", 6, Some(0)),
            (user("bob"), "admin:user", 7, Some(0)),
            (None, "admin:user", 7, Some(0)),
            (user("ann"), "admin:user", 60_004, None),
            (user("ann"), "admin:user", 60_005, Some(2)),
            (user("ann"), "admin:user", 120_005, Some(0)),
        ] {
            let counted = records.count(reader.clone(), event, at(at_ms));
            assert_eq!(counted, expect, "{reader:?} {event} {at_ms}");
        }
    }

    #[test]
    fn full_table_records_each_read_and_has_space_after_a_minute() {
        let mut records = ReadRecords::default();
        for number in 0..READERS_MAX {
            let reader = user(&format!("u{number}"));
            assert_eq!(records.count(reader, "admin:user", at(0)), Some(0));
        }
        for _ in 0..2 {
            assert_eq!(records.count(user("ann"), "admin:user", at(1)), Some(0));
        }
        assert_eq!(records.0.len(), READERS_MAX);
        assert_eq!(records.count(user("ann"), "admin:user", at(60_000)), Some(0));
        assert_eq!(records.count(user("ann"), "admin:user", at(60_001)), None);
        assert_eq!(records.0.len(), 1);
    }
}
