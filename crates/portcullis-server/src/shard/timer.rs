//! A timer wheel: one entry for each connection, for all its timers.
//! Never: a deadline before its time; it fires within one slot after it.

/// The width of a slot, in milliseconds: how late a deadline may fire.
pub(crate) const SLOT_MS: u64 = 10;
/// Memory while empty: 96 KiB.
const SLOTS: usize = 4096;

/// The deadline of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WheelEntry {
    pub(crate) connection: u64,
    pub(crate) at_ms: u64,
}

/// Deadlines up to 40 seconds ahead; later ones fire earlier and are set again.
///
/// Memory: 16 bytes for each entry. A connection has one live entry and at most a few stale ones.
#[derive(Debug)]
pub(crate) struct Wheel {
    slots: Vec<Vec<WheelEntry>>,
    turned_to: u64,
}

impl Wheel {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self { slots: vec![Vec::new(); SLOTS], turned_to: now_ms / SLOT_MS }
    }

    /// Sets a deadline. Returns the earliest time at which it fires.
    pub(crate) fn arm(&mut self, connection: u64, at_ms: u64) -> u64 {
        let at_ms = self.fires_at(at_ms);
        if let Some(entries) = self.slots.get_mut(Self::index(at_ms / SLOT_MS)) {
            entries.push(WheelEntry { connection, at_ms });
        }
        at_ms
    }

    /// The time at which a deadline that is set now would fire.
    pub(crate) fn fires_at(&self, at_ms: u64) -> u64 {
        let horizon = self.turned_to + SLOTS as u64 - 1;
        at_ms.div_ceil(SLOT_MS).clamp(self.turned_to + 1, horizon) * SLOT_MS
    }

    /// The time of the first slot with an entry, if it is before `until_ms`.
    pub(crate) fn next_ms(&self, until_ms: u64) -> Option<u64> {
        let last = (until_ms / SLOT_MS).min(self.turned_to + SLOTS as u64 - 1);
        let has_entry = |slot: &u64| {
            self.slots.get(Self::index(*slot)).is_some_and(|entries| !entries.is_empty())
        };
        (self.turned_to + 1..=last).find(has_entry).map(|slot| slot * SLOT_MS)
    }

    /// Turns to `now_ms` and moves all entries that are due to `due`.
    pub(crate) fn turn(&mut self, now_ms: u64, due: &mut Vec<WheelEntry>) {
        let target = now_ms / SLOT_MS;
        let steps = (target.saturating_sub(self.turned_to)).min(SLOTS as u64);
        for step in 1..=steps {
            if let Some(entries) = self.slots.get_mut(Self::index(self.turned_to + step)) {
                due.append(entries);
            }
        }
        self.turned_to = self.turned_to.max(target);
    }

    fn index(slot: u64) -> usize {
        usize::try_from(slot % SLOTS as u64).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fired(wheel: &mut Wheel, now_ms: u64) -> Vec<u64> {
        let mut due = Vec::new();
        wheel.turn(now_ms, &mut due);
        due.into_iter().map(|entry| entry.connection).collect()
    }

    #[test]
    fn deadline_fires_once_and_never_early() {
        let mut wheel = Wheel::new(0);
        wheel.arm(1, 121);
        wheel.arm(2, 1_000);
        assert_eq!(fired(&mut wheel, 129), Vec::<u64>::new());
        assert_eq!(fired(&mut wheel, 130), vec![1]);
        assert_eq!(fired(&mut wheel, 130), Vec::<u64>::new());
        assert_eq!(fired(&mut wheel, 60_000), vec![2]);
    }

    #[test]
    fn deadline_beyond_the_horizon_fires_early() {
        let mut wheel = Wheel::new(0);
        let at_ms = wheel.arm(1, 1_000_000);
        assert!(at_ms < 41_000);
        assert_eq!(fired(&mut wheel, at_ms), vec![1]);
    }

    #[test]
    fn deadline_fires_at_the_predicted_time() {
        let mut wheel = Wheel::new(10_000);
        for at_ms in [5, 10_001, 10_009, 10_010, 10_120, 1_000_000] {
            let fires_ms = wheel.fires_at(at_ms);
            assert_eq!(wheel.arm(1, at_ms), fires_ms);
            // Set again, it fires no earlier, so that a connection keeps one entry.
            assert_eq!(wheel.fires_at(fires_ms), fires_ms);
        }
    }

    #[test]
    fn deadline_in_the_past_fires_at_the_next_turn() {
        let mut wheel = Wheel::new(10_000);
        wheel.arm(1, 5);
        assert_eq!(fired(&mut wheel, 10_009), Vec::<u64>::new());
        assert_eq!(fired(&mut wheel, 10_010), vec![1]);
    }

    #[test]
    fn deadline_fires_within_one_slot_of_the_next_time() {
        let mut wheel = Wheel::new(0);
        let deadlines = [3, 25_000, 25_001, 25_009, 31_337, 39_999];
        for (at_ms, number) in deadlines.iter().zip(0..) {
            wheel.arm(number, *at_ms);
        }
        let mut met = Vec::new();
        while let Some(next_ms) = wheel.next_ms(u64::MAX) {
            met.extend(fired(&mut wheel, next_ms).into_iter().map(|number| (number, next_ms)));
        }
        assert_eq!(met.len(), deadlines.len());
        for (number, at_ms) in met {
            let late_ms = at_ms - deadlines[usize::try_from(number).unwrap()];
            assert!(late_ms < SLOT_MS, "{number} fires {late_ms} ms late");
        }
        assert_eq!(wheel.next_ms(u64::MAX), None);
    }
}
