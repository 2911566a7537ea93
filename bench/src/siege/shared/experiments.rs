//! Experiments without an attacker: many users behind one address, as in an office.
//! Never: a limit that is not the default of production.

use anyhow::Result;

use crate::siege::experiment::Size;
use crate::siege::server::defence::Defence;
use crate::siege::shared::office;
use crate::siege::shared::outcome::SharedOutcome;
use crate::siege::shared::restart;

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
        title: "Two hundred users behind one address reconnect after a restart",
        kind: Kind::Restart,
        compared: true,
    },
    SharedAddress {
        name: "D-14",
        title: "Five hundred office users log in and work",
        kind: Kind::Office,
        compared: false,
    },
];

impl SharedAddress {
    pub(crate) async fn run(&self, defence: Defence, size: Size) -> Result<SharedOutcome> {
        match self.kind {
            Kind::Restart => restart::run(defence, size).await,
            Kind::Office => office::run(defence, size).await,
        }
    }

    /// The course of the experiment, in sentences.
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

    /// The longest duration of a run, in seconds.
    #[cfg(test)]
    pub(crate) fn longest_s(&self) -> u64 {
        match self.kind {
            Kind::Restart => restart::LONGEST_S,
            Kind::Office => office::longest_s(Size::Full),
        }
    }
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
