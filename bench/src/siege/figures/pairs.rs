//! Figures of two settings that were measured in turn: medians, ranges, and how sure a ratio is.
//! Never: a difference that is stated without its interval.

use crate::siege::users::stock::Random;

/// Resamples of a bootstrap.
const RESAMPLES: usize = 10_000;
/// The part of the resamples outside of the interval, on each side, in permille: 95 % are inside.
const OUTSIDE_PERMILLE: usize = 25;
/// The same resamples each time: the same figures have the same interval.
const SEED: u64 = 0x5ee_d5ee_d5ee_d5ee;

/// The median of some figures, the least and the greatest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Range {
    /// `None` without figures.
    pub(crate) fn of(figures: &[f64]) -> Option<Self> {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (least, greatest) = (*sorted.first()?, *sorted.last()?);
        Some(Self { median: median(&sorted)?, least, greatest })
    }
}

/// The ratio of one setting to the other, pair by pair.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ratio {
    /// The median of the ratios of all pairs.
    pub(crate) median: f64,
    /// 95 % of the medians of resampled pairs lie from here on.
    pub(crate) from: f64,
    /// 95 % of the medians of resampled pairs lie up to here.
    pub(crate) to: f64,
    /// Pairs in which the first setting had the larger figure.
    pub(crate) larger: usize,
    /// Pairs in which both had the same figure.
    pub(crate) same: usize,
    pub(crate) pairs: usize,
}

impl Ratio {
    /// `None` without pairs, or with a figure that is not positive.
    pub(crate) fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        if pairs.iter().any(|(first, second)| !(*first > 0.0 && *second > 0.0)) {
            return None;
        }
        let mut ratios: Vec<_> = pairs.iter().map(|(first, second)| first / second).collect();
        ratios.sort_by(f64::total_cmp);
        let mut random = Random::new(SEED);
        let mut medians: Vec<_> =
            (0..RESAMPLES).filter_map(|_| resampled(&ratios, &mut random)).collect();
        medians.sort_by(f64::total_cmp);
        let outside = RESAMPLES * OUTSIDE_PERMILLE / 1_000;
        Some(Self {
            median: median(&ratios)?,
            from: *medians.get(outside)?,
            to: *medians.get(medians.len().checked_sub(outside + 1)?)?,
            larger: pairs.iter().filter(|(first, second)| first > second).count(),
            same: pairs.iter().filter(|(first, second)| first == second).count(),
            pairs: pairs.len(),
        })
    }

    /// The probability of a split of the pairs that is at least as uneven, if the settings do not
    /// differ: a sign test with two sides, without the pairs that are equal.
    pub(crate) fn sign_probability(&self) -> f64 {
        let counted = self.pairs - self.same;
        let fewer = self.larger.min(counted - self.larger);
        let mut choices = 1.0;
        let mut sum = 0.0;
        for taken in 0..=fewer {
            sum += choices;
            choices *= (counted - taken) as f64 / (taken + 1) as f64;
        }
        (2.0 * sum / 2.0_f64.powi(i32::try_from(counted).unwrap_or(i32::MAX))).min(1.0)
    }

    /// Whether the whole interval lies within so many percent of 1.
    pub(crate) fn is_within(&self, percent: f64) -> bool {
        self.from >= 1.0 - percent / 100.0 && self.to <= 1.0 + percent / 100.0
    }

    /// Whether the whole interval lies above 1 by more than so many percent.
    pub(crate) fn is_above(&self, percent: f64) -> bool {
        self.from > 1.0 + percent / 100.0
    }

    /// Whether the whole interval lies below 1 by more than so many percent.
    pub(crate) fn is_below(&self, percent: f64) -> bool {
        self.to < 1.0 - percent / 100.0
    }
}

/// The median of sorted figures; with an even number, the mean of the two in the middle.
fn median(sorted: &[f64]) -> Option<f64> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted.get(sorted.len().saturating_sub(1) / 2)?;
    Some(f64::midpoint(*lower, *upper))
}

/// The median of as many figures, each drawn from all of them.
fn resampled(figures: &[f64], random: &mut Random) -> Option<f64> {
    let count = figures.len();
    let drawn = (0..count).filter_map(|_| {
        let index = usize::try_from(random.below(count as u64)).ok()?;
        figures.get(index).copied()
    });
    let mut drawn: Vec<_> = drawn.collect();
    drawn.sort_by(f64::total_cmp);
    median(&drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn median_of_an_even_number_is_between_the_two_in_the_middle() {
        let of = |figures: &[f64]| Range::of(figures).map(|it| (it.least, it.median, it.greatest));
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[3.0]), Some((3.0, 3.0, 3.0)));
        assert_eq!(of(&[4.0, 1.0, 9.0]), Some((1.0, 4.0, 9.0)));
        assert_eq!(of(&[4.0, 1.0, 9.0, 2.0]), Some((1.0, 3.0, 9.0)));
    }

    #[test]
    fn equal_settings_are_within_and_slower_ones_above() {
        let pair = |index: u32, factor: f64| {
            let noise = 1.0 + f64::from(index % 5) / 1_000.0;
            (5.0 * noise * factor, 5.0)
        };
        let of = |factor: f64| {
            Ratio::of(&(0..20).map(|index| pair(index, factor)).collect::<Vec<_>>()).unwrap()
        };
        for (factor, expect) in [
            (1.0, [true, false, false]),
            (1.018, [false, false, false]),
            (1.05, [false, true, false]),
            (0.9, [false, false, true]),
        ] {
            let ratio = of(factor);
            let found = [ratio.is_within(2.0), ratio.is_above(2.0), ratio.is_below(2.0)];
            assert_eq!(found, expect, "{ratio:?}");
            assert!(ratio.from <= ratio.median && ratio.median <= ratio.to, "{ratio:?}");
        }
        assert_eq!(of(1.05), of(1.05), "the same resamples each time");
        assert_eq!(Ratio::of(&[]), None);
        assert_eq!(Ratio::of(&[(1.0, 0.0)]), None, "a figure that is missing");
    }

    #[test]
    fn sign_test_has_the_probabilities_of_a_coin() {
        let of = |larger: usize, same: usize, pairs: usize| {
            Ratio { median: 1.0, from: 1.0, to: 1.0, larger, same, pairs }.sign_probability()
        };
        // Values of the binomial distribution.
        for (larger, same, pairs, expect) in [
            (5, 0, 10, 1.0),
            (10, 0, 10, 0.001_953_125),
            (0, 0, 10, 0.001_953_125),
            (8, 0, 10, 0.109_375),
            (8, 2, 12, 0.109_375),
            (0, 4, 4, 1.0),
        ] {
            let found = of(larger, same, pairs);
            assert!((found - expect).abs() < 1e-9, "{larger} of {pairs}: {found}");
        }
    }
}
