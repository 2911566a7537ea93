//! Rates once a second, and the time line: 15 minutes by second, 24 hours by minute.
//! Never: a series for each key that clients can choose; at most 64 series.

use std::collections::{BTreeMap, VecDeque};

use portcullis_guard::CapacityCounts;
use portcullis_model::{Now, TimeCounts};
use portcullis_server::ServerStatus;

use crate::operation::state::attack::attack_blocks::AttackBlocks;
use crate::operation::state::attack::block_changes::BlockChanges;

/// Time between two samples.
pub(crate) const EVERY_MS: u64 = 1_000;
/// Seconds and minutes that are kept.
const SECONDS: usize = 15 * 60;
const MINUTES: usize = 24 * 60;
/// Limits and rules with a series of their own; the rejections of further ones are added up.
const NAMED_MAX: usize = 48;
/// Seconds of which the rejections are kept by limit or rule.
const RECENT_S: usize = 300;
/// Seconds over which the rates of the sentence are averaged.
const SMOOTHED_S: usize = 10;
/// Samples that the times of answers are computed from.
const ANSWER_SAMPLES: usize = 60;
/// An answer within this time is in time, in seconds.
const IN_TIME_S: f64 = 0.1;

/// The values of each series. Memory: 64 series of 2,340 numbers of 4 bytes, 0.6 MiB.
type Series = BTreeMap<String, VecDeque<f32>>;

/// The newest rates, and the time line.
#[derive(Default)]
pub(crate) struct Sampler {
    last: Option<(ServerStatus, Now)>,
    /// Rejections a second, by the name of the limit or rule.
    pub(crate) rejected_per_s: BTreeMap<&'static str, f64>,
    /// Messages received in the last second.
    pub(crate) messages_per_s: f64,
    answers: VecDeque<TimeCounts>,
    pub(crate) seconds: Timeline,
    pub(crate) minutes: Timeline,
    minute: Vec<BTreeMap<String, f32>>,
    named: Vec<&'static str>,
    /// Rejections of each second of the last five minutes, by limit or rule.
    recent: VecDeque<BTreeMap<&'static str, u64>>,
    pub(crate) attack: AttackTimes,
    pub(crate) blocks: BlockChanges,
    pub(crate) attack_blocks: AttackBlocks,
}

/// When the present or the last attack began and ended.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct AttackTimes {
    /// The rule, the beginning, and the last second with many rejections; in Unix milliseconds.
    pub(crate) last: Option<(&'static str, i64, i64)>,
}

/// Rejections a second from which there is an attack.
pub(crate) const ATTACK_PER_S: f64 = 5.0;
/// An attack is over after this time without many rejections.
pub(crate) const ATTACK_OVER_MS: i64 = 30_000;

/// The rule of clients in blocked networks.
const BLOCK: &str = "block";

impl AttackTimes {
    /// The beginning of the present attack, in Unix milliseconds.
    pub(crate) fn present(&self, unix_ms: i64) -> Option<i64> {
        let (_, began, last) = self.last?;
        (unix_ms - last <= ATTACK_OVER_MS).then_some(began)
    }

    fn add(&mut self, rates: &BTreeMap<&'static str, f64>, unix_ms: i64) {
        let strongest = rates.iter().max_by(|one, other| one.1.total_cmp(other.1));
        let Some((rule, _)) = strongest.filter(|_| rates.values().sum::<f64>() >= ATTACK_PER_S)
        else {
            return;
        };
        let continued = self.last.filter(|(_, _, at)| unix_ms - at <= ATTACK_OVER_MS);
        self.last = Some(match continued {
            // A block is the answer to an attack, and not its kind.
            Some((former, began, _)) if rule == &BLOCK => (former, began, unix_ms),
            Some((_, began, _)) => (rule, began, unix_ms),
            None => (rule, unix_ms, unix_ms),
        });
    }
}

/// Series of numbers at equal distances.
#[derive(Default)]
pub(crate) struct Timeline {
    pub(crate) series: Series,
    pub(crate) last_unix_ms: i64,
    length: usize,
}

impl Timeline {
    fn push(&mut self, points: &BTreeMap<String, f32>, points_max: usize, unix_ms: i64) {
        for name in points.keys() {
            let length = self.length;
            let new = || std::iter::repeat_n(0.0, length).collect();
            self.series.entry(name.clone()).or_insert_with(new);
        }
        for (name, values) in &mut self.series {
            values.push_back(points.get(name).copied().unwrap_or(0.0));
            if values.len() > points_max {
                values.pop_front();
            }
        }
        self.length = (self.length + 1).min(points_max);
        self.last_unix_ms = unix_ms;
    }

    /// The number of points.
    pub(crate) fn length(&self) -> usize {
        self.length
    }
}

impl Sampler {
    /// Adds a sample of the server.
    pub(crate) fn add(&mut self, status: &ServerStatus, capacity: CapacityCounts, now: Now) {
        let Some((last, at)) = self.last.replace((status.clone(), now)) else { return };
        let elapsed_ms = now.monotonic_ms.saturating_sub(at.monotonic_ms).max(1);
        let per_s = |count: u64| count as f64 * 1_000.0 / elapsed_ms as f64;
        let since = |name: &str, count: u64| {
            count.saturating_sub(last.rejected.get(name).copied().unwrap_or(0))
        };
        let rates = status.rejected.iter().map(|(name, count)| (*name, per_s(since(name, *count))));
        self.rejected_per_s = rates.filter(|(_, rate)| *rate > 0.0).collect();
        let counts = status.rejected.iter().map(|(name, count)| (*name, since(name, *count)));
        self.recent.push_back(counts.filter(|(_, count)| *count > 0).collect());
        if self.recent.len() > RECENT_S {
            self.recent.pop_front();
        }
        self.attack.add(&self.rejected_per_s, now.unix_ms);
        self.answers.push_back(status.handlers.clone());
        if self.answers.len() > ANSWER_SAMPLES {
            self.answers.pop_front();
        }
        self.messages_per_s = per_s(status.messages.saturating_sub(last.messages));
        let mut points = BTreeMap::from([
            (String::from("connections"), (capacity.authenticated + capacity.pre_auth) as f32),
            (String::from("messages"), self.messages_per_s as f32),
        ]);
        self.add_rejections(&mut points);
        for (signal, percent) in &status.signals {
            points.insert(format!("load.{signal}"), *percent as f32);
        }
        self.seconds.push(&points, SECONDS, now.unix_ms);
        self.minute.push(points);
        if self.minute.len() >= 60 {
            let minute = std::mem::take(&mut self.minute);
            self.minutes.push(&mean(&minute), MINUTES, now.unix_ms);
        }
    }

    fn add_rejections(&mut self, points: &mut BTreeMap<String, f32>) {
        let mut strongest: Vec<_> = self.rejected_per_s.iter().collect();
        strongest.sort_by(|one, other| other.1.total_cmp(one.1));
        for (name, _) in &strongest {
            if self.named.len() < NAMED_MAX && !self.named.contains(name) {
                self.named.push(name);
            }
        }
        let (mut total, mut other) = (0.0, 0.0);
        for (name, rate) in strongest {
            total += rate;
            if self.named.contains(name) {
                points.insert(format!("rejected.{name}"), *rate as f32);
            } else {
                other += rate;
            }
        }
        points.insert(String::from("rejected"), total as f32);
        if other > 0.0 {
            points.insert(String::from("rejected.other"), other as f32);
        }
    }

    /// Rejections a second of the last seconds, strongest limit or rule first. In the first seconds
    /// of an attack, it is the rate since its beginning.
    pub(crate) fn smoothed_rates(&self, unix_ms: i64) -> Vec<(&'static str, f64)> {
        let began = self.attack.last.map_or(0, |(_, began, _)| began);
        // The second in which it began counts as a whole.
        let elapsed_s = 1 + unix_ms.saturating_sub(began).max(0) / 1_000;
        let seconds = usize::try_from(elapsed_s).unwrap_or(SMOOTHED_S).min(SMOOTHED_S);
        let sums = self.rejected_in(seconds).into_iter();
        let mut rates: Vec<_> =
            sums.map(|(rule, sum, _)| (rule, sum as f64 / seconds as f64)).collect();
        rates.sort_by(|one, other| other.1.total_cmp(&one.1));
        rates
    }

    /// For each limit or rule its rejections in the last seconds, and the present rate.
    pub(crate) fn rejected_in(&self, seconds: usize) -> Vec<(&'static str, u64, f64)> {
        let mut sums: BTreeMap<&'static str, u64> = BTreeMap::new();
        for (name, count) in self.recent.iter().rev().take(seconds).flatten() {
            *sums.entry(*name).or_default() += count;
        }
        let rate = |name: &str| self.rejected_per_s.get(name).copied().unwrap_or(0.0);
        sums.into_iter().map(|(name, sum)| (name, sum, rate(name))).collect()
    }

    /// The share of answers of the last minute that were in time, in percent, and the time that 99
    /// of 100 of them took at most, in milliseconds. None without an answer.
    pub(crate) fn answers(&self) -> Option<(f64, f64)> {
        let (first, last) = (self.answers.front()?, self.answers.back()?);
        let classes = last.classes().into_iter().zip(first.classes());
        let classes: Vec<_> = classes
            .map(|((bound, after), (_, before))| (bound, after.saturating_sub(before)))
            .collect();
        let total: u64 = classes.iter().map(|(_, count)| count).sum();
        if total == 0 {
            return None;
        }
        let in_time: u64 =
            classes.iter().filter(|(bound, _)| *bound <= IN_TIME_S).map(|(_, count)| count).sum();
        let (mut counted, mut p99_ms) = (0, 0.0);
        for (bound, count) in &classes {
            // The last bound is infinite: the times are above the one before it.
            if bound.is_finite() {
                p99_ms = bound * 1_000.0;
            }
            counted += count;
            if counted * 100 >= total * 99 {
                break;
            }
        }
        Some((in_time as f64 * 100.0 / total as f64, p99_ms))
    }
}

/// The mean of each series.
fn mean(points: &[BTreeMap<String, f32>]) -> BTreeMap<String, f32> {
    let mut sums: BTreeMap<String, f32> = BTreeMap::new();
    for point in points {
        for (name, value) in point {
            *sums.entry(name.clone()).or_default() += value;
        }
    }
    sums.values_mut().for_each(|sum| *sum /= points.len() as f32);
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(rejected: &[(&'static str, u64)], messages: u64) -> ServerStatus {
        let rejected = rejected.iter().copied().collect();
        ServerStatus { rejected, messages, ..ServerStatus::default() }
    }

    fn at(second: i64) -> Now {
        Now { monotonic_ms: second as u64 * 1_000, unix_ms: second * 1_000 }
    }

    #[test]
    fn rates_are_differences_of_counts_over_time() {
        let mut sampler = Sampler::default();
        let capacity = CapacityCounts { pre_auth: 2, authenticated: 5 };
        sampler.add(&status(&[("a", 100)], 10), capacity, at(0));
        assert!(sampler.rejected_per_s.is_empty(), "the first sample has no rate");
        sampler.add(&status(&[("a", 100), ("b", 40)], 30), capacity, at(2));
        assert_eq!(sampler.rejected_per_s, BTreeMap::from([("b", 20.0)]));
        let last = |name: &str| sampler.seconds.series[name].back().copied();
        assert_eq!(last("connections"), Some(7.0));
        assert_eq!(last("messages"), Some(10.0));
        assert_eq!((last("rejected"), last("rejected.b")), (Some(20.0), Some(20.0)));
    }

    #[test]
    fn attack_keeps_its_rule_when_its_networks_are_blocked() {
        let mut attack = AttackTimes::default();
        attack.add(&BTreeMap::from([("token", 60.0)]), 1_000);
        attack.add(&BTreeMap::from([("block", 90.0), ("token", 10.0)]), 2_000);
        assert_eq!(attack.last, Some(("token", 1_000, 2_000)));
        attack.add(&BTreeMap::from([("block", 90.0)]), 3_000 + ATTACK_OVER_MS);
        assert_eq!(attack.last.map(|(rule, ..)| rule), Some("block"), "another attack");
    }

    #[test]
    fn rates_of_an_attack_are_smooth_and_full_from_its_beginning() {
        let mut sampler = Sampler::default();
        let mut total = 0;
        let mut add = |sampler: &mut Sampler, second: i64, more: u64| {
            total += more;
            sampler.add(&status(&[("a", total)], 0), CapacityCounts::default(), at(second));
            sampler.smoothed_rates(second * 1_000)
        };
        for second in 0..20 {
            add(&mut sampler, second, 0);
        }
        assert_eq!(add(&mut sampler, 20, 100), [("a", 100.0)]);
        assert_eq!(add(&mut sampler, 21, 0), [("a", 50.0)]);
        for second in 22..40 {
            add(&mut sampler, second, if second % 2 == 0 { 100 } else { 0 });
        }
        assert_eq!(add(&mut sampler, 40, 100), [("a", 50.0)]);
        assert_eq!(add(&mut sampler, 41, 0), [("a", 50.0)]);
    }

    #[test]
    fn time_line_keeps_a_bounded_number_of_points_and_series() {
        let names: Vec<&'static str> =
            (0..NAMED_MAX + 4).map(|number| &*format!("rule{number}").leak()).collect();
        let mut sampler = Sampler::default();
        for second in 0..4_000_i64 {
            let counts: Vec<_> = names.iter().map(|name| (*name, second as u64)).collect();
            sampler.add(&status(&counts, 0), CapacityCounts::default(), at(second));
        }
        let named = sampler.seconds.series.keys().filter(|name| name.starts_with("rejected."));
        assert_eq!(named.count(), NAMED_MAX + 1, "the others are added up");
        assert!(sampler.seconds.series.values().all(|values| values.len() == SECONDS));
        assert_eq!(sampler.minutes.length(), 66);
        assert_eq!(sampler.seconds.series["rejected.other"].back(), Some(&4.0));
        assert_eq!(sampler.minutes.series["rejected"].back(), Some(&52.0));
    }
}
