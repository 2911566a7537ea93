//! When attackers act: by a schedule that no answer changes, and never beyond the attack's end.
//! Never: as fast as possible; what comes too late by the generator's fault is not sent.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use crate::siege::attack::floods::Siege;
use crate::siege::attack::strikes::{Speaker, Speech};
use crate::siege::figures::totals::Tally;
use crate::siege::users::polling::Connection;

/// Longest an attacker waits for one thing.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
/// What the generator has on its hands at a time, at most, of one flood.
const HANDS: u32 = 3_000;
/// What is later than that would come on top of what is due then: it is held back.
const LATE_MS: u64 = 1_000;
/// How often a flood checks the time.
const TICK_MS: u64 = 5;
/// A disconnected attacker connects again after this time.
const AGAIN_MS: u64 = 1_000;
/// How long some attackers send more than later.
pub(crate) const FIRST_MS: u64 = 2_000;
/// All of those who hold something come within so long.
const COME_MS: u64 = 2_000;

impl Siege {
    /// Notes something of this flood.
    pub(crate) fn note(&self, at_ms: u64, note: impl FnOnce(&mut Tally)) {
        self.timeline.note(at_ms, |second| {
            if let Some(tally) = second.floods.get_mut(self.flood) {
                note(tally);
            }
        });
    }

    /// Something came through.
    pub(crate) fn admitted(&self) {
        self.note(self.timeline.now_ms(), |tally| tally.admitted += 1);
    }

    fn is_over(&self) -> bool {
        self.timeline.now_ms() >= self.end_ms
    }

    /// Whether what was planned for then can still be sent; notes what becomes of it.
    fn sends(&self, planned_ms: u64, many: u32) -> bool {
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

    /// Starts so many a second, whether the ones before are done or not.
    pub(crate) async fn every<F>(&self, a_second: u32, act: impl Fn(Self, u32) -> F)
    where
        F: Future<Output = Result<()>> + 'static,
    {
        let mut tasks = JoinSet::new();
        let busy = Rc::new(Cell::new(0));
        let (mut number, mut at_ms) = (0_u32, self.from_ms);
        while at_ms < self.end_ms {
            self.timeline.wait(at_ms).await;
            // Even one that is late lets those it started act.
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

    /// Has so many users send so many packets a second each.
    pub(crate) async fn talk(&self, users: u32, a_second: u32, speech: Speech) {
        let mut tasks = JoinSet::new();
        for number in 0..users {
            let (siege, speech) = (self.clone(), speech.clone());
            let enter_ms = self.from_ms + u64::from(number) * COME_MS / u64::from(users);
            // A blocked user cannot sign in again: every connection opens before the flood begins.
            let first_ms = match speech {
                Speech::Messages { .. } => enter_ms,
                Speech::Connects { .. } => self.from_ms + COME_MS,
            };
            let speaker = Speaker { siege, number, speech };
            tasks.spawn_local(speak(speaker, a_second, enter_ms, first_ms));
        }
        self.timeline.wait(self.end_ms).await;
    }
}

/// One user's schedule goes on while they are thrown out or come back: what falls due then is due,
/// and not sent.
async fn speak(speaker: Speaker, a_second: u32, enter_ms: u64, first_ms: u64) {
    let siege = &speaker.siege;
    let every_ms = speaker.speech.every_ms().max(1_000 / u64::from(a_second.max(1)));
    let many = u32::try_from(u64::from(a_second) * every_ms / 1_000).unwrap_or(u32::MAX);
    let (mut at_ms, mut here_ms) = (first_ms, first_ms);
    let mut here: Option<(Connection, Vec<String>)> = None;
    if enter_ms < first_ms {
        siege.timeline.wait(enter_ms).await;
        here = timeout(TIMEOUT, speaker.enter(many)).await.ok().and_then(Result::ok);
    }
    while at_ms < siege.end_ms {
        let received = match &mut here {
            Some((connection, _)) => speaker.receives_until(connection, at_ms).await,
            None => {
                siege.timeline.wait(at_ms).await;
                Ok(())
            }
        };
        if received.is_err() {
            here = None;
            here_ms = siege.timeline.now_ms() + AGAIN_MS;
        }
        if here.is_none() && siege.timeline.now_ms() >= here_ms {
            here = timeout(TIMEOUT, speaker.enter(many)).await.ok().and_then(Result::ok);
            here_ms = siege.timeline.now_ms();
            here_ms += if here.is_some() { 0 } else { AGAIN_MS };
        }
        let times = match at_ms < first_ms + FIRST_MS {
            true => speaker.speech.times_at_first(),
            false => 1,
        };
        siege.note(at_ms, |tally| tally.due += many * times);
        // What fell due while they were out is nobody's fault but the server's.
        if let Some((connection, burst)) = &mut here
            && at_ms + every_ms > here_ms
            && siege.sends(at_ms, many * times)
        {
            let packets = vec![burst.as_slice(); times as usize].concat();
            let sent = timeout(TIMEOUT, connection.send_many(&packets)).await;
            if !matches!(sent, Ok(Ok(()))) {
                here = None;
                here_ms = siege.timeline.now_ms() + AGAIN_MS;
            }
        }
        at_ms += every_ms;
    }
    // Answers to the last of it still count.
    if let Some((connection, _)) = &mut here {
        let _lost = speaker.receives_until(connection, siege.end_ms).await;
    }
}
