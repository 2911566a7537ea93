//! Honest users who arrive while the server is under attack, and leave again.
//! Never: waits longer than a stock client; a client without a connection after two seconds gives
//! up.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use crate::clients::client::{Door, Visit};
use crate::siege::figures::timeline::{ARRIVED_MS, Arrival, Coming, Timeline};
use crate::siege::server::target::Target;
use crate::siege::users::polling::{Connection, Way};

/// Users who connect during the attack, each with an admission token or without one.
#[derive(Clone)]
pub(crate) struct Arrivals {
    pub(crate) people: Vec<Visit>,
    pub(crate) target: Rc<Target>,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) end_ms: u64,
}

impl Arrival {
    /// Between two of them, in milliseconds.
    fn every_ms(self) -> u64 {
        match self {
            Self::Returning => 200,
            Self::Elsewhere | Self::Unauthenticated => 500,
        }
    }

    /// The kind of the `number`th user.
    fn visit(self, person: &Visit, number: u64) -> Visit {
        let [.., high, low] = number.to_be_bytes();
        let fresh = |second| Some(Ipv4Addr::new(127, second, high, low));
        match self {
            Self::Returning => person.clone(),
            Self::Elsewhere => Visit { source: fresh(20), ..person.clone() },
            Self::Unauthenticated => Visit { source: fresh(30), admission: None, ..person.clone() },
        }
    }

    fn door(self, target: &Target) -> Door {
        match self {
            Self::Returning => target.door.clone(),
            Self::Elsewhere | Self::Unauthenticated => target.admission_limit(),
        }
    }
}

impl Arrivals {
    /// One client after another connects once more, and leaves again.
    pub(crate) async fn come(self, arrival: Arrival) {
        let mut tasks = JoinSet::new();
        let door = arrival.door(&self.target);
        let mut due_ms = 0;
        for (number, person) in (0..).zip(self.people.iter().cycle()) {
            // An arrival that is too late to be counted does not start.
            if due_ms + ARRIVED_MS >= self.end_ms {
                break;
            }
            self.timeline.until(due_ms).await;
            self.note(arrival, due_ms, |coming| coming.wanted += 1);
            let attempt = connect(door.clone(), arrival.visit(person, number), number);
            let arrivals = self.clone();
            tasks.spawn_local(async move {
                let came = timeout(Duration::from_millis(ARRIVED_MS), attempt).await;
                let took_ms = arrivals.timeline.now_ms().saturating_sub(due_ms);
                if took_ms <= ARRIVED_MS && came.is_ok_and(|came| came.is_ok()) {
                    arrivals.note(arrival, due_ms, |coming| coming.came += 1);
                }
            });
            due_ms += arrival.every_ms();
        }
        while tasks.join_next().await.is_some() {}
    }

    fn note(&self, arrival: Arrival, at_ms: u64, note: impl FnOnce(&mut Coming)) {
        self.timeline.note(at_ms, |second| {
            if let Some(coming) = second.coming.get_mut(arrival as usize) {
                note(coming);
            }
        });
    }
}

/// Tries until it is connected, as the stock client does: about a second after a rejection, plus or
/// minus half of that.
async fn connect(door: Door, visit: Visit, number: u64) -> Result<()> {
    let pause_ms = 500 + number.wrapping_mul(7_919) % 1_000;
    loop {
        match Connection::sign_in(&door, &visit, Way::Socket).await {
            Ok(_connection) => return Ok(()),
            Err(_) => tokio::time::sleep(Duration::from_millis(pause_ms)).await,
        }
    }
}
