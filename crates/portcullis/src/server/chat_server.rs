//! Accounts, rooms and chat for an application's server, stored in a data directory.
//! Never: a decision about a request.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_accounts::{
    AccountFeed, AccountOptions, AccountParts, AccountsError, KeyError, Registration, ServerSecret,
    Setup, SigningKeys, correct_names,
};
use portcullis_audit::Audit;
use portcullis_chat::{ChatError, ChatOptions};
use portcullis_guard::{Directory, GateOptions, RoleRules, SecondFactorRule};
use portcullis_model::{Clock, Role, RoleTable, Secret};
use portcullis_seal::{Keyring, KeyringError, PrivateFileError, application_mark, private_file};
use portcullis_server::{Builder, Options};
use portcullis_store::{AccountStore, SqliteOptions, SqliteStore, Store, StoreError};

use crate::feed_dispatch::Feed;
use crate::sealing::{SealLog, Sealing};
use crate::server::field_keys::FieldKeys;

/// The database in the data directory.
const DATABASE: &str = "portcullis.db";

/// Settings of accounts and chat.
#[derive(Debug, Clone)]
pub struct ChatServerOptions {
    /// The directory of the database and all keys; created when it does not exist.
    pub data: PathBuf,
    /// How accounts are created.
    pub registration: Registration,
    /// The issuer in the server's own tokens.
    pub issuer: String,
    /// Which users need a second factor; a stricter rule of [`crate::ServerBuilder::guards`] wins.
    pub second_factor: SecondFactorRule,
    /// Limits of rooms.
    pub chat: ChatOptions,
}

impl ChatServerOptions {
    /// Open registration, administrators with a second factor, and the limits of the chat server.
    #[must_use]
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            registration: Registration::Open,
            issuer: String::from("https://portcullis"),
            second_factor: SecondFactorRule::Admins,
            chat: ChatOptions::default(),
        }
    }
}

/// Why accounts and chat cannot be opened or installed.
#[derive(thiserror::Error)]
pub enum ChatServerError {
    /// The store cannot be opened or read.
    #[error("cannot open the database in the data directory")]
    Store(#[from] StoreError),
    /// The keyring cannot be used.
    #[error(transparent)]
    Ring(#[from] KeyringError),
    /// The keys that sign tokens cannot be used.
    #[error("cannot use the keys that sign tokens")]
    Keys(#[from] KeyError),
    /// A secret file cannot be used.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// Accounts cannot be installed.
    #[error("cannot install accounts")]
    Accounts(#[from] AccountsError),
    /// Chat cannot be installed.
    #[error("cannot install chat")]
    Chat(#[from] ChatError),
    /// The data directory cannot be marked as the one of an application.
    #[error("cannot create field-keys.application in the data directory")]
    Mark(#[source] std::io::Error),
    /// The runtime does not start.
    #[error("cannot start a runtime")]
    Runtime(#[source] std::io::Error),
    /// A role cannot be stored.
    #[error("the role {0:?} cannot be defined: at most 24 roles can ever be defined")]
    Role(String),
}

portcullis_model::debug_as_sentence!(ChatServerError);

/// Parts that exist before the server.
pub(crate) struct ChatParts {
    options: ChatServerOptions,
    store: Arc<dyn Store>,
    feed: Feed,
    ring: Keyring,
    seal_log: SealLog,
    keys: SigningKeys,
    secret: ServerSecret,
    roles: RoleRules,
    setup: Setup,
    setup_token: Option<Secret<String>>,
}

impl ChatParts {
    /// Opens the data directory and loads users and rooms.
    pub(crate) fn open(
        options: ChatServerOptions,
        roles: &RoleRules,
        directory: &Arc<Directory>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, ChatServerError> {
        private_file::create_directory(&options.data)?;
        let need = options.second_factor;
        let accounts = AccountFeed::new(Arc::clone(directory), Arc::clone(clock), need);
        let feed = Feed::new(Arc::clone(directory), accounts);
        let now = clock.now();
        let ring = open_ring(&options, now.unix_ms)?;
        let seal_log = SealLog::new(Arc::clone(clock));
        let seal = Arc::new(Sealing::new(ring.clone(), seal_log.clone()));
        application_mark::set(&options.data).map_err(ChatServerError::Mark)?;
        let database = options.data.join(DATABASE);
        let to_feed = Box::new(feed.clone());
        let store = SqliteStore::open_sealed(&database, SqliteOptions::default(), to_feed, seal)?;
        let store: Arc<dyn Store> = Arc::new(store);
        let keys = SigningKeys::load_or_create(&options.data, now.unix_ms)?;
        let secret = ServerSecret::load_or_create(&options.data)?;
        let (setup, setup_token, roles) = block_on(async {
            feed.load(&store.load().await?);
            let (setup, token) = Setup::prepare(&*store, &options.data).await?;
            let roles = numbered(&*store, roles).await?;
            correct_names(&*store, directory, &roles.table, now).await?;
            Ok::<_, ChatServerError>((setup, token, roles))
        })??;
        Ok(Self { options, store, feed, ring, seal_log, keys, secret, roles, setup, setup_token })
    }

    /// Adds the server's own issuer, the stored roles and the stored reference keys to the options.
    pub(crate) fn extend(
        &self,
        gate: &mut GateOptions,
        server: &mut Options,
        audit: &Audit,
        clock: &Arc<dyn Clock>,
    ) {
        let account = self.account_options(audit, clock);
        gate.second_factor = self.options.second_factor;
        gate.issuers.extend(self.keys.issuers(&account, clock.now().unix_ms));
        gate.roles = self.roles.clone();
        gate.admission_key = self.secret.admissions(clock.now()).into_iter().next();
        server.reference_key.get_or_insert_with(|| self.secret.reference());
        server.former_reference_keys.extend(self.secret.former_references());
    }

    /// The keyring of the data directory, for fields of events.
    pub(crate) fn field_keys(&self) -> FieldKeys {
        FieldKeys::from(self.ring.clone())
    }

    /// Installs accounts and chat; returns the handle of the store, and the set-up token.
    pub(crate) fn install(
        self,
        builder: &mut Builder,
        audit: &Audit,
        clock: &Arc<dyn Clock>,
    ) -> Result<ChatHandle, ChatServerError> {
        let mut options = self.account_options(audit, clock);
        options.setup = self.setup;
        let accounts: Arc<dyn AccountStore> = self.store.clone();
        let roles = self.roles.table;
        let parts = AccountParts { store: accounts, keys: self.keys, secret: self.secret, roles };
        builder.namespace("/admin").map_err(ChatError::Rule)?.role(Role::Admin);
        portcullis_accounts::install(builder, parts, options)?;
        portcullis_chat::install(builder, Arc::clone(&self.store), self.options.chat)?;
        FieldKeys::from(self.ring).reload_on(builder, "store_keys");
        let queue = Arc::clone(&self.store);
        builder.queue("store", move || queue.waiting());
        self.seal_log.attach(audit.clone());
        self.feed.attach(builder.hub(), audit.clone());
        Ok(ChatHandle { store: self.store, setup_token: self.setup_token })
    }

    fn account_options(&self, audit: &Audit, clock: &Arc<dyn Clock>) -> AccountOptions {
        let mut options = AccountOptions::new(audit.clone(), Arc::clone(clock));
        options.issuer.clone_from(&self.options.issuer);
        options.registration = self.options.registration;
        options.second_factor = self.options.second_factor;
        options
    }
}

/// Store and set-up token of a server with accounts and chat.
pub(crate) struct ChatHandle {
    store: Arc<dyn Store>,
    pub(crate) setup_token: Option<Secret<String>>,
}

impl ChatHandle {
    /// Commits queued changes and ends the threads of the store.
    pub(crate) fn close(&self) {
        let closed = block_on(self.store.close());
        if let Ok(Err(error)) = closed {
            tracing::error!(?error, "cannot close the store");
        }
    }
}

/// Opens the keyring; creates it only together with the database.
fn open_ring(options: &ChatServerOptions, now_unix_ms: i64) -> Result<Keyring, KeyringError> {
    if options.data.join(DATABASE).exists() {
        Keyring::read(&options.data)
    } else {
        Keyring::load_or_create(&options.data, now_unix_ms)
    }
}

/// Gives the application's roles the numbers of the store.
async fn numbered(
    store: &dyn AccountStore,
    configured: &RoleRules,
) -> Result<RoleRules, ChatServerError> {
    let custom = configured.table.all().filter(|role| matches!(role, Role::Custom(_)));
    let names: Vec<String> = custom.map(|role| String::from(configured.table.name(role))).collect();
    let numbers = store.assign_role_numbers(names.clone()).await?;
    let first = || ChatServerError::Role(names.first().cloned().unwrap_or_default());
    let mut table = RoleTable::default();
    for (name, number) in names.iter().zip(numbers.ok_or_else(first)?) {
        let defined = table.define_as(number, name);
        defined.map_err(|_| ChatServerError::Role(name.clone()))?;
    }
    Ok(configured.renumbered(table))
}

fn block_on<F: Future>(work: F) -> Result<F::Output, ChatServerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(ChatServerError::Runtime)?.block_on(work))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::{Duration, Instant};

    use portcullis_guard::{DirectoryLimits, Gate};
    use portcullis_model::SystemClock;

    use super::*;

    #[test]
    fn data_directory_keyring_is_reloaded_whatever_seals_events() {
        let directory = tempfile::tempdir().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let users = Arc::new(Directory::new(DirectoryLimits::default()));
        let options = ChatServerOptions::new(directory.path());
        let audit = Audit::silent();
        let parts = ChatParts::open(options, &RoleRules::default(), &users, &clock).unwrap();
        let (mut gate, public) = (GateOptions::default(), SocketAddr::from(([127, 0, 0, 1], 0)));
        let mut server = Options { public, private: None, shards: 1, ..Options::default() };
        gate.hosts.push(String::from("localhost"));
        gate.origins.push(String::from("http://localhost"));
        parts.extend(&mut gate, &mut server, &audit, &clock);
        let mark = |key: &portcullis_guard::ReferenceKey| key.mark("session id", b"id");
        let secret = ServerSecret::load(directory.path()).unwrap().unwrap();
        let key = server.reference_key.as_ref();
        assert_eq!(key.map(mark), Some(mark(&secret.reference())), "a restart keeps the key");
        let ring = parts.ring.clone();
        let gate = Gate::build(gate, users).unwrap();
        let mut builder = Builder::new(server, gate, audit.clone(), Arc::clone(&clock));
        let installed = parts.install(&mut builder, &audit, &clock).unwrap();
        let running = builder.start().unwrap();
        let rotated = Keyring::read(directory.path()).unwrap().rotate(clock.now().unix_ms).unwrap();
        #[expect(clippy::disallowed_methods, reason = "waits for the server")]
        let started = Instant::now();
        while ring.current_id() != rotated {
            assert!(started.elapsed() < Duration::from_secs(10), "the keyring is not reloaded");
            std::thread::sleep(Duration::from_millis(20));
        }
        running.drain();
        installed.close();
    }
}
