//! Options of the accounts.
//! Never: reads a file; the binary parses the configuration.

use std::sync::Arc;

use portcullis_audit::Audit;
use portcullis_guard::SecondFactorRule;
use portcullis_model::Clock;

use crate::passwords::policy::PasswordPolicy;
use crate::passwords::pool::PasswordPool;
use crate::users::setup_token::Setup;

/// Whether new users can create accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// All clients can, within the limits of logins.
    Open,
    /// People with an invitation of an administrator can.
    Invitation,
    /// New accounts come from the operator only.
    Closed,
}

/// The longest time for which a session can be idle, or last, in seconds: 90 days.
///
/// A refresh token is verified for this time, also under a secret that was replaced.
pub const SESSION_TIME_LONGEST_S: i64 = 90 * 24 * 60 * 60;

/// How long sessions last, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimes {
    /// A session ends after this time without a refresh; 7 days. At most
    /// [`SESSION_TIME_LONGEST_S`].
    pub idle_s: i64,
    /// A session ends after this time in any case; 30 days.
    pub absolute_s: i64,
    /// Time in which the same device can send a used refresh token again; 10.
    pub grace_s: i64,
    /// Most sessions of one user; a new one replaces the one that was not refreshed for longest.
    pub per_user_max: u32,
}

impl Default for SessionTimes {
    fn default() -> Self {
        let day_s = 24 * 60 * 60;
        Self { idle_s: 7 * day_s, absolute_s: 30 * day_s, grace_s: 10, per_user_max: 20 }
    }
}

/// Options of the accounts.
#[derive(Clone)]
pub struct AccountOptions {
    /// The issuer of access tokens (`iss`).
    pub issuer: String,
    /// The audience of access tokens (`aud`).
    pub audience: String,
    /// Whether new users can create accounts.
    pub registration: Registration,
    /// The rules for new passwords.
    pub passwords: Arc<PasswordPolicy>,
    /// Threads that hash passwords, 19 MiB each.
    pub hashing_threads: usize,
    /// The setup of the first administrator, from [`Setup::prepare`].
    pub setup: Setup,
    /// How long sessions last.
    pub times: SessionTimes,
    /// Which users need a second factor.
    pub second_factor: SecondFactorRule,
    /// Whether a login has to prove a key of the client (RFC 9449).
    pub proof_required: bool,
    /// The log for created users of other issuers; requests have their own.
    pub audit: Audit,
    /// The clock for created users of other issuers; requests have their own.
    pub clock: Arc<dyn Clock>,
}

impl AccountOptions {
    /// Open registration, the default issuer, and no setup of an administrator.
    #[must_use]
    pub fn new(audit: Audit, clock: Arc<dyn Clock>) -> Self {
        Self {
            issuer: String::from("https://portcullis"),
            audience: String::from("portcullis"),
            registration: Registration::Open,
            passwords: Arc::default(),
            hashing_threads: PasswordPool::threads_default(),
            setup: Setup::default(),
            times: SessionTimes::default(),
            second_factor: SecondFactorRule::None,
            proof_required: false,
            audit,
            clock,
        }
    }

    #[cfg(test)]
    pub(crate) fn for_tests() -> Self {
        Self::new(Audit::silent(), Arc::new(portcullis_model::SystemClock::start()))
    }
}
