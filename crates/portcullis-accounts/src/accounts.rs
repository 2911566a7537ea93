//! What the account routes share, and where they are installed.
//! Never: a route's own work.

use std::sync::Arc;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_audit::Audit;
use portcullis_model::{Clock, Denial, Secret};
use portcullis_seal::PrivateFileError;
use portcullis_server::{Builder, Method};
use portcullis_store::{Store, StoreError};

use crate::keys::{KeyError, SigningKeys};
use crate::password::{Password, PasswordHashing};
use crate::password_pool::PasswordPool;
use crate::setup::Setup;
use crate::{jwks, login, provision, register, setup};

/// Whether strangers may make accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Anyone, at the rate log-ins have.
    Open,
    /// Nobody; accounts come from the operator.
    Closed,
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
    /// Threads that hash passwords, 19 MiB each.
    pub hashing_threads: usize,
    /// The first administrator's link, from [`Setup::prepare`].
    pub setup: Setup,
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
            hashing_threads: PasswordPool::threads_default(),
            setup: Setup::default(),
            audit,
            clock,
        }
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
}

/// What the account routes share.
pub(crate) struct Accounts {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) keys: SigningKeys,
    pub(crate) options: AccountOptions,
    pub(crate) pool: PasswordPool,
    pub(crate) jwks: String,
    /// A hash no password has, verified for unknown names so that they take as long.
    pub(crate) decoy: Secret<String>,
}

impl Accounts {
    pub(crate) fn build(
        store: Arc<dyn Store>,
        keys: SigningKeys,
        options: AccountOptions,
        hashing: &PasswordHashing,
    ) -> Result<Self, AccountsError> {
        let unknown = Password::new(portcullis_server::random_id::<32>().map_err(refused)?);
        let decoy = hashing.hash(&unknown, &fresh_salt().map_err(refused)?).map_err(refused)?;
        let pool =
            PasswordPool::start(hashing, options.hashing_threads).map_err(AccountsError::Thread)?;
        let jwks = keys.jwks_json();
        Ok(Self { store, keys, options, pool, jwks, decoy })
    }
}

fn refused(denial: Denial) -> AccountsError {
    AccountsError::Refused(denial)
}

/// Salt for one hash, 128 random bits.
pub(crate) fn fresh_salt() -> Result<[u8; 16], Denial> {
    let mut salt = [0u8; 16];
    SystemRandom::new().fill(&mut salt).map_err(|_| Denial::Internal("randomness"))?;
    Ok(salt)
}

/// Adds the account routes and the hook that provisions foreign users.
///
/// # Errors
/// [`AccountsError`] when the hashing threads or the decoy hash cannot be made.
pub fn install(
    builder: &mut Builder,
    store: Arc<dyn Store>,
    keys: SigningKeys,
    options: AccountOptions,
) -> Result<(), AccountsError> {
    let hashing = PasswordHashing::standard().map_err(refused)?;
    let accounts = Arc::new(Accounts::build(store, keys, options, &hashing)?);

    let shared = Arc::clone(&accounts);
    builder.route(Method::Post, "/auth/register", move |request| {
        register::register(Arc::clone(&shared), request)
    });
    let shared = Arc::clone(&accounts);
    builder.route(Method::Post, "/auth/login", move |request| {
        login::login(Arc::clone(&shared), request)
    });
    let shared = Arc::clone(&accounts);
    builder.route(Method::Post, "/auth/setup", move |request| {
        setup::setup(Arc::clone(&shared), request)
    });
    let shared = Arc::clone(&accounts);
    builder.route(Method::Get, "/.well-known/jwks.json", move |_request| {
        jwks::jwks(Arc::clone(&shared))
    });
    builder.on_connect(move |verified| provision::provision(Arc::clone(&accounts), verified));
    Ok(())
}
