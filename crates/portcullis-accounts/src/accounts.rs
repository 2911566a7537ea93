//! What the account routes share, and how they are set up.
//! Never: a route's own work.

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_audit::Audit;
use portcullis_guard::{SecondFactorRule, ShareUse};
use portcullis_model::{Clock, Denial, Now, RoleTable, Secret};
use portcullis_seal::PrivateFileError;
use portcullis_store::{AccountStore, StoreError};

use crate::factors::totp_begin::Enrollments;
use crate::keys::server_secret::ServerSecret;
use crate::keys::signing_keys::{KeyError, SigningKeys};
use crate::login::failure_counts::Failures;
use crate::passwords::password::{Password, PasswordHashing};
use crate::passwords::policy::PasswordPolicy;
use crate::passwords::pool::PasswordPool;
use crate::users::external_names::PendingNames;
use crate::users::setup::Setup;

/// Whether strangers may make accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anyone, at the rate log-ins have.
    Open,
    /// Whoever an administrator has invited.
    Invitation,
    /// Nobody; accounts come from the operator.
    Closed,
}

/// How long log-ins last, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionTimes {
    /// Without a refresh for so long a log-in ends; 7 days.
    pub idle_s: i64,
    /// After so long it ends whatever happens; 30 days.
    pub absolute_s: i64,
    /// For so long a refresh token that was just used may be shown again by the same device; 10.
    pub grace_s: i64,
    /// Log-ins one user may have at a time; the one not refreshed for longest makes room.
    pub per_user_max: u32,
}

impl Default for SessionTimes {
    fn default() -> Self {
        let day_s = 24 * 60 * 60;
        Self { idle_s: 7 * day_s, absolute_s: 30 * day_s, grace_s: 10, per_user_max: 20 }
    }
}

/// How accounts work.
#[derive(Clone)]
pub struct AccountOptions {
    /// Who our own tokens say vouches (`iss`).
    pub issuer: String,
    /// For whom our own tokens are (`aud`).
    pub audience: String,
    /// Whether strangers may make accounts.
    pub registration: Registration,
    /// Which new passwords are rejected.
    pub passwords: Arc<PasswordPolicy>,
    /// Threads that hash passwords, 19 MiB each.
    pub hashing_threads: usize,
    /// The first administrator's link, from [`Setup::prepare`].
    pub setup: Setup,
    /// How long log-ins last.
    pub times: SessionTimes,
    /// Who needs a second factor.
    pub second_factor: SecondFactorRule,
    /// Whether log-ins have to prove a key of the client (RFC 9449).
    pub proof_required: bool,
    /// Where provisioned users are recorded; requests carry their own.
    pub audit: Audit,
    /// What time users are provisioned at; requests carry their own.
    pub clock: Arc<dyn Clock>,
}

impl AccountOptions {
    /// Open registration, our default issuer, and no set-up link yet.
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

/// Why accounts cannot work; the server does not start.
#[derive(Debug, thiserror::Error)]
pub enum AccountsError {
    /// The signing key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A private file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// The store cannot be asked.
    #[error("cannot ask the store for accounts")]
    Store(#[from] StoreError),
    /// The hashing threads cannot be started.
    #[error("cannot start a thread that hashes passwords")]
    Thread(#[source] std::io::Error),
    /// Randomness or hashing fails.
    #[error("cannot prepare accounts")]
    Refused(#[source] Denial),
    /// An event's rule is not sound, or another product has the event already.
    #[error("an event of accounts cannot be declared")]
    Rule(#[from] portcullis_guard::GateError),
}

/// What the account routes share.
pub(crate) struct Accounts {
    pub(crate) store: Arc<dyn AccountStore>,
    pub(crate) keys: SigningKeys,
    pub(crate) secret: ServerSecret,
    pub(crate) options: AccountOptions,
    pub(crate) roles: RoleTable,
    pub(crate) pool: PasswordPool,
    pub(crate) hashing: PasswordHashing,
    pub(crate) failures: Failures,
    pub(crate) enrollments: Enrollments,
    pub(crate) pending_names: PendingNames,
    /// A hash no password has, verified for unknown names so that they take as long.
    pub(crate) decoy: Secret<String>,
}

/// What accounts are made of.
pub struct AccountParts {
    /// Where people are stored.
    pub store: Arc<dyn AccountStore>,
    /// What tokens are signed with.
    pub keys: SigningKeys,
    /// What refresh tokens and device cookies are made from.
    pub secret: ServerSecret,
    /// Names of all roles.
    pub roles: RoleTable,
}

impl Accounts {
    pub(crate) fn build(
        parts: AccountParts,
        options: AccountOptions,
        hashing: PasswordHashing,
    ) -> Result<Self, AccountsError> {
        let AccountParts { store, keys, secret, roles } = parts;
        let refused = AccountsError::Refused;
        let unknown = Password::new(portcullis_server::random_id::<32>().map_err(refused)?);
        let decoy = hashing.hash(&unknown, &fresh_salt().map_err(refused)?).map_err(refused)?;
        let pool = PasswordPool::start(&hashing, &options.passwords, options.hashing_threads)
            .map_err(AccountsError::Thread)?;
        Ok(Self {
            store,
            keys,
            secret,
            options,
            roles,
            pool,
            hashing,
            failures: Failures::default(),
            enrollments: Enrollments::default(),
            pending_names: PendingNames::default(),
            decoy,
        })
    }

    /// How full the tables are that the routes keep.
    pub(crate) fn tables(&self, now: Now) -> [ShareUse; 2] {
        [self.failures.usage(now), self.enrollments.usage(now)]
    }
}

/// Salt for one hash, 128 random bits.
pub(crate) fn fresh_salt() -> Result<[u8; 16], Denial> {
    let mut salt = [0u8; 16];
    SystemRandom::new().fill(&mut salt).map_err(|_| Denial::Internal("randomness"))?;
    Ok(salt)
}
