//! The figures of one measurement, one a round.
//! Never: a mean; one disturbed round must not move the figure.

/// At least one figure, in the order of the rounds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample(pub(crate) Vec<f64>);

impl Sample {
    /// The middle figure; of an even number, the mean of the middle two.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        let half = sorted.len() / 2;
        if sorted.len() % 2 == 1 { at(half) } else { f64::midpoint(at(half.max(1) - 1), at(half)) }
    }

    pub(crate) fn min(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::min)
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().fold(f64::NAN, f64::max)
    }

    /// Round by round, how often the other fits into it.
    pub(crate) fn over(&self, other: &Self) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(own, other)| own / other).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_ratios_and_spread() {
        let cases = [
            (vec![3.0], (3.0, 3.0, 3.0)),
            (vec![3.0, 1.0], (2.0, 1.0, 3.0)),
            (vec![9.0, 1.0, 2.0], (2.0, 1.0, 9.0)),
        ];
        for (figures, expect) in cases {
            let sample = Sample(figures);
            assert_eq!((sample.median(), sample.min(), sample.max()), expect);
        }
        let ratio = Sample(vec![2.0, 9.0]).over(&Sample(vec![1.0, 3.0]));
        assert_eq!(ratio.0, [2.0, 3.0]);
        assert!(Sample::default().median().is_nan());
    }
}
