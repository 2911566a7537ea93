//! The signals that the load is computed from, and the values that enter each state.
//! Never: a measurement of its own.

/// A metric that the load is computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoadSignal {
    /// The wait of a ready task for the processor, in ms.
    Queue,
    /// The delay of timers, in ms.
    Lag,
    /// Memory in use, in percent of the limit.
    Memory,
    /// Connection slots in use, in percent.
    Places,
    /// Handshakes rejected per second.
    Refused,
    /// The state of the store: 0 available, 1 unconfirmed, 2 unavailable.
    Store,
    /// File descriptors in use, in percent.
    Files,
}

impl LoadSignal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Queue,
        Self::Lag,
        Self::Memory,
        Self::Places,
        Self::Refused,
        Self::Store,
        Self::Files,
    ];

    /// The name in records and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Lag => "lag",
            Self::Memory => "memory",
            Self::Places => "places",
            Self::Refused => "refused",
            Self::Store => "store",
            Self::Files => "files",
        }
    }

    /// The quantity that the signal measures, in words for administrators.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Queue => "wait for the processor",
            Self::Lag => "delay of timers",
            Self::Memory => "memory in use",
            Self::Places => "connections in use",
            Self::Refused => "rejected handshakes",
            Self::Store => "database not available",
            Self::Files => "open files",
        }
    }

    /// The signal with a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.name() == name)
    }

    /// A value in words, for people.
    #[must_use]
    pub fn words(self, value: f64) -> String {
        match self {
            Self::Queue => format!("tasks wait {value:.0} ms for the processor"),
            Self::Lag => format!("timers are {value:.0} ms late"),
            Self::Memory => format!("memory is {value:.0} % of its limit"),
            Self::Places => format!("{value:.0} % of the connections are in use"),
            Self::Refused => format!("{value:.0} handshakes a second are rejected"),
            Self::Store => String::from("the database does not respond"),
            Self::Files => format!("{value:.0} % of the files that can be open are"),
        }
    }

    /// The values at which Elevated, Shedding and Critical are entered; none where a state is not
    /// entered for this signal.
    pub(crate) fn enters(self, usual_rejections: f64) -> [Option<f64>; 3] {
        match self {
            Self::Queue => [Some(10.0), Some(20.0), Some(100.0)],
            Self::Lag => [Some(20.0), Some(50.0), Some(250.0)],
            Self::Memory => [Some(70.0), Some(80.0), Some(90.0)],
            Self::Places => [Some(70.0), Some(85.0), Some(97.0)],
            Self::Refused => [Some((usual_rejections * 5.0).max(50.0)), None, None],
            Self::Store => [Some(1.0), Some(2.0), None],
            Self::Files => [None, None, Some(95.0)],
        }
    }

    /// A value in percent of the one at which the server sheds load, or is critical where shedding
    /// is not entered for this signal. None for a signal that cannot cause either.
    #[must_use]
    pub fn percent_of_shedding(self, value: f64) -> Option<f64> {
        let [_, shedding, critical] = self.enters(0.0);
        Some(value * 100.0 / shedding.or(critical)?)
    }

    /// Whether the signal is a waiting time.
    pub(crate) fn is_waiting(self) -> bool {
        matches!(self, Self::Queue | Self::Lag)
    }

    /// Whether an average over a second is compared, because single values vary.
    pub(crate) fn is_averaged(self) -> bool {
        matches!(self, Self::Queue | Self::Lag | Self::Refused)
    }

    /// Whether a value asks for the state that `from` enters.
    pub(crate) fn is_over(self, value: f64, from: f64) -> bool {
        // The store signal is a step: it counts when it is reached.
        if self == Self::Store { value >= from } else { value > from }
    }
}

/// One sample of all signals, taken every [`SAMPLE_INTERVAL_MS`].
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LoadSample {
    /// The value of each signal, in the order of [`LoadSignal::ALL`].
    pub values: [f64; LoadSignal::ALL.len()],
    /// Use of one core by the process since the last sample, in percent.
    pub busy: f64,
}

/// The interval of samples, in milliseconds.
pub const SAMPLE_INTERVAL_MS: u64 = 250;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_signal_has_a_name_and_words_of_its_own() {
        for signal in LoadSignal::ALL {
            assert_eq!(LoadSignal::named(signal.name()), Some(signal));
            let same = LoadSignal::ALL.into_iter().filter(|one| one.text() == signal.text());
            assert_eq!(same.count(), 1, "{}", signal.text());
        }
        assert_eq!(LoadSignal::named("loop_lag"), None);
    }
}
