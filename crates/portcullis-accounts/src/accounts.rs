//! The state that all account routes share.
//! Never: the work of one route.

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_guard::ShareUse;
use portcullis_model::{Denial, Now, RoleTable, Secret};
use portcullis_store::AccountStore;

use crate::error::AccountsError;
use crate::factors::pending_enrollments::PendingEnrollments;
use crate::keys::server_secret::ServerSecret;
use crate::keys::signing_keys::SigningKeys;
use crate::login::failure_counts::FailureCounts;
use crate::login::login_counts::LoginCounts;
use crate::options::AccountOptions;
use crate::passwords::hashing::PasswordHashing;
use crate::passwords::password::Password;
use crate::passwords::pool::PasswordPool;
use crate::users::pending_names::PendingNames;

/// The state that all account routes share.
pub(crate) struct Accounts {
    pub(crate) store: Arc<dyn AccountStore>,
    pub(crate) keys: SigningKeys,
    pub(crate) secret: ServerSecret,
    pub(crate) options: AccountOptions,
    pub(crate) roles: RoleTable,
    pub(crate) pool: PasswordPool,
    pub(crate) hashing: PasswordHashing,
    pub(crate) failures: FailureCounts,
    pub(crate) logins: LoginCounts,
    pub(crate) enrollments: PendingEnrollments,
    pub(crate) pending_names: PendingNames,
    /// A hash without a password, verified for unknown names so that they take the same time.
    pub(crate) decoy: Secret<String>,
}

/// The parts from which the accounts are built.
pub struct AccountParts {
    /// The store of users.
    pub store: Arc<dyn AccountStore>,
    /// The keys that sign access tokens.
    pub keys: SigningKeys,
    /// The secrets that sign refresh tokens and device cookies.
    pub secret: ServerSecret,
    /// The names of all roles.
    pub roles: RoleTable,
}

impl Accounts {
    pub(crate) fn build(
        parts: AccountParts,
        options: AccountOptions,
        hashing: PasswordHashing,
    ) -> Result<Self, AccountsError> {
        let AccountParts { store, keys, secret, roles } = parts;
        let denied = AccountsError::Denied;
        let unknown = Password::new(portcullis_server::random_id::<32>().map_err(denied)?);
        let decoy = hashing.hash(&unknown, &new_salt().map_err(denied)?).map_err(denied)?;
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
            failures: FailureCounts::default(),
            logins: LoginCounts::default(),
            enrollments: PendingEnrollments::default(),
            pending_names: PendingNames::default(),
            decoy,
        })
    }

    /// The use of the tables that the routes keep.
    pub(crate) fn tables(&self, now: Now) -> [ShareUse; 2] {
        [self.failures.usage(now), self.enrollments.usage(now)]
    }
}

/// Salt for one hash, 128 random bits.
pub(crate) fn new_salt() -> Result<[u8; 16], Denial> {
    let mut salt = [0u8; 16];
    SystemRandom::new().fill(&mut salt).map_err(|_| Denial::Internal("randomness"))?;
    Ok(salt)
}
