//! The outcome of one run: its seconds, its totals, and the outcome of each flood.
//! Never: verdicts; `line.rs` evaluates outcomes.

use crate::siege::attack::floods::Flood;
use crate::siege::figures::tally::Tally;
use crate::siege::figures::timeline::Second;
use crate::siege::figures::totals::Totals;
use crate::siege::server::defence::Defence;

/// The result of one experiment with one defence.
pub(crate) struct Outcome {
    pub(crate) defence: Defence,
    pub(crate) seconds: Vec<Second>,
    /// The time of the honest load, and of the start and end of the attack.
    pub(crate) normal_s: u64,
    pub(crate) from_s: u64,
    pub(crate) until_s: u64,
    pub(crate) normal: Totals,
    pub(crate) attack: Totals,
    pub(crate) after: Totals,
    /// From `RECOVERY_S` after the attack on.
    pub(crate) recovered: Totals,
    /// The floods of the attack, and the outcome of each.
    pub(crate) floods: Vec<(Flood, Tally)>,
    /// The delay between the planned and the actual end of the attack, in milliseconds.
    pub(crate) over_ms: u64,
    /// Connections of honest users that were lost, in percent of the users.
    pub(crate) lost: f64,
}

impl Outcome {
    /// The seconds of a part of the run.
    pub(crate) fn part(&self, from_s: u64, until_s: u64) -> &[Second] {
        let end = self.seconds.len();
        let index = |at_s: u64| usize::try_from(at_s).unwrap_or(end).min(end);
        self.seconds.get(index(from_s)..index(until_s)).unwrap_or_default()
    }

    /// Memory just before the attack, in MiB: memory used for signing in is freed by then.
    pub(crate) fn before_mib(&self) -> Option<f64> {
        self.part(self.from_s.saturating_sub(1), self.from_s).last()?.resident_mib
    }

    /// The seconds before the attack that count.
    pub(crate) fn before(&self) -> &[Second] {
        self.part(self.normal_s, self.from_s)
    }

    /// The seconds of the attack.
    pub(crate) fn during(&self) -> &[Second] {
        self.part(self.from_s, self.until_s)
    }

    /// The seconds after it.
    pub(crate) fn later(&self) -> &[Second] {
        self.part(self.until_s, u64::MAX)
    }
}
