//! The states of the load, and how long each lasts at least.
//! Never: a measurement.

/// The load of the server. Each state limits more than the states before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum LoadState {
    /// The configured limits.
    #[default]
    Normal,
    /// Unauthenticated clients get less.
    Elevated,
    /// New unauthenticated clients are rejected; returning clients are admitted at a lower rate.
    Shedding,
    /// Only vital events are processed.
    Critical,
}

impl LoadState {
    /// All states, the lowest load first.
    pub const ALL: [Self; 4] = [Self::Normal, Self::Elevated, Self::Shedding, Self::Critical];

    /// The name in records, metrics and the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Elevated => "elevated",
            Self::Shedding => "shedding",
            Self::Critical => "critical",
        }
    }

    /// The state of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    pub(crate) fn lower(self) -> Self {
        match self {
            Self::Normal | Self::Elevated => Self::Normal,
            Self::Shedding => Self::Elevated,
            Self::Critical => Self::Shedding,
        }
    }

    /// The time of lower load before this state is left, in milliseconds.
    pub(crate) fn leave_after_ms(self) -> u64 {
        match self {
            Self::Normal => 0,
            Self::Elevated => 30_000,
            Self::Shedding => 20_000,
            Self::Critical => 10_000,
        }
    }
}
