//! The times of attackers: a schedule that no answer changes, and that ends with the attack.
//! Never: as fast as possible; operations that the generator delays too long are not sent.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use crate::clients::client::Door;
use crate::clients::client::Visit;
use crate::clients::token::Signer;
use crate::siege::figures::tally::Tally;
use crate::siege::figures::timeline::Timeline;
use std::path::PathBuf;
use std::sync::Arc;

/// The longest wait of an attacker for one answer.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum of simultaneous operations of one flood.
const HANDS: u32 = 3_000;
/// Later operations are not sent, because they would add to operations that are due then.
const LATE_MS: u64 = 1_000;
/// The interval at which a flood checks the time.
const TICK_MS: u64 = 5;
/// A disconnected attacker connects again after this time.
pub(crate) const AGAIN_MS: u64 = 1_000;
/// The time in which some attackers send more than later.
pub(crate) const FIRST_MS: u64 = 2_000;
/// All attackers who hold a resource start within this time.
pub(crate) const COME_MS: u64 = 2_000;

/// The context of an attack.
#[derive(Clone)]
pub(crate) struct Siege {
    /// Attackers resume no TLS session: each handshake costs all that it can.
    pub(crate) door: Door,
    pub(crate) directory: PathBuf,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) from_ms: u64,
    pub(crate) end_ms: u64,
    pub(crate) busy_room: String,
    /// Returning clients with invalid tokens.
    pub(crate) intruders: Arc<[Visit]>,
    /// Signs the tokens of attackers who flood with CONNECT packets.
    pub(crate) signer: Signer,
    /// The index of the flood within the experiment.
    pub(crate) flood: usize,
}

impl Siege {
    /// Notes something of this flood.
    pub(crate) fn note(&self, at_ms: u64, note: impl FnOnce(&mut Tally)) {
        self.timeline.note(at_ms, |second| {
            if let Some(tally) = second.floods.get_mut(self.flood) {
                note(tally);
            }
        });
    }

    /// Counts an operation that succeeded.
    pub(crate) fn admitted(&self) {
        self.note(self.timeline.now_ms(), |tally| tally.admitted += 1);
    }

    fn is_over(&self) -> bool {
        self.timeline.now_ms() >= self.end_ms
    }

    /// Whether operations planned for that time can still be sent; counts them either way.
    pub(crate) fn sends(&self, planned_ms: u64, many: u32) -> bool {
        let late_ms = self.timeline.now_ms().saturating_sub(planned_ms);
        if late_ms > LATE_MS || self.is_over() {
            self.note(planned_ms, |tally| tally.held_back += many);
            return false;
        }
        self.note(planned_ms, |tally| {
            tally.sent += many;
            tally.late_ms = tally.late_ms.max(late_ms);
        });
        true
    }

    /// Starts this many a second, even if earlier ones have not ended.
    pub(crate) async fn every<F>(&self, a_second: u32, act: impl Fn(Self, u32) -> F)
    where
        F: Future<Output = Result<()>> + 'static,
    {
        let mut tasks = JoinSet::new();
        let busy = Rc::new(Cell::new(0));
        let (mut number, mut at_ms) = (0_u32, self.from_ms);
        while at_ms < self.end_ms {
            self.timeline.wait(at_ms).await;
            // Even a late schedule yields to the tasks that it started.
            tokio::task::yield_now().await;
            at_ms = (at_ms + TICK_MS).min(self.end_ms);
            let due = (at_ms - self.from_ms) * u64::from(a_second) / 1_000;
            while u64::from(number) < due {
                let planned_ms = self.from_ms + u64::from(number) * 1_000 / u64::from(a_second);
                number += 1;
                self.note(planned_ms, |tally| tally.due += 1);
                if busy.get() >= HANDS {
                    self.note(planned_ms, |tally| tally.held_back += 1);
                    continue;
                }
                busy.set(busy.get() + 1);
                let (attempt, busy) = (act(self.clone(), number), Rc::clone(&busy));
                let siege = self.clone();
                tasks.spawn_local(async move {
                    let ended = match siege.sends(planned_ms, 1) {
                        true => Some(timeout(TIMEOUT, attempt).await),
                        false => None,
                    };
                    if matches!(ended, Some(Ok(Ok(())))) {
                        siege.note(planned_ms, |tally| tally.admitted += 1);
                    }
                    busy.set(busy.get() - 1);
                });
            }
            while tasks.try_join_next().is_some() {}
        }
        self.timeline.wait(self.end_ms).await;
    }

    /// Keeps this many attackers connected until the end. A disconnected one connects again a
    /// second later. Returns the number that is still connected.
    pub(crate) async fn hold<F, A>(&self, many: u32, act: A) -> JoinSet<()>
    where
        F: Future<Output = Result<()>> + 'static,
        A: Fn(Self, u32) -> F + Copy + 'static,
    {
        let mut tasks = JoinSet::new();
        for number in 0..many {
            let siege = self.clone();
            tasks.spawn_local(async move {
                let mut at_ms = siege.from_ms + u64::from(number) * COME_MS / u64::from(many);
                while at_ms < siege.end_ms {
                    siege.timeline.wait(at_ms).await;
                    siege.note(at_ms, |tally| tally.due += 1);
                    if siege.sends(at_ms, 1) {
                        let _thrown_out = act(siege.clone(), number).await;
                        at_ms = siege.timeline.now_ms();
                    }
                    at_ms += AGAIN_MS;
                }
            });
        }
        self.timeline.wait(self.end_ms).await;
        tasks
    }
}
