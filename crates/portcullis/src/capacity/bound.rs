//! One bound of what a machine carries, and the smallest of several.
//! Never: a bound without its reason.

use serde::Serialize;

/// A bound: a number, what sets it, and how it was computed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Bound {
    /// The cause of the bound.
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    /// The computation, in words.
    pub(crate) why: String,
}

/// The amount of one kind that a machine carries, with all its bounds; the first is the smallest.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Ceiling {
    pub(crate) value: f64,
    pub(crate) bounds: Vec<Bound>,
}

impl Bound {
    pub(crate) fn new(name: &'static str, value: f64, why: impl Into<String>) -> Self {
        Self { name, value: value.max(0.0), why: why.into() }
    }
}

impl Ceiling {
    /// Sorts the bounds; the smallest is what the machine carries.
    pub(crate) fn of(mut bounds: Vec<Bound>) -> Self {
        bounds.sort_by(|one, other| one.value.total_cmp(&other.value));
        Self { value: bounds.first().map_or(0.0, |bound| bound.value), bounds }
    }

    /// The bound that is reached first.
    pub(crate) fn first(&self) -> Option<&Bound> {
        self.bounds.first()
    }
}

/// Three digits that matter, with separators: `12345` is `12,300`.
pub(crate) fn about(value: f64) -> String {
    if !value.is_finite() {
        return String::from("any number of");
    }
    if value < 100.0 {
        let text = if value < 10.0 { format!("{value:.2}") } else { format!("{value:.1}") };
        let text = if text.contains('.') { text.trim_end_matches('0') } else { &text };
        return String::from(text.trim_end_matches('.'));
    }
    let step = 10_f64.powf(value.log10().floor() - 2.0);
    grouped(((value / step).round() * step) as u64)
}

/// `10000` is `10,000`.
pub(crate) fn grouped(value: u64) -> String {
    match value / 1_000 {
        0 => value.to_string(),
        more => format!("{},{:03}", grouped(more), value % 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smallest_bound_is_the_first() {
        let bounds = [("a", 3.0), ("b", 1.0), ("c", 2.0)];
        let carried = Ceiling::of(bounds.map(|(name, value)| Bound::new(name, value, "")).into());
        assert_eq!(carried.value, 1.0);
        assert_eq!(carried.first().map(|bound| bound.name), Some("b"));
        assert_eq!(Ceiling::of(Vec::new()).value, 0.0, "nothing is known");
        assert_eq!(Bound::new("d", -1.0, "").value, 0.0);
    }

    #[test]
    fn numbers_have_three_digits_that_matter() {
        for (value, expect) in [
            (0.0, "0"),
            (0.526, "0.53"),
            (2.0, "2"),
            (10.04, "10"),
            (10.26, "10.3"),
            (99.96, "100"),
            (100.4, "100"),
            (999.6, "1,000"),
            (12_345.0, "12,300"),
            (1_048_576.0, "1,050,000"),
            (f64::INFINITY, "any number of"),
        ] {
            assert_eq!(about(value), expect, "{value}");
        }
    }
}
