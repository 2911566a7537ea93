//! Creates the parts of the server, connects them, and runs it.
//! Never: a decision about a request.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use portcullis_accounts::{
    AccountFeed, AccountOptions, AccountParts, ServerSecret, Setup, SigningKeys, correct_names,
};
use portcullis_admin::Desk;
use portcullis_audit::{Audit, Outcome, Output, Record, Syslog};
use portcullis_guard::{Action, Directory, Gate, RoleRules};
use portcullis_model::{Clock, Code, Role, RoleTable, Secret, SystemClock};
use portcullis_seal::Keyring;
use portcullis_server::{Builder, Method, Running, ServerError};
use portcullis_store::{AccountStore, SqliteOptions, SqliteStore, Store, StoreError};

pub(crate) use crate::block_on::block_on;
use crate::config::{
    ConfigError, Settings, Sources, StorageSettings, Warning, password_policy, weakenings,
};
use crate::feed_dispatch::Feed;
use crate::needed_keys::inspect_field_keys;
use crate::reload::field_keys::FieldKeyReload;
use crate::reload::file_watch::FileWatch;
use crate::reload::reloader::{ReloadTargets, Reloader};
use crate::sealing::{SealLog, Sealing};
use crate::start::banner::{self, Banner};
use crate::start::certificate_watch::{self, CertificateWatch};
use crate::start::clock_check::StoredTime;
use crate::start::files::modes;
use crate::start::files::owners::root_fault;
use crate::start::files::valid_copy;
use crate::start::logging::alert_channels;
use crate::start::logging::logs::{access_lines, open_access, open_audit};
use crate::start::logging::syslog;
use crate::start::main_loop::{Logs, MainLoop};
use crate::start::pages;
use crate::start::preparation::{raise_file_limit, reserve_port, small_pages, start_log};
use crate::start::private_routes::{backups, drill_routes, operations, reload_route};
use crate::start::self_audit::{self, ServerFacts};
use crate::start::signals::{StartSignals, end_within};
use crate::start::supervisor::Supervisor;
use crate::start::validate::{is_fault, validate};
use crate::tls::error::TlsError;
use crate::tls::server_config::Tls;

/// Time for the process to end after its connections are closed.
const AFTER_DRAIN: Duration = Duration::from_secs(10);
/// Time to write the last lines of the operational log.
const LAST_LINES: Duration = Duration::from_secs(1);
/// Period between reloads of the field keys, in milliseconds.
const FIELD_KEYS_RELOAD_MS: u64 = 1_000;

/// Runs a server until a signal stops it.
/// `watch`: reloads the configuration when its files change.
pub(crate) fn serve(sources: Sources, watch: bool) -> Result<()> {
    let signals = StartSignals::catch()?;
    let (settings, files) = match watch {
        true => FileWatch::read(&sources).map(|(settings, files)| (settings, Some(files)))?,
        false => (Settings::read(&sources)?, None),
    };
    if let Some(fault) = root_fault(&settings) {
        return Err(fault.into());
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let findings = validate(&settings, clock.now())?;
    anyhow::ensure!(!findings.is_running, StoreError::InUse(settings.storage.database));
    let errors = Output::stderr().context("cannot start the thread of the operational log")?;
    start_log(&errors);
    warn(&findings.warnings);
    let supervisor = Supervisor::read(std::env::vars_os(), std::process::id());
    raise_file_limit();
    small_pages();
    let result = run(Launch { sources, files, signals }, settings, clock, &supervisor);
    errors.flush(LAST_LINES);
    result
}

/// The sources of the configuration, for reloads, and what starts one.
struct Launch {
    sources: Sources,
    /// Its files, whose changes do with `serve --watch`.
    files: Option<FileWatch>,
    signals: StartSignals,
}

fn run(
    launch: Launch,
    mut settings: Settings,
    clock: Arc<dyn Clock>,
    supervisor: &Supervisor,
) -> Result<()> {
    let extension = supervisor.extend_start();
    modes::make_private(&settings)?;
    let (public, reserved) = reserve_port(settings.server.public)?;
    let configured = settings.clone();
    settings.settle(public);
    // The store locks the data directory, so only one server creates files in it.
    let parts = Parts::open(&settings, &clock)?;
    let tls = Tls::load(&settings, clock.now())?.map(Arc::new);
    settings.server.tls = tls.as_ref().map(|tls| Arc::clone(&tls.config));

    let audit = open_audit(&settings, &clock)?;
    let access = open_access(&settings)?;
    let (store, setup_token) = (Arc::clone(&parts.store), parts.setup_token.clone());
    let newest_time = parts.newest_time;
    let desk = Arc::new(Desk::default());
    let facts = self_audit::attach(&desk, &settings, &*clock);
    let mut builder =
        parts.assemble(&settings, &audit, access.as_ref(), &clock, (&desk, &facts))?;
    let shared_reloader = reload_route::install(&mut builder);
    let channels = alert_channels::start(&mut builder, &settings, &audit, &clock, &desk)?;
    certificate_watch::install(&mut builder, &settings, tls.as_deref(), &audit, &clock)?;
    let syslog = syslog::start(&settings, &audit, &mut builder, &clock)?;
    let found_weakenings = weakenings(&settings, &builder.actions().map_err(ConfigError::Gate)?)?;
    let running = builder.start()?;
    drop(reserved);
    facts.start(&settings, &found_weakenings, &running);
    record_start(&settings, &found_weakenings, &audit, (&*clock, newest_time));
    let signals = launch.signals.end();
    print_banner(&settings, &running, tls.as_deref(), setup_token);
    let health = running.health();
    drop(extension);
    supervisor.ready();
    supervisor.start_watchdog(health.clone(), Arc::clone(&clock));

    let (gate, tls_parts) = (Arc::clone(running.gate()), tls.clone());
    let targets = ReloadTargets::new(gate, tls_parts, audit.clone(), Arc::clone(&clock), facts);
    let reloader = Arc::new(Reloader::new(launch.sources, &configured, public, targets)?);
    let _set_once = shared_reloader.set(Arc::clone(&reloader));
    let certificates = CertificateWatch::new(&settings, clock.now());
    let files = launch.files;
    let logs = Logs { security: &audit, access: access.as_ref() };
    MainLoop { supervisor, reloader, logs, tls, certificates, files, health, clock: &*clock }
        .run(signals);
    supervisor.stopping();
    end_within(Duration::from_millis(settings.server.drain_ms) + AFTER_DRAIN);
    tracing::info!("stopping: clients are asked to reconnect later");
    audit.record(Record::new(Code::SysShutdown), clock.now());
    running.drain();
    block_on(store.close())?.context("cannot close the store")?;
    access.iter().chain([&audit]).for_each(Audit::close);
    channels.close();
    syslog.iter().for_each(Syslog::close);
    Ok(())
}

/// Prints the addresses and the link of the first administrator, and drops the link. Commands can
/// use the configuration from now on.
fn print_banner(
    settings: &Settings,
    running: &Running,
    tls: Option<&Tls>,
    setup_token: Option<Secret<String>>,
) {
    let facts = Banner {
        public: running.public(),
        private: running.private(),
        probe: running.probe(),
        redirect: running.redirect(),
        authority: tls.and_then(Tls::authority),
        setup_token: setup_token.as_ref(),
    };
    valid_copy::keep(settings);
    banner::print(settings, &facts);
}

/// The method and path of a route.
pub(crate) type Route = (Method, &'static str);

/// Returns every event with its rule, and every route, of a configuration, without serving.
///
/// `scratch` is a temporary directory; the caller removes it.
pub(crate) fn actions(mut settings: Settings, scratch: &Path) -> Result<(Vec<Action>, Vec<Route>)> {
    settings.storage.data = scratch.to_path_buf();
    settings.storage.database = scratch.join("portcullis.db");
    settings.settle_anywhere();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let parts = Parts::open(&settings, &clock)?;
    let store = Arc::clone(&parts.store);
    let none = (&Arc::default(), &ServerFacts::default());
    let mut builder = parts.assemble(&settings, &Audit::silent(), None, &clock, none)?;
    let actions = builder.actions().map_err(ConfigError::Gate)?;
    let routes = builder.routes();
    block_on(store.close())??;
    Ok((actions, routes))
}

fn warn(warnings: &[Warning]) {
    for warning in warnings {
        tracing::warn!(key = warning.key, "{}", warning.text);
    }
}

/// Whether the configuration is the cause of an error.
pub(crate) fn is_configuration_fault(error: &anyhow::Error) -> bool {
    let by_rule = |error: &ServerError| matches!(error, ServerError::Gate(_));
    is_fault(error)
        || error.downcast_ref::<TlsError>().is_some_and(|tls| matches!(tls, TlsError::Config(_)))
        || error.downcast_ref::<ServerError>().is_some_and(by_rule)
}

/// Parts that exist before the server.
struct Parts {
    store: Arc<dyn Store>,
    feed: Feed,
    directory: Arc<Directory>,
    ring: Keyring,
    seal_log: SealLog,
    keys: SigningKeys,
    secret: ServerSecret,
    roles: RoleRules,
    setup: Setup,
    setup_token: Option<Secret<String>>,
    newest_time: Option<StoredTime>,
}

impl Parts {
    fn open(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Self> {
        let directory = Arc::new(Directory::new(settings.directory));
        let need = settings.identity.accounts.second_factor;
        let accounts = AccountFeed::new(Arc::clone(&directory), Arc::clone(clock), need);
        let feed = Feed::new(Arc::clone(&directory), accounts);
        let now_unix_ms = clock.now().unix_ms;
        let ring = open_field_keys(settings, now_unix_ms)?;
        let seal_log = SealLog::new(Arc::clone(clock));
        let seal = Sealing::new(ring.clone(), seal_log.clone());
        let store = open_store(&settings.storage, feed.clone(), seal)?;
        let keys = SigningKeys::load_or_create(&settings.storage.data, now_unix_ms)?;
        let secret = ServerSecret::load_or_create(&settings.storage.data)?;
        let (setup, setup_token, roles, newest_time) = block_on(async {
            let snapshot = store.load().await?;
            feed.load(&snapshot);
            let newest_time = StoredTime::newest(settings, &snapshot.access.sessions);
            let (setup, token) = Setup::prepare(&*store, &settings.storage.data).await?;
            let roles = numbered(&*store, &settings.gate.roles).await?;
            correct_names(&*store, &directory, &roles.table, clock.now()).await?;
            anyhow::Ok((setup, token, roles, newest_time))
        })??;
        Ok(Self {
            store,
            feed,
            directory,
            ring,
            seal_log,
            keys,
            secret,
            roles,
            setup,
            setup_token,
            newest_time,
        })
    }

    fn assemble(
        self,
        settings: &Settings,
        audit: &Audit,
        access: Option<&Audit>,
        clock: &Arc<dyn Clock>,
        (desk, facts): (&Arc<Desk>, &ServerFacts),
    ) -> Result<Builder> {
        let mut options = AccountOptions::new(audit.clone(), Arc::clone(clock));
        options.issuer.clone_from(&settings.identity.accounts.issuer);
        options.registration = settings.identity.accounts.registration;
        options.second_factor = settings.identity.accounts.second_factor;
        options.proof_required = settings.identity.accounts.proof_required;
        options.passwords = Arc::new(password_policy(settings)?);
        options.times = settings.identity.times;
        options.setup = self.setup;
        let mut gate = settings.gate.clone();
        gate.issuers.extend(self.keys.issuers(&options, clock.now().unix_ms));
        gate.roles = self.roles;
        let admissions = self.secret.admissions(clock.now());
        gate.admission_key = admissions.first().map(Arc::clone);
        let roles = gate.roles.table.clone();
        let gate = Gate::build(gate, self.directory).map_err(ConfigError::Gate)?;
        gate.admission().replace_token_keys(&admissions);
        if let Some(access) = access {
            gate.limits().trace_to(access_lines(access.clone()));
        }
        let mut server = settings.server.clone();
        server.operator_keys = Some(self.secret.operators());
        server.reference_key = Some(self.secret.reference());
        server.former_reference_keys = self.secret.former_references();
        let mut builder = Builder::new(server, gate, audit.clone(), Arc::clone(clock));
        let (store, secret) = (&self.store, &self.secret);
        operations::install(&mut builder, settings, store, secret, roles.clone(), (desk, facts))?;
        backups::install(&mut builder, settings, store, clock);
        drill_routes::install(&mut builder);
        let accounts: Arc<dyn AccountStore> = self.store.clone();
        let parts = AccountParts { store: accounts, keys: self.keys, secret: self.secret, roles };
        portcullis_accounts::install(&mut builder, parts, options)?;
        portcullis_accounts::install_issuers(&mut builder, settings.identity.remote.clone())?;
        let queue = Arc::clone(&self.store);
        portcullis_chat::install(&mut builder, self.store, settings.chat)?;
        pages::install(&mut builder, &settings.identity.admin);
        builder.queue("store", move || queue.waiting());
        if let Some(access) = access.cloned() {
            builder.queue("access", move || access.counts().waiting);
        }
        let keys = FieldKeyReload::new(self.ring);
        builder.every("field_keys", FIELD_KEYS_RELOAD_MS, move |_| Arc::clone(&keys).run());
        self.seal_log.attach(audit.clone());
        self.feed.attach(builder.hub(), audit.clone());
        Ok(builder)
    }
}

/// Opens the field keys; creates them only when no sealed field exists.
fn open_field_keys(settings: &Settings, now_unix_ms: i64) -> Result<Keyring> {
    match inspect_field_keys(settings)? {
        Some(ring) => Ok(ring),
        None => Ok(Keyring::load_or_create(&settings.storage.data, now_unix_ms)?),
    }
}

fn open_store(storage: &StorageSettings, feed: Feed, seal: Sealing) -> Result<Arc<dyn Store>> {
    let options = SqliteOptions {
        seal_messages: storage.seal_messages,
        min_free_bytes: storage.min_free_bytes,
        ..SqliteOptions::default()
    };
    let store =
        SqliteStore::open_sealed(&storage.database, options, Box::new(feed), Arc::new(seal))
            .with_context(|| format!("cannot open {}", storage.database.display()))?;
    Ok(Arc::new(store))
}

/// Gives the configured roles the numbers of the store.
pub(crate) async fn numbered(
    store: &dyn AccountStore,
    configured: &RoleRules,
) -> Result<RoleRules> {
    let custom = configured.table.all().filter(|role| matches!(role, Role::Custom(_)));
    let names: Vec<String> = custom.map(|role| String::from(configured.table.name(role))).collect();
    let numbers = store.assign_role_numbers(names.clone()).await?;
    let numbers =
        numbers.context("cannot define the roles: 24 were defined before; use their names")?;
    let mut table = RoleTable::default();
    for (name, number) in names.iter().zip(numbers) {
        let defined = table.define_as(number, name);
        anyhow::ensure!(defined.is_ok(), "the role {name:?} cannot be defined");
    }
    Ok(configured.renumbered(table))
}

fn record_start(
    settings: &Settings,
    weakenings: &[Warning],
    audit: &Audit,
    (clock, newest_time): (&dyn Clock, Option<StoredTime>),
) {
    let mut record = Record::new(Code::SysStartup);
    record.outcome = Outcome::Success;
    let origins = settings.gate.origins.join(" ");
    record.detail = Some(format!("profile {}, origins {origins}", settings.profile.name()));
    audit.record(record, clock.now());
    if let Some(newest_time) = newest_time {
        newest_time.report_clock_behind(audit, clock.now());
    }
    warn(weakenings);
    for danger in &settings.dangers {
        tracing::warn!(key = danger.key, danger = danger.text, "a promise is weakened");
    }
    let dangers = settings.dangers.iter().map(|danger| ("danger", danger.to_string()));
    let weakened = weakenings.iter().map(|warning| ("weakened", warning.to_string()));
    for (rule, detail) in dangers.chain(weakened) {
        let mut record = Record::new(Code::SysStartup);
        record.rule = rule;
        record.outcome = Outcome::Success;
        record.detail = Some(detail);
        audit.record(record, clock.now());
    }
}
