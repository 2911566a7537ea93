//! The cost of alerts: a note on the data path, and a note in the engine.
//! Never: part of the ordinary tests; `cargo test --release -p portcullis-audit timing -- --ignored
//! --nocapture` runs them.

use std::sync::Arc;

use portcullis_model::{Clock, Code, ConnectionId, LimitKey, Moment, Now, Reference};

use crate::alert::engine::evaluation::Engine;
use crate::alert::input::interest::Interest;
use crate::alert::input::queues::{NoteQueues, QUEUES};
use crate::alert::input::subject::{Conduct, Subject};
use crate::alert::options::AlertOptions;
use crate::audit::Audit;
use crate::options::AuditOptions;
use crate::record::fields::{Outcome, Record};
use crate::record::group::RecordGroup;

/// Notes between two turns: less than a queue holds for unauthenticated clients.
const NOTES: u32 = 2_000;
const ROUNDS: u32 = 500;

struct StillClock;

impl Clock for StillClock {
    fn now(&self) -> Now {
        Now::default()
    }
}

fn record(number: u32, code: Code) -> Record {
    Record {
        outcome: Outcome::Failure,
        rule: "connect_per_prefix",
        reason: "connect_per_prefix",
        client: Some(std::net::Ipv4Addr::from_bits(number.wrapping_mul(2_654_435_761)).into()),
        connection: Some(ConnectionId { shard: 1, number: u64::from(number) }),
        limit: Some((LimitKey::Prefix, 1_000)),
        ..Record::new(code)
    }
}

fn subject(reference: &Reference) -> Subject<'_> {
    Subject {
        origin: Some("https://chat.example"),
        object: Some("chat:send"),
        reference: Some(reference),
        conduct: Conduct::Violation,
        ..Subject::default()
    }
}

#[test]
#[ignore = "prints figures for people"]
fn timing_of_notes_and_of_the_engine() {
    let options = AlertOptions::new(Arc::new(StillClock));
    let reference = Reference::parse("k3v9x0abcdef").unwrap();
    let codes = [
        Code::ExcessRateLimitExceeded,
        Code::WsProtocolViolation,
        Code::MaliciousCsrf,
        // Each note of a new key reaches the threshold.
        Code::AuthnTokenReuse,
    ];
    for code in codes {
        let queues = NoteQueues::new(Interest::new(&options.rules));
        let mut engine = Engine::new(&options, Now::default(), 7);
        let mut pending = queues.spare();
        let (mut noting, mut evaluating) = (0, 0);
        for round in 0..ROUNDS {
            let now = Now { monotonic_ms: u64::from(round) * 20, unix_ms: 0 };
            let records: Vec<_> =
                (0..NOTES).map(|number| record(round * NOTES + number, code)).collect();
            let start = Moment::now();
            for record in &records {
                let group = RecordGroup::of(record);
                queues.push(record, &subject(&reference), group, now);
            }
            noting += Moment::now().since(start).as_nanos();
            for queue in 0..QUEUES {
                queues.exchange(queue, &mut pending);
                let start = Moment::now();
                engine.take(&pending, now);
                evaluating += Moment::now().since(start).as_nanos();
                pending.clear();
            }
            engine.turn(now, None);
        }
        let notes = u128::from(NOTES * ROUNDS);
        let (note, evaluated) = (noting / notes, evaluating / notes);
        println!("{}: {note} ns a note, {evaluated} ns in the engine", code.name());
    }
}

#[test]
#[ignore = "prints figures for people"]
fn timing_of_a_sampled_record_with_and_without_alerts() {
    let folder = tempfile::tempdir().unwrap();
    let reference = Reference::parse("k3v9x0abcdef").unwrap();
    for with_alerts in [false, true, false, true] {
        let options = AuditOptions {
            file: Some(folder.path().join("security.log")),
            alert: with_alerts.then(|| AlertOptions::new(Arc::new(StillClock))),
            ..AuditOptions::default()
        };
        let audit = Audit::open(options).unwrap();
        let mut elapsed = 0;
        for round in 0..ROUNDS {
            let records: Vec<_> = (0..NOTES)
                .map(|number| record((round * NOTES + number) % 64, Code::WsProtocolViolation))
                .collect();
            let start = Moment::now();
            for record in records {
                audit.record_with(record, &subject(&reference), Now::default(), |_| ());
            }
            elapsed += Moment::now().since(start).as_nanos();
        }
        let each = elapsed / u128::from(NOTES * ROUNDS);
        println!("a sampled record, alerts {with_alerts}: {each} ns");
    }
}
