//! One server out of all parts.
//! Never: a decision; parts are made in order and handed to one another.

use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use portcullis_accounts::{AccountOptions, Registration, Setup, SigningKeys};
use portcullis_audit::{Audit, AuditOptions, Outcome, Record};
use portcullis_chat::Feed;
use portcullis_guard::{Directory, DirectoryLimits, Gate};
use portcullis_model::{Clock, Secret, Severity, SystemClock};
use portcullis_server::{Builder, Running};
use portcullis_store::{SqliteOptions, SqliteStore, Store};
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{ConfigError, Settings, TlsSettings};
use crate::{pages, signals, tls};

/// Runs a server until it is asked to stop.
pub(crate) fn serve(mut settings: Settings) -> Result<()> {
    log_to_stderr();
    raise_file_limit();
    prepare_directory(&settings.data)?;
    let (public, reserved) = reserve_port(settings.server.public)?;
    settings.settle_origins(public)?;
    let tls = tls::load(&settings.tls, &settings.data).map_err(configuration)?;
    settings.server.tls = tls.config;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let audit = open_audit(&settings)?;
    let parts = Parts::open(&settings, &audit, &clock)?;
    let (running, store, setup_token) = parts.start(&settings, &audit, &clock)?;
    drop(reserved);
    record_start(&settings, &audit, &*clock);
    announce(&settings, &running, tls.authority.as_deref(), setup_token.as_ref())?;

    signals::wait_for_stop()?;
    tracing::info!("stopping: connections are told to come back later");
    audit.record(Record::new("sys_shutdown", Severity::Warning), clock.now());
    running.drain();
    block_on(store.close())?.context("cannot close the store")?;
    audit.close();
    Ok(())
}

/// What exists before the server does.
struct Parts {
    store: Arc<dyn Store>,
    feed: Feed,
    directory: Arc<Directory>,
    keys: SigningKeys,
    setup: Setup,
    setup_token: Option<Secret<String>>,
}

impl Parts {
    fn open(settings: &Settings, audit: &Audit, _clock: &Arc<dyn Clock>) -> Result<Self> {
        let directory = Arc::new(Directory::new(DirectoryLimits::default()));
        let feed = Feed::new(Arc::clone(&directory));
        let store =
            SqliteStore::open(&settings.database, SqliteOptions::default(), Box::new(feed.clone()))
                .with_context(|| format!("cannot open {}", settings.database.display()))?;
        let store: Arc<dyn Store> = Arc::new(store);
        let keys = SigningKeys::load_or_create(&settings.data)?;
        let _recorded_by_accounts = audit;
        let (setup, setup_token) = block_on(async {
            portcullis_chat::load(&*store, &directory).await?;
            anyhow::Ok(Setup::prepare(&*store, &settings.data).await?)
        })??;
        Ok(Self { store, feed, directory, keys, setup, setup_token })
    }

    fn start(
        self,
        settings: &Settings,
        audit: &Audit,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Running, Arc<dyn Store>, Option<Secret<String>>)> {
        let mut options = AccountOptions::new(audit.clone(), Arc::clone(clock));
        options.issuer.clone_from(&settings.accounts_issuer);
        options.setup = self.setup;
        options.registration =
            if settings.accounts_open { Registration::Open } else { Registration::Closed };
        let mut gate = settings.gate.clone();
        gate.issuers.push(self.keys.issuer(&options));
        let gate = Gate::build(gate, self.directory).map_err(configuration)?;
        let mut builder =
            Builder::new(settings.server.clone(), gate, audit.clone(), Arc::clone(clock));
        portcullis_accounts::install(&mut builder, Arc::clone(&self.store), self.keys, options)?;
        portcullis_chat::install(&mut builder, Arc::clone(&self.store), settings.chat)
            .map_err(configuration)?;
        pages::install(&mut builder);
        self.feed.attach(builder.hub());
        let running = builder.start()?;
        Ok((running, self.store, self.setup_token))
    }
}

/// An error that is the configuration's fault: exit code 2.
fn configuration(error: impl Into<anyhow::Error>) -> anyhow::Error {
    let error: anyhow::Error = error.into();
    anyhow::Error::new(ConfigError::refused(
        "the configuration",
        format!("{error:#}"),
        "the server cannot be built from it",
        "change it and start again",
    ))
}

fn block_on<F: Future>(work: F) -> Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.context("cannot start a runtime")?.block_on(work))
}

fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
}

fn raise_file_limit() {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    if rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).is_err() {
        tracing::warn!("the limit of open files stays as it is; connections may be fewer");
    }
}

/// The data directory holds keys: nobody else looks in.
fn prepare_directory(data: &Path) -> Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("cannot make {}", data.display()))?;
    std::fs::set_permissions(data, std::fs::Permissions::from_mode(0o700))
        .with_context(|| format!("cannot close {} to others", data.display()))
}

/// Fixes the port when it is 0: origins name it, so it has to be known before the server is built.
fn reserve_port(address: SocketAddr) -> Result<(SocketAddr, Socket)> {
    let reserve = || -> std::io::Result<(SocketAddr, Socket)> {
        let domain = Domain::for_address(address);
        let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_port(true)?;
        socket.set_reuse_address(true)?;
        socket.bind(&address.into())?;
        let bound = socket.local_addr()?.as_socket().unwrap_or(address);
        Ok((bound, socket))
    };
    reserve().with_context(|| format!("cannot listen on {address}; choose another under [listen]"))
}

fn open_audit(settings: &Settings) -> Result<Audit> {
    let options = AuditOptions {
        file: Some(settings.audit_file.clone()),
        stdout: settings.audit_stdout,
        service_version: String::from(env!("CARGO_PKG_VERSION")),
        ..AuditOptions::default()
    };
    Audit::open(options).context("cannot open the security log")
}

fn record_start(settings: &Settings, audit: &Audit, clock: &dyn Clock) {
    let mut record = Record::new("sys_startup", Severity::Warning);
    record.outcome = Outcome::Success;
    record.detail = Some(format!("origins {}", settings.gate.origins.join(" ")));
    audit.record(record, clock.now());
    for danger in &settings.dangers {
        tracing::warn!(danger, "a promise is weakened by configuration");
        let mut record = Record::new("sys_startup", Severity::Critical);
        record.rule = "danger";
        record.detail = Some(String::from(*danger));
        audit.record(record, clock.now());
    }
}

/// Prints what a person needs next.
fn announce(
    settings: &Settings,
    running: &Running,
    authority: Option<&Path>,
    setup_token: Option<&Secret<String>>,
) -> Result<()> {
    let scheme = if settings.tls == TlsSettings::Off { "http" } else { "https" };
    let public = format!("{scheme}://{}", running.public());
    let mut out = std::io::stdout().lock();
    if let Some(authority) = authority {
        writeln!(out, "certificate authority {}", authority.display())?;
    }
    if let Some(token) = setup_token {
        writeln!(out, "set-up link {public}/#setup={}", token.expose())?;
    }
    if !pages::are_built() {
        writeln!(out, "no chat page in this build: run cargo xtask run, which needs Node.js")?;
    }
    if let Some(private) = running.private() {
        writeln!(out, "listening private http://{private}")?;
    }
    writeln!(out, "listening public {public}")?;
    out.flush()?;
    Ok(())
}
