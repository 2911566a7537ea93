//! Tests of idempotency keys, over days, restarts and rollbacks.
//! Never: a clock; times come with the messages.

use std::collections::HashMap;

use tokio::sync::oneshot::Receiver;

use super::*;
use crate::rows::messages::{AppendOutcome, NewMessage};
use crate::sqlite::database::connection::open_writer;
use crate::sqlite::fixture::{SilentFeed, ann, commit, healthy, lobby, message};
use crate::sqlite::writer::commit::Writer;
use crate::sqlite::writer::task::{ChangeTask, Task};

/// A reproducible source of pseudo-random numbers (xorshift).
struct RandomSource(u64);

impl RandomSource {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 % u64::from(bound)).unwrap()
    }
}

/// The expected state: the sequence numbers and times of the keys, and the newest number.
#[derive(Clone, Default)]
struct Model {
    keys: HashMap<u32, (u64, i64)>,
    newest: u64,
}

impl Model {
    fn expect(&mut self, key: u32, now_ms: i64) -> u64 {
        match self.keys.get(&key) {
            Some((seq, sent_unix_ms)) if now_ms - sent_unix_ms < MID_KEPT_MS => *seq,
            _ => {
                self.newest += 1;
                self.keys.insert(key, (self.newest, now_ms));
                self.newest
            }
        }
    }
}

fn append(batch: &mut Vec<Box<dyn Task>>, message: NewMessage) -> Receiver<Answer> {
    let (task, answer) = ChangeTask::of(move |state, changes| state.append(message, None, changes));
    batch.push(task);
    answer
}

type Answer = Result<AppendOutcome, StoreError>;

fn seq(mut answer: Receiver<Answer>) -> u64 {
    match answer.try_recv().unwrap() {
        Ok(AppendOutcome::Stored { seq, .. } | AppendOutcome::Repeated { seq, .. }) => seq,
        other => panic!("{other:?}"),
    }
}

// T-142, over many days, restarts and rollbacks.
#[test]
fn key_has_one_effect_a_day_in_memory_and_in_the_table() {
    let directory = tempfile::tempdir().unwrap();
    let connection = open_writer(&directory.path().join("mids.db")).unwrap();
    let mut writer = Writer::new(&connection, None, healthy()).unwrap();
    let (user, _) = ChangeTask::of(|state, changes| {
        state.in_account_transaction(changes, |accounts| accounts.create_user(ann()))
    });
    let (room, _) = ChangeTask::of(|state, changes| state.create_room(lobby(), changes));
    commit(&mut writer, &mut vec![user, room], &mut SilentFeed);

    let mut random = RandomSource(0x5eed);
    let mut model = Model::default();
    let (mut now_ms, mut number) = (0, 0);
    let mut has_merged = false;
    for _ in 0..600 {
        let mut batch = Vec::new();
        let mut after = model.clone();
        let mut answers = Vec::new();
        for _ in 0..=random.below(12) {
            now_ms += i64::from(random.below(300_000));
            number += 1;
            let key = random.below(2_000);
            let mid = message(key, 0).mid;
            let answer = append(&mut batch, NewMessage { mid, ..message(number, now_ms) });
            answers.push((answer, after.expect(key, now_ms)));
        }
        let fails = random.below(10) == 0;
        if fails {
            writer.planned.before_commit = true;
        }
        commit(&mut writer, &mut batch, &mut SilentFeed);
        if !fails {
            model = after;
            for (answer, expect) in answers {
                assert_eq!(seq(answer), expect);
            }
        }
        has_merged |= writer.state.mids.merged > 0;
        if random.below(20) == 0 {
            writer = Writer::new(&connection, None, healthy()).unwrap();
        }
        assert!(writer.state.mids.memory.len() < 400, "{}", writer.state.mids.memory.len());
    }
    assert!(has_merged);
    let left: i64 = connection
        .query_row("SELECT count(*) FROM mids WHERE day < ?1", [writer.state.mids.day - 1], |row| {
            row.get(0)
        })
        .unwrap();
    assert!(left < 400, "{left} keys of old days");
}

#[test]
fn rolled_back_batch_leaves_the_keys_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let connection = open_writer(&directory.path().join("undo.db")).unwrap();
    let mut writer = Writer::new(&connection, None, healthy()).unwrap();
    let (user, _) = ChangeTask::of(|state, changes| {
        state.in_account_transaction(changes, |accounts| accounts.create_user(ann()))
    });
    let (room, _) = ChangeTask::of(|state, changes| state.create_room(lobby(), changes));
    commit(&mut writer, &mut vec![user, room], &mut SilentFeed);
    // Enough keys for each batch to sweep some of them into the table, over two days.
    let day_ms = MID_KEPT_MS;
    for round in 0..40 {
        let mut batch = Vec::new();
        for number in round * 8..round * 8 + 8 {
            drop(append(&mut batch, message(number, i64::from(number) * day_ms / 200)));
        }
        let before =
            (writer.state.mids.memory.clone(), writer.state.mids.cursor, writer.state.mids.merged);
        writer.planned.before_commit = true;
        commit(&mut writer, &mut batch, &mut SilentFeed);
        let after =
            (writer.state.mids.memory.clone(), writer.state.mids.cursor, writer.state.mids.merged);
        assert_eq!(after, before, "round {round}");
        let mut batch = Vec::new();
        for number in round * 8..round * 8 + 8 {
            drop(append(&mut batch, message(number, i64::from(number) * day_ms / 200)));
        }
        commit(&mut writer, &mut batch, &mut SilentFeed);
    }
    assert!(writer.state.mids.merged > 0, "the sweep must have finished a round");
    assert!(writer.state.mids.is_loaded, "a rollback does not read the keys again");
}

/// Databases hold these hashes, so the values must never change.
#[test]
fn hash_of_a_key_does_not_change() {
    let cases = [
        (1, "a", -2_404_576_666_230_286_663),
        (1, "b", -7_128_924_369_997_004_570),
        (2, "a", -2_119_332_496_650_309_369),
        (-1, "", 7_679_411_569_137_598_510),
    ];
    for (user, mid, expect) in cases {
        assert_eq!(hash(user, mid), expect, "{user} {mid:?}");
    }
}
