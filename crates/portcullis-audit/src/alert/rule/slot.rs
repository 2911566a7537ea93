//! The counts of one key: 13 parts of a window, and 32 fingerprints of different values.
//! Never: counts what is older than the window.

/// The window is cut into so many parts; one more holds what is about to leave it.
pub(crate) const PARTS: u64 = 12;
/// Different values that a slot can count.
pub(crate) const VALUES_MAX: usize = 32;

/// The time within a window, in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowTime {
    /// The number of the part since the start.
    pub(crate) part: u64,
    /// Milliseconds since the part began, and how many it has.
    elapsed_ms: u64,
    part_ms: u64,
}

impl WindowTime {
    pub(crate) fn of(at_ms: u64, window_s: u64) -> Self {
        let part_ms = (window_s.saturating_mul(1_000) / PARTS).max(1);
        Self { part: at_ms / part_ms, elapsed_ms: at_ms % part_ms, part_ms }
    }
}

/// The counts of one key. At most 192 bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slot {
    newest: u64,
    counts: [u32; 13],
    values: [u16; VALUES_MAX],
    value_parts: [u8; VALUES_MAX],
}

impl Default for Slot {
    fn default() -> Self {
        Self { newest: 0, counts: [0; 13], values: [0; VALUES_MAX], value_parts: [0; VALUES_MAX] }
    }
}

impl Slot {
    /// A slot for a new key; it starts at zero.
    pub(crate) fn new(time: WindowTime) -> Self {
        Self { newest: time.part, ..Self::default() }
    }

    /// Adds records of the key.
    pub(crate) fn add(&mut self, count: u64, time: WindowTime) {
        self.advance(time.part);
        if let Some(newest) = self.counts.first_mut() {
            *newest = newest.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// Adds a value, by its hash.
    pub(crate) fn add_value(&mut self, hash: u64, time: WindowTime) {
        self.advance(time.part);
        let value = u16::try_from(hash >> 48).unwrap_or(u16::MAX).max(1);
        let part = part_byte(self.newest);
        let place = self.values.iter().position(|one| *one == value);
        let place = place.or_else(|| self.values.iter().position(|one| *one == 0));
        let Some(place) = place else { return };
        if let (Some(one), Some(seen)) =
            (self.values.get_mut(place), self.value_parts.get_mut(place))
        {
            (*one, *seen) = (value, part);
        }
    }

    /// Records within the window. The oldest part counts as far as it is still in the window.
    pub(crate) fn count(&self, time: WindowTime) -> u64 {
        let age = time.part.saturating_sub(self.newest);
        let mut sum = 0;
        for (index, count) in (0_u64..).zip(self.counts) {
            let count = u64::from(count);
            match age + index {
                within if within < PARTS => sum += count,
                PARTS => {
                    let left_ms = time.part_ms - 1 - time.elapsed_ms.min(time.part_ms - 1);
                    sum += count * left_ms / time.part_ms;
                }
                _ => {}
            }
        }
        sum
    }

    /// Different values within the window, at most 32.
    pub(crate) fn values(&self) -> u64 {
        self.values.iter().filter(|value| **value != 0).count() as u64
    }

    fn advance(&mut self, part: u64) {
        let steps = part.saturating_sub(self.newest);
        if steps == 0 {
            return;
        }
        self.newest = part;
        let shift = usize::try_from(steps).unwrap_or(usize::MAX).min(self.counts.len());
        let parts = self.counts.len();
        self.counts.rotate_right(shift % parts);
        self.counts.iter_mut().take(shift).for_each(|count| *count = 0);
        let newest = part_byte(part);
        for (value, seen) in self.values.iter_mut().zip(self.value_parts) {
            if steps > PARTS || u64::from(newest.wrapping_sub(seen)) > PARTS {
                *value = 0;
            }
        }
    }
}

fn part_byte(part: u64) -> u8 {
    u8::try_from(part & 0xff).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_S: u64 = 600;

    fn at(at_ms: u64) -> WindowTime {
        WindowTime::of(at_ms, WINDOW_S)
    }

    #[test]
    fn slot_is_at_most_192_bytes() {
        assert!(size_of::<Slot>() <= 192, "{}", size_of::<Slot>());
    }

    // T-382
    #[test]
    fn t382_records_older_than_the_window_do_not_count() {
        for start_ms in [0, 1, 49_999, 123_456] {
            let mut slot = Slot::new(at(start_ms));
            slot.add(9, at(start_ms));
            assert_eq!(slot.count(at(start_ms + 549_000)), 9, "{start_ms}");
            slot.add(1, at(start_ms + WINDOW_S * 1_000));
            assert!(slot.count(at(start_ms + WINDOW_S * 1_000)) < 10, "{start_ms}");
        }
    }

    #[test]
    fn slot_counts_a_window_and_then_nothing() {
        let mut slot = Slot::new(at(0));
        for minute in 0..60 {
            slot.add(1, at(minute * 60_000));
            let expect = (minute + 1).min(10);
            let count = slot.count(at(minute * 60_000));
            assert!(count == expect || count == expect + 1, "{minute}: {count}");
        }
        assert_eq!(slot.count(at(10_000_000)), 0);
        slot.add(1, at(10_000_000));
        assert_eq!(slot.count(at(10_000_000)), 1);
    }

    #[test]
    fn different_values_count_once_and_leave_with_the_window() {
        let mut slot = Slot::new(at(0));
        for value in 1..=40_u64 {
            slot.add_value(value << 48, at(value * 1_000));
            slot.add_value(value << 48, at(value * 1_000));
            assert_eq!(slot.values(), value.min(32));
        }
        slot.add_value(7 << 48, at(700_000));
        assert_eq!(slot.values(), 1);
    }
}
