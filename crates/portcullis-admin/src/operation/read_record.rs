//! Records that an administrator has read data of persons, once a minute for each selection.
//! Never: the data that was read, or a read without a record that counts it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash};

use portcullis_audit::{Outcome, Record};
use portcullis_model::{Code, Now};
use portcullis_server::Services;

use crate::operation::call::Call;
use crate::operation::desk::Desk;

/// A further record of the same reader, operation and selection follows after this time.
const RECORD_EVERY_MS: u64 = 60_000;
/// Most reads that are remembered, about 1 KiB each.
const READS_MAX: usize = 1_024;

/// The last record of a reader, an operation and a selection.
#[derive(Debug)]
struct LastRecord {
    at_ms: u64,
    /// Reads since then, which have no record.
    unrecorded: u64,
    /// The record of the last read.
    record: Record,
}

impl LastRecord {
    fn is_recent(&self, now: Now) -> bool {
        now.monotonic_ms < self.at_ms.saturating_add(RECORD_EVERY_MS)
    }
}

/// Reads of the last minute, by a hash with a secret key of the process: a reader cannot choose
/// two selections with the same hash.
#[derive(Debug, Default)]
pub(crate) struct ReadRecords(HashMap<u64, LastRecord>);

impl ReadRecords {
    /// Counts a read. Returns its record, if it is recorded.
    fn count(&mut self, record: Record, filter: &impl Hash, now: Now) -> Option<Record> {
        let selected = (&record.target, &record.labels, filter);
        let key = self.0.hasher().hash_one((&record.user, &record.event, selected));
        let unrecorded = match self.0.get_mut(&key) {
            Some(last) if last.is_recent(now) => {
                last.unrecorded += 1;
                last.record = record;
                return None;
            }
            Some(last) => last.unrecorded,
            None => 0,
        };
        let mut recorded = record.clone();
        recorded.suppressed = unrecorded;
        // In a full table each read has a record: too many records are better than none.
        if self.0.len() < READS_MAX || self.0.contains_key(&key) {
            let last = LastRecord { at_ms: now.monotonic_ms, unrecorded: 0, record };
            self.0.insert(key, last);
        }
        Some(recorded)
    }

    /// The records of reads without a record, after their minute. Each stands for one read, and
    /// counts the others.
    fn take_ended(&mut self, now: Now) -> Vec<Record> {
        let mut ended = Vec::new();
        self.0.retain(|_, last| {
            if last.is_recent(now) {
                return true;
            }
            let Some(others) = last.unrecorded.checked_sub(1) else { return false };
            let mut record = last.record.clone();
            record.suppressed = others;
            ended.push(record);
            (last.at_ms, last.unrecorded) = (now.monotonic_ms, 0);
            true
        });
        ended
    }
}

/// Records a read of data of persons, unless the same reader has a record of this operation with
/// this selection in the last minute. `select` adds the user or address that was selected; `filter`
/// is what else selects.
pub(crate) fn record_read(
    desk: &Desk,
    call: &Call,
    event: &'static str,
    filter: &impl Hash,
    select: impl FnOnce(&mut Record),
) {
    let mut record = Record::new(Code::PersonalDataRead);
    record.outcome = Outcome::Success;
    call.describe(&mut record);
    record.event = Some(String::from(event));
    select(&mut record);
    let recorded = desk.read_records().count(record, filter, call.now);
    if let Some(record) = recorded {
        call.services.audit.record(record, call.now);
    }
}

/// Records reads that have no record after their minute; called once a second.
pub(crate) fn record_ended(desk: &Desk, services: &Services) {
    let now = services.clock.now();
    let ended = desk.read_records().take_ended(now);
    for record in ended {
        services.audit.record(record, now);
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::UserId;

    use super::*;

    fn at(monotonic_ms: u64) -> Now {
        Now { monotonic_ms, unix_ms: 0 }
    }

    fn read(reader: &str, event: &str, target: &str) -> Record {
        let mut record = Record::new(Code::PersonalDataRead);
        record.user = UserId::parse(reader).ok();
        record.event = Some(String::from(event));
        record.target = UserId::parse(target).ok();
        record
    }

    #[test]
    fn read_is_recorded_once_a_minute_for_each_reader_operation_and_selection() {
        let mut records = ReadRecords::default();
        for (reader, event, target, filter, at_ms, expect) in [
            ("ann", "admin:user", "eve", "", 5, Some(0)),
            ("ann", "admin:user", "eve", "", 6, None),
            ("ann", "admin:user", "bob", "", 6, Some(0)),
            ("ann", "admin:limits", "eve", "", 6, Some(0)),
            ("ann", "admin:users", "", "a", 6, Some(0)),
            ("ann", "admin:users", "", "b", 6, Some(0)),
            ("ann", "admin:users", "", "a", 7, None),
            ("bob", "admin:user", "eve", "", 7, Some(0)),
            ("", "admin:user", "eve", "", 7, Some(0)),
            ("ann", "admin:user", "eve", "", 60_004, None),
            ("ann", "admin:user", "eve", "", 60_005, Some(2)),
            ("ann", "admin:user", "eve", "", 120_005, Some(0)),
        ] {
            let counted = records.count(read(reader, event, target), &filter, at(at_ms));
            let counted = counted.map(|record| record.suppressed);
            assert_eq!(counted, expect, "{reader} {event} {target} {filter} {at_ms}");
        }
        let mut network = read("ann", "admin:limits", "");
        for (address, expect) in [("192.0.2.1", true), ("192.0.2.2", true), ("192.0.2.1", false)] {
            network.labels = vec![("address", String::from(address))];
            let counted = records.count(network.clone(), &"", at(120_006));
            assert_eq!(counted.is_some(), expect, "{address}");
        }
    }

    #[test]
    fn reads_without_a_record_are_recorded_after_their_minute() {
        let mut records = ReadRecords::default();
        for at_ms in 0..4 {
            let _first = records.count(read("ann", "admin:user", "eve"), &"", at(at_ms));
            let _other = records.count(read("ann", "admin:user", &format!("u{at_ms}")), &"", at(0));
        }
        assert_eq!(records.take_ended(at(59_999)).len(), 0, "their minute");
        let ended = records.take_ended(at(60_000));
        let [only] = ended.as_slice() else { panic!("{ended:?}") };
        assert_eq!((&only.target, only.suppressed), (&UserId::parse("eve").ok(), 2));
        assert_eq!(records.0.len(), 1, "the others are removed");
        let next = records.count(read("ann", "admin:user", "eve"), &"", at(60_001));
        assert!(next.is_none(), "the record of the end starts a minute");
        assert_eq!(records.take_ended(at(120_000))[0].suppressed, 0);
        assert_eq!(records.take_ended(at(180_000)).len(), 0);
        assert_eq!(records.0.len(), 0);
    }

    #[test]
    fn full_table_records_each_read_and_has_space_after_a_minute() {
        let mut records = ReadRecords::default();
        let count = |records: &mut ReadRecords, target: &str, at_ms| {
            records.count(read("ann", "admin:user", target), &"", at(at_ms)).is_some()
        };
        for number in 0..READS_MAX {
            assert!(count(&mut records, &format!("u{number}"), 0));
        }
        for _ in 0..2 {
            assert!(count(&mut records, "eve", 1));
        }
        assert_eq!(records.0.len(), READS_MAX);
        assert!(records.take_ended(at(60_000)).is_empty());
        assert!(count(&mut records, "eve", 60_000));
        assert!(!count(&mut records, "eve", 60_001));
        assert_eq!(records.0.len(), 1);
    }
}
