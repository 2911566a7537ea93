//! Operations in each second of a run, by their planned time.
//! Never: a latency from the moment of sending; a late sender must not look fast.

use std::sync::{Mutex, PoisonError};

use portcullis_model::Moment;

use crate::siege::figures::tally::Tally;
use crate::siege::server::disk::Growth;

/// An answer that takes longer is useless for the client.
pub(crate) const IN_TIME_MS: u64 = 250;
const IN_TIME_US: u64 = IN_TIME_MS * 1_000;
/// A client that connects later has given up.
pub(crate) const ARRIVED_MS: u64 = 2_000;
/// The time for which honest users wait for their last answers after the run.
pub(crate) const LAST_MS: u64 = 5_000;
/// Most floods of one experiment.
pub(crate) const FLOODS_MAX: usize = 6;

/// The kind of an arriving client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// With an admission token, from an address with a signed-in user.
    Returning,
    /// With an admission token, from an unknown address.
    Elsewhere,
    /// With a token alone, from an unknown address: unauthenticated until the CONNECT.
    Unauthenticated,
}

impl Arrival {
    pub(crate) const ALL: [Self; 3] = [Self::Returning, Self::Elsewhere, Self::Unauthenticated];
}

/// Users of one kind who connect during a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Coming {
    pub(crate) wanted: u32,
    /// Users who connected in time.
    pub(crate) came: u32,
}

/// One second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Second {
    /// Messages honest users were to send.
    pub(crate) due: u32,
    /// Messages acknowledged in time.
    pub(crate) good: u32,
    /// Messages that were rejected.
    pub(crate) refused: u32,
    /// The latencies of the other acknowledgements, in microseconds.
    pub(crate) latencies_us: Vec<u32>,
    /// The minimum wait for an answer to a message due in this second, in milliseconds.
    pub(crate) waited_ms: u32,
    /// Honest users who tried to connect, in the order of [`Arrival::ALL`].
    pub(crate) coming: [Coming; 3],
    /// Connections of honest users that were lost.
    pub(crate) lost: u32,
    /// The outcome of each flood, in the experiment's order.
    pub(crate) floods: [Tally; FLOODS_MAX],
    /// Processor time of the server, in percent of one; none where it was not read.
    pub(crate) processor: Option<f64>,
    /// Its resident memory, in MiB.
    pub(crate) resident_mib: Option<f64>,
    /// Its state: 0 normal to 3 critical; none where it has none or did not say.
    pub(crate) state: Option<u8>,
    /// The number of passwords in the queue for hashing.
    pub(crate) passwords: Option<u32>,
    /// Records that alert rules have evaluated since its start.
    pub(crate) evaluations: Option<u32>,
    /// The growth of its data directory; none where that was not read.
    pub(crate) growth: Option<Growth>,
    /// The largest delay that honest users caused themselves, in milliseconds.
    pub(crate) late_ms: u64,
}

/// A run.
pub(crate) struct Timeline {
    started: Moment,
    seconds: Mutex<Vec<Second>>,
}

impl Timeline {
    pub(crate) fn new(seconds: usize) -> Self {
        let seconds = Mutex::new(vec![Second::default(); seconds]);
        Self { started: Moment::now(), seconds }
    }

    /// Milliseconds since the run began.
    pub(crate) fn now_ms(&self) -> u64 {
        self.now_us() / 1_000
    }

    fn now_us(&self) -> u64 {
        u64::try_from(Moment::now().since(self.started).as_micros()).unwrap_or(u64::MAX)
    }

    /// Notes a value for the second of a moment; values after the run are dropped.
    pub(crate) fn note(&self, at_ms: u64, note: impl FnOnce(&mut Second)) {
        let index = usize::try_from(at_ms / 1_000).unwrap_or(usize::MAX);
        let mut seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(second) = seconds.get_mut(index) {
            note(second);
        }
    }

    /// An acknowledgement of a message planned for that time, with its effect.
    pub(crate) fn acknowledged(&self, due_ms: u64) {
        let took_us = self.now_us().saturating_sub(due_ms * 1_000);
        self.note(due_ms, |second| {
            second.latencies_us.push(u32::try_from(took_us).unwrap_or(u32::MAX));
            second.good += u32::from(took_us <= IN_TIME_US);
        });
    }

    /// Operations of a flood that succeeded so far.
    pub(crate) fn admitted(&self, flood: usize) -> u32 {
        let seconds = self.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        seconds.iter().filter_map(|second| second.floods.get(flood)).map(|it| it.admitted).sum()
    }

    /// Waits until then.
    pub(crate) async fn wait(&self, at_ms: u64) {
        let wait_ms = at_ms.saturating_sub(self.now_ms());
        if wait_ms > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(wait_ms)).await;
        }
    }

    /// Waits until then; notes how late the honest were by themselves.
    pub(crate) async fn until(&self, at_ms: u64) {
        self.wait(at_ms).await;
        let late_ms = self.now_ms().saturating_sub(at_ms);
        self.note(at_ms, |second| second.late_ms = second.late_ms.max(late_ms));
    }

    pub(crate) fn into_seconds(self) -> Vec<Second> {
        let mut seconds = self.seconds.into_inner().unwrap_or_else(PoisonError::into_inner);
        for (left, second) in seconds.iter_mut().rev().enumerate() {
            let waited_ms = left as u64 * 1_000 + LAST_MS;
            second.waited_ms = u32::try_from(waited_ms).unwrap_or(u32::MAX);
        }
        seconds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_operation_counts_for_its_planned_second() {
        let timeline = Timeline::new(2);
        timeline.note(0, |second| second.due += 2);
        timeline.acknowledged(0);
        timeline.note(5_000, |second| second.due += 1);
        let seconds = timeline.into_seconds();
        assert_eq!((seconds[0].due, seconds[0].good, seconds[0].latencies_us.len()), (2, 1, 1));
        assert_eq!(seconds[1].due, 0, "the run was over");
        assert_eq!((seconds[0].waited_ms, seconds[1].waited_ms), (6_000, 5_000));
    }
}
