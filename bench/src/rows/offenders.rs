//! The cost of a rejection in the tables of offenders, in this process and without a network.
//! Never: a server; `refused.rs` measures whole rejections.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, Result};
use portcullis_model::{Now, UserId};
use portcullis_server::{PartyRejection, RejectedParties};
use rustix::time::{ClockId, clock_gettime};

use crate::rows::effort::Effort;

/// Rejections between two readings of the processor time.
const BATCH: u32 = 10_000;
/// Networks, users and origins of a flood: many times the entries of a table.
const MANY: u32 = 4_096;
/// Networks and users that are rejected again and again: half of a table.
const FEW: u32 = 32;

/// The clients whose rejections are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offenders {
    /// Users of a few networks, whom the tables have already.
    Known,
    /// Each from another network and origin, so that each replaces one in full tables.
    Flood,
}

/// Whether the tables count, or only the loop around them runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    Tables,
    LoopOnly,
}

/// Processor time of one rejection, in nanoseconds.
pub(crate) fn each(effort: &Effort, offenders: Offenders, counting: Counting) -> Result<f64> {
    let parties = RejectedParties::default();
    let clients = clients(offenders)?;
    let (mut cpu_us, mut count) = (0.0, 0_u64);
    let mut next = clients.iter().cycle();
    while cpu_us < effort.cpu_us / 4.0 {
        let before = thread_us()?;
        for _ in 0..BATCH {
            let client = next.next().context("no clients")?;
            let rejection = PartyRejection {
                client: Some(client.address),
                user: (offenders == Offenders::Known).then_some(&client.user),
                origin: (offenders == Offenders::Flood).then_some(client.origin.as_str()),
                rule: "origin_rejected",
                wait_ms: 0,
            };
            // A hundred thousand rejections a second.
            let now = Now { monotonic_ms: count / 100, unix_ms: 0 };
            count += 1;
            match counting {
                Counting::Tables => parties.add(0, black_box(&rejection), black_box(now)),
                Counting::LoopOnly => {
                    let _kept = black_box((&rejection, now));
                }
            }
        }
        cpu_us += thread_us()? - before;
    }
    Ok(cpu_us * 1_000.0 / count as f64)
}

struct Client {
    address: IpAddr,
    user: UserId,
    origin: String,
}

fn clients(offenders: Offenders) -> Result<Vec<Client>> {
    let many = match offenders {
        Offenders::Known => FEW,
        Offenders::Flood => MANY,
    };
    let client = |number: u32| {
        Ok(Client {
            // Each in a network /24 of its own.
            address: Ipv4Addr::from_bits((10 << 24) | (number << 8) | 7).into(),
            user: UserId::parse(&format!("user{number}"))?,
            origin: format!("https://site{number}.example"),
        })
    };
    (0..many).map(client).collect()
}

/// Processor time of this thread so far, in microseconds.
fn thread_us() -> Result<f64> {
    let time = std::time::Duration::try_from(clock_gettime(ClockId::ThreadCPUTime))?;
    Ok(time.as_secs_f64() * 1e6)
}
