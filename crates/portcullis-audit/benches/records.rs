//! The cost of a record: for the thread that records, and for the process with writer and engine.
//! Never: part of the tests; `cargo bench -p portcullis-audit` runs it and prints figures.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use portcullis_audit::{AlertOptions, Audit, AuditOptions, ChainOptions, Outcome, Record, Subject};
use portcullis_model::{Clock, Code, ConnectionId, LimitKey, Moment, Now, Reference, UserId};
use rustix::time::{ClockId, clock_gettime};

/// Records between two pauses: fewer than the queues of notes and records hold.
const BURST: u32 = 2_000;
const BURSTS: u32 = 200;
/// Measurements of each setting, alternating.
const ROUNDS: usize = 5;

struct StoppedClock;

impl Clock for StoppedClock {
    fn now(&self) -> Now {
        Now::default()
    }
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let rejected: [_; 2] = [false, true].map(|alerts| Setting { alerts, chain: true });
    compare("a sampled record", rejected, measure_sampled)?;
    let written: [_; 2] = [false, true].map(|chain| Setting { alerts: false, chain });
    compare("a written record", written, measure_written)?;
    Ok(())
}

#[derive(Debug, Clone, Copy)]
struct Setting {
    alerts: bool,
    chain: bool,
}

/// Nanoseconds of one record: elapsed in the recording thread, processor time of all threads.
#[derive(Clone, Copy)]
struct Cost {
    caller: u128,
    process: u128,
}

/// Prints the medians of two settings that are measured in turn.
fn compare(title: &str, settings: [Setting; 2], measure: fn(&Audit) -> Result<Cost>) -> Result<()> {
    let mut costs = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (setting, costs) in settings.iter().zip(&mut costs) {
            let folder = tempfile::tempdir()?;
            let audit = Audit::open(options(*setting, folder.path()))?;
            costs.push(measure(&audit)?);
        }
    }
    for (Setting { alerts, chain }, costs) in settings.iter().zip(&costs) {
        let caller = median(costs.iter().map(|cost| cost.caller));
        let process = median(costs.iter().map(|cost| cost.process));
        println!(
            "{title}, alerts {alerts}, chain {chain}: {caller} ns elapsed in the recording thread, \
             {process} ns of processor time in all threads"
        );
    }
    Ok(())
}

fn options(setting: Setting, folder: &std::path::Path) -> AuditOptions {
    let chain = ChainOptions { folder: folder.to_path_buf(), host: String::from("localhost") };
    AuditOptions {
        file: Some(folder.join("security.log")),
        sequence_file: Some(folder.join("security.sequence")),
        alert: setting.alerts.then(|| AlertOptions::new(Arc::new(StoppedClock))),
        chain: setting.chain.then_some(chain),
        ..AuditOptions::default()
    }
}

/// Rejections of 64 networks: nearly all are only counted.
fn measure_sampled(audit: &Audit) -> Result<Cost> {
    let reference = Reference::parse("k3v9x0abcdef").map_err(|_| "a reference")?;
    let subject = Subject {
        origin: Some("https://chat.example"),
        object: Some("chat:send"),
        reference: Some(&reference),
        ..Subject::default()
    };
    Ok(measure(audit, |audit, records| {
        for record in records {
            audit.record_with(record, &subject, Now::default(), |_| ());
        }
    }))
}

/// Operations of an administrator: each is written.
fn measure_written(audit: &Audit) -> Result<Cost> {
    let user = UserId::parse("u_bench").map_err(|_| "a user id")?;
    Ok(measure(audit, |audit, records| {
        let before = audit.counts().written;
        let count = records.len() as u64;
        for chunk in chunks(records) {
            for record in chunk {
                let (code, outcome) = (Code::AuthzAdmin, Outcome::Success);
                let user = Some(user.clone());
                audit.record(Record { code, outcome, user, ..record }, Now::default());
            }
            while audit.counts().waiting.0 > 0 {
                // Asleep, so that the processor time is that of the log.
                std::thread::sleep(Duration::from_micros(200));
            }
        }
        let counts = audit.counts();
        assert_eq!(counts.lost, 0, "each record is written");
        assert!(counts.written >= before + count, "each record is written");
    }))
}

/// Parts that the queue of operations holds.
fn chunks(records: Vec<Record>) -> Vec<Vec<Record>> {
    let mut chunks = Vec::new();
    let mut records = records.into_iter().peekable();
    while records.peek().is_some() {
        chunks.push(records.by_ref().take(200).collect());
    }
    chunks
}

fn measure(audit: &Audit, push: impl Fn(&Audit, Vec<Record>)) -> Cost {
    let (mut caller, mut process) = (0, Duration::ZERO);
    for burst in 0..BURSTS {
        let records: Vec<_> = (0..BURST).map(|number| rejection(burst * BURST + number)).collect();
        let (start, used) = (Moment::now(), processor_time());
        push(audit, records);
        caller += Moment::now().since(start).as_nanos();
        // Threads that work on the records of this burst end before the next one.
        std::thread::sleep(Duration::from_millis(2));
        process += processor_time().saturating_sub(used);
    }
    let records = u128::from(BURST * BURSTS);
    Cost { caller: caller / records, process: process.as_nanos() / records }
}

fn rejection(number: u32) -> Record {
    Record {
        outcome: Outcome::Failure,
        rule: "connect_per_prefix",
        reason: "connect_per_prefix",
        client: Some(Ipv4Addr::from_bits((number % 64).wrapping_mul(2_654_435_761)).into()),
        connection: Some(ConnectionId { shard: 1, number: u64::from(number) }),
        limit: Some((LimitKey::Prefix, 1_000)),
        ..Record::new(Code::WsProtocolViolation)
    }
}

fn processor_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).unwrap_or_default()
}

fn median(values: impl Iterator<Item = u128>) -> u128 {
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}
