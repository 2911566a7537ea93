//! The input of all checks: settings, the state of the server, earlier reports.
//! Never: a check.

use std::net::SocketAddr;

use portcullis_admin::{AuditMeasures, AuditReport, LiveFacts};
use portcullis_model::Now;

use crate::config::{Settings, Warning};

/// The addresses on which the server listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) public: SocketAddr,
    pub(crate) private: Option<SocketAddr>,
}

/// Whether the server runs, and what is known about it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ServerState<'a> {
    /// The checks run in the server.
    ///
    /// `needs_restart`: the keys whose new values are not in force before a restart.
    Own { facts: &'a LiveFacts, addresses: Addresses, needs_restart: &'a [String] },
    /// Another process is the server; it listens on the configured addresses. Why it made no
    /// report.
    Other { addresses: Addresses, why: &'a str },
    /// No server uses the data directory.
    Stopped,
    /// It cannot be found out whether a server runs, and why.
    Unknown { why: &'a str },
}

/// The input of all checks.
#[derive(Clone, Copy)]
pub(crate) struct Examination<'a> {
    pub(crate) settings: &'a Settings,
    /// Settings that are weaker than the default of the profile; or why the next start fails.
    pub(crate) weakened: Result<&'a [Warning], &'a str>,
    pub(crate) state: ServerState<'a>,
    /// Earlier reports, the newest first.
    pub(crate) reports: &'a [AuditReport],
    pub(crate) now: Now,
}

impl<'a> Examination<'a> {
    /// The addresses of a running server.
    pub(super) fn addresses(&self) -> Option<Addresses> {
        match self.state {
            ServerState::Own { addresses, .. } | ServerState::Other { addresses, .. } => {
                Some(addresses)
            }
            ServerState::Stopped | ServerState::Unknown { .. } => None,
        }
    }

    /// The reason why there is no server to connect to.
    pub(super) fn why_no_server(&self) -> String {
        match self.state {
            ServerState::Unknown { why } => {
                format!("it is not known whether the server runs: {why}")
            }
            ServerState::Own { .. } | ServerState::Other { .. } | ServerState::Stopped => {
                String::from("the server does not run")
            }
        }
    }

    /// The facts that only the server knows.
    pub(super) fn facts(&self) -> Option<&'a LiveFacts> {
        match self.state {
            ServerState::Own { facts, .. } => Some(facts),
            ServerState::Other { .. } | ServerState::Stopped | ServerState::Unknown { .. } => None,
        }
    }

    /// The reason why there are no such facts.
    pub(super) fn why_no_facts(&self) -> String {
        match self.state {
            ServerState::Own { .. } => String::new(),
            ServerState::Other { why, .. } => format!("the server made no report: {why}"),
            ServerState::Stopped | ServerState::Unknown { .. } => self.why_no_server(),
        }
    }

    /// The values of the newest report.
    pub(super) fn former(&self) -> Option<&'a AuditMeasures> {
        self.reports.first().map(|report| &report.measures)
    }
}
