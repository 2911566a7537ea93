//! Experiments without an attacker: many users behind one address, as in an office.
//! Never: a limit that is not the default of production.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::Result;

use crate::siege::experiment::Size;
use crate::siege::figures::line::LineVerdict;
use crate::siege::server::target::Defence;
use crate::siege::shared::office;
use crate::siege::shared::restart;

/// Where all users are.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 50, 0, 1);
/// Users in one room.
pub(super) const MEMBERS: usize = 10;

/// One of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SharedAddress {
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    kind: Kind,
    /// Whether Socket.IO on Node is measured in the same way.
    pub(crate) compared: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Restart,
    Office,
}

/// All of them.
pub(crate) const ALL: [SharedAddress; 2] = [
    SharedAddress {
        name: "D-13",
        title: "Two hundred users behind one address come back after a restart",
        kind: Kind::Restart,
        compared: true,
    },
    SharedAddress {
        name: "D-14",
        title: "An office of five hundred logs in and works",
        kind: Kind::Office,
        compared: false,
    },
];

/// How often something happened, by its name.
pub(crate) type Counts = BTreeMap<String, u64>;

/// What one came to with one defence.
pub(crate) struct SharedOutcome {
    pub(crate) defence: Defence,
    /// In the order of [`SharedAddress::columns`].
    pub(crate) figures: Vec<String>,
    /// What the server rejected, by rule; empty for a server that does not say.
    pub(crate) rejections: Counts,
    /// Attempts that failed, by what their clients saw.
    pub(crate) failures: Counts,
    pub(crate) verdicts: Vec<LineVerdict>,
}

impl SharedAddress {
    pub(crate) async fn run(&self, defence: Defence, size: Size) -> Result<SharedOutcome> {
        match self.kind {
            Kind::Restart => restart::run(defence, size).await,
            Kind::Office => office::run(defence, size).await,
        }
    }

    /// What happens, in sentences.
    pub(crate) fn course(&self, size: Size) -> Vec<String> {
        match self.kind {
            Kind::Restart => restart::course(size),
            Kind::Office => office::course(size),
        }
    }

    /// The names of the figures.
    pub(crate) fn columns(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::Restart => restart::COLUMNS,
            Kind::Office => office::COLUMNS,
        }
    }

    /// How long a run takes at most, in seconds.
    #[cfg(test)]
    pub(crate) fn longest_s(&self) -> u64 {
        match self.kind {
            Kind::Restart => restart::LONGEST_S,
            Kind::Office => office::longest_s(Size::Full),
        }
    }
}

/// Counts one more.
pub(super) fn count(counts: &mut Counts, name: String) {
    *counts.entry(name).or_default() += 1;
}

/// Everything that was counted.
pub(super) fn total(counts: &Counts) -> u64 {
    counts.values().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_experiments_have_names_of_their_own() {
        assert_eq!(ALL.map(|it| it.name), ["D-13", "D-14"]);
        for experiment in &ALL {
            assert!(!experiment.course(Size::Full).is_empty(), "{}", experiment.name);
        }
    }
}
