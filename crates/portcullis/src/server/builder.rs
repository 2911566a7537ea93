//! Builds an application's server: listener, origins, issuers, and then events.
//! Never: plain text beyond this machine without a method named danger.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use portcullis_audit::{AlertOptions, Audit, AuditOptions, Output};
use portcullis_guard::{
    Danger, Directory, DirectoryLimits, Event, Gate, GateError, GateOptions, Issuer, IssuerKey,
    Permit, SecondFactorRule, VerifiedCredential, WithoutOrigin,
};
use portcullis_model::{Clock, Denial, Secret, SystemClock};
use portcullis_server::{
    ApiRequest, ApiResponse, Builder, Context, EngineMessage, Hub, Method, NamespaceBuilder,
    Options, Reply, ReservedPort, ServerError, reserve_port,
};
use rustls::ServerConfig;

#[cfg(feature = "chat")]
use crate::server::chat_server::{ChatHandle, ChatParts, ChatServerOptions};
use crate::server::danger_record;
use crate::server::error::Error;
use crate::server::field_keys::FieldKeys;
use crate::server::new_user;
use crate::server::running::Running;
use crate::server::stop_signal::StopSignals;
use crate::server::tls_files;

/// A server before its events are declared.
///
/// Nothing is open by default: without an origin no page can connect, without an issuer no token is
/// accepted.
#[must_use = "nothing is served until the server runs"]
pub struct ServerBuilder {
    gate: GateOptions,
    options: Options,
    limits: DirectoryLimits,
    audit: AuditOptions,
    silent: bool,
    plain_text: bool,
    own_origin: bool,
    tls_fault: Option<Error>,
    field_keys: Option<FieldKeys>,
    #[cfg(feature = "chat")]
    chat: Option<ChatServerOptions>,
}

impl ServerBuilder {
    fn new() -> Self {
        let public = SocketAddr::from(([127, 0, 0, 1], 3000));
        Self {
            gate: GateOptions { second_factor: SecondFactorRule::None, ..GateOptions::default() },
            options: Options { public, private: None, ..Options::default() },
            limits: DirectoryLimits::default(),
            audit: AuditOptions { stdout: true, ..AuditOptions::default() },
            silent: false,
            plain_text: false,
            own_origin: false,
            tls_fault: None,
            field_keys: None,
            #[cfg(feature = "chat")]
            chat: None,
        }
    }

    /// The address for clients; port 0 takes a free port. The default is `127.0.0.1:3000`.
    pub fn listen(mut self, public: SocketAddr) -> Self {
        self.options.public = public;
        self
    }

    /// The address of `/health`, `/ready` and `/metrics`; the default is none.
    pub fn operators(mut self, private: SocketAddr) -> Self {
        self.options.private = Some(private);
        self
    }

    /// TLS with a certificate chain and its key, both in PEM.
    pub fn tls_pem(mut self, certificate: &[u8], key: &[u8]) -> Self {
        match tls_files::read(certificate, key) {
            Ok(config) => self.options.tls = Some(config),
            Err(error) => self.tls_fault = Some(error),
        }
        self
    }

    /// TLS with a configuration of `rustls`.
    pub fn tls(mut self, config: Arc<ServerConfig>) -> Self {
        self.options.tls = Some(config);
        self
    }

    /// The origin of pages that can connect: `scheme://host[:port]`, exact bytes.
    pub fn origin(mut self, origin: &str) -> Self {
        self.gate.origins.push(String::from(origin));
        self
    }

    /// Pages of this server can connect: its own scheme, address and port.
    pub fn own_origin(mut self) -> Self {
        self.own_origin = true;
        self
    }

    /// A name of this server, in the form of the `Host` header; its address is always accepted.
    pub fn host(mut self, host: &str) -> Self {
        self.gate.hosts.push(String::from(host));
        self
    }

    /// The requirement for a client without an `Origin` (not a browser).
    pub fn without_origin(mut self, rule: WithoutOrigin) -> Self {
        self.gate.without_origin = rule;
        self
    }

    /// Accepts HS256 tokens of an issuer. The secret has 32 random bytes or more.
    pub fn issuer_hs256(self, issuer: &str, audience: &str, secret: &[u8]) -> Self {
        let key = IssuerKey::Hs256(Secret::new(secret.to_vec()));
        self.issuer(Issuer::new(issuer, audience, key))
    }

    /// Accepts tokens of an issuer.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.gate.issuers.push(issuer);
        self
    }

    /// Changes the options of the guards: rates, caps, second factors (the default requires none).
    pub fn guards(mut self, change: impl FnOnce(&mut GateOptions)) -> Self {
        change(&mut self.gate);
        self
    }

    /// Changes the options of the engine: times, threads, queues.
    pub fn engine(mut self, change: impl FnOnce(&mut Options)) -> Self {
        change(&mut self.options);
        self
    }

    /// The maximum numbers of users and rooms.
    pub fn directory_limits(mut self, limits: DirectoryLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Writes the security log to a file; without it, to standard output.
    pub fn audit_file(mut self, path: &Path) -> Self {
        self.audit.file = Some(path.to_owned());
        self.audit.stdout = false;
        self
    }

    /// Disables the security log: rejections are counted and sent to clients, but not recorded.
    pub fn danger_no_audit(mut self) -> Self {
        self.silent = true;
        self
    }

    /// Allows plain text on any address, for a server behind a TLS proxy.
    pub fn danger_plain_text(mut self) -> Self {
        self.plain_text = true;
        self
    }

    /// Disables checks; each of them is logged at the start.
    pub fn danger(mut self, danger: Danger) -> Self {
        self.gate.danger = danger;
        self
    }

    /// Adds accounts (`/auth/*`), rooms and chat, stored in a data directory; needs feature `chat`.
    ///
    /// Users sign in at this server, so no issuer is needed. Its keyring also seals fields of
    /// events. Roles are stored: administrators grant them, not [`Server::directory`].
    #[cfg(feature = "chat")]
    pub fn chat(mut self, options: ChatServerOptions) -> Self {
        self.chat = Some(options);
        self
    }

    /// The keys for fields of events whose type is [`crate::Sealed`].
    pub fn field_keys(mut self, keys: FieldKeys) -> Self {
        self.field_keys = Some(keys);
        self
    }

    /// Checks all options, reserves the port, and opens the log.
    ///
    /// # Errors
    /// The first invalid option.
    pub fn build(mut self) -> Result<Server, Error> {
        if let Some(fault) = self.tls_fault.take() {
            return Err(fault);
        }
        let public = self.options.public;
        if self.options.tls.is_none() && !public.ip().is_loopback() && !self.plain_text {
            return Err(Error::PlainText(public));
        }
        let listen = |source| ServerError::Listen { address: public, source };
        let (public, reserved) = reserve_port(public).map_err(listen)?;
        self.options.public = public;
        self.gate.hosts.push(public.to_string());
        if self.own_origin {
            let scheme = if self.options.tls.is_some() { "https" } else { "http" };
            self.gate.origins.push(format!("{scheme}://{public}"));
        }
        self.assemble(public, reserved)
    }

    /// Creates the parts, in the order of their dependencies.
    fn assemble(mut self, public: SocketAddr, reserved: ReservedPort) -> Result<Server, Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let danger = self.dangers();
        let directory = Arc::new(Directory::new(self.limits));
        self.audit.alert = Some(AlertOptions::new(Arc::clone(&clock)));
        let audit = if self.silent { Audit::silent() } else { Audit::open(self.audit)? };
        // Accounts reload the keyring of the data directory.
        let reloaded_keys = self.field_keys.clone();
        #[cfg(feature = "chat")]
        let chat = match self.chat.take() {
            Some(mut options) => {
                options.second_factor = options.second_factor.max(self.gate.second_factor);
                let roles = &self.gate.roles;
                let parts = ChatParts::open(options, roles, &directory, &clock)?;
                parts.extend(&mut self.gate, &mut self.options, &audit, &clock);
                self.field_keys.get_or_insert_with(|| parts.field_keys());
                Some(parts)
            }
            None => None,
        };
        let mut gate = Gate::build(self.gate, Arc::clone(&directory))?;
        if let Some(keys) = &self.field_keys {
            gate.seal_with(Arc::new(keys.clone()));
        }
        danger_record::record(&danger, &audit, clock.now());
        let mut builder = Builder::new(self.options, gate, audit.clone(), Arc::clone(&clock));
        new_user::put_when_connecting(&mut builder, Arc::clone(&directory));
        if let Some(keys) = reloaded_keys {
            keys.reload_on(&mut builder, "field_keys");
        }
        // Accounts replace the hook for new users: they store them.
        #[cfg(feature = "chat")]
        let chat = match chat {
            Some(parts) => Some(parts.install(&mut builder, &audit, &clock)?),
            None => None,
        };
        Ok(Server {
            builder,
            directory,
            reserved,
            public,
            field_keys: self.field_keys,
            #[cfg(feature = "chat")]
            chat,
        })
    }

    fn dangers(&self) -> Vec<&'static str> {
        let mut texts = self.gate.danger.words();
        if self.plain_text {
            texts.push("attackers on the network can read and change all messages");
        }
        if self.silent {
            texts.push("there is no security log");
        }
        texts
    }
}

/// A server whose events are being declared.
#[must_use = "nothing is served until the server runs"]
pub struct Server {
    builder: Builder,
    directory: Arc<Directory>,
    reserved: ReservedPort,
    public: SocketAddr,
    field_keys: Option<FieldKeys>,
    #[cfg(feature = "chat")]
    chat: Option<ChatHandle>,
}

impl Server {
    /// Creates a builder with every guard on.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// The address for clients.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.public
    }

    /// The token of `POST /auth/setup`, for the first administrator; `None` when there is one.
    #[cfg(feature = "chat")]
    #[must_use]
    pub fn setup_token(&self) -> Option<&Secret<String>> {
        self.chat.as_ref()?.setup_token.as_ref()
    }

    /// The keys of sealed fields: of [`ServerBuilder::field_keys`], or of the data directory.
    pub fn field_keys(&self) -> Option<&FieldKeys> {
        self.field_keys.as_ref()
    }

    /// Users and rooms as the guards see them; the application grants roles here.
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Sends to clients, also outside of handlers.
    pub fn hub(&self) -> Hub {
        self.builder.hub()
    }

    /// Declares a namespace by name (`/board`) or pattern (`/doc-*`), or returns the declared one.
    ///
    /// # Errors
    /// [`GateError::Namespace`] when the name is invalid.
    pub fn namespace<'a>(&'a mut self, name: &'a str) -> Result<NamespaceBuilder<'a>, GateError> {
        self.builder.namespace(name)
    }

    /// Declares an event of namespace `/` and its handler.
    ///
    /// # Errors
    /// [`GateError`] when the event's rule is invalid or its name is already declared.
    pub fn on<E, H, F>(&mut self, handler: H) -> Result<(), GateError>
    where
        E: Event + Send + Sync,
        H: Fn(Permit<E>, Context) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Denial>> + 'static,
    {
        self.builder.on(handler)
    }

    /// Sets the hook that accepts a new user and adds it to the directory. Without a hook, all
    /// users of an issuer are accepted. Do not use it with accounts, which store such users.
    ///
    /// With [`Issuer::roles_claim`] it also runs for known users whose token lists other roles: use
    /// [`Directory::change_user`] for them, which keeps bans.
    pub fn on_new_user<H, F>(&mut self, hook: H)
    where
        H: Fn(VerifiedCredential) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Denial>> + 'static,
    {
        self.builder.on_connect(hook);
    }

    /// Adds an HTTP route. The handler gets requests that passed admission, with the whole body.
    pub fn route<H, F>(&mut self, method: Method, path: &'static str, handler: H)
    where
        H: Fn(ApiRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Result<ApiResponse, Denial>> + 'static,
    {
        self.builder.route(method, path, handler);
    }

    /// Serves plain Engine.IO at a path; size limits are the only checks.
    pub fn danger_engine<H>(&mut self, path: &'static str, handler: H)
    where
        H: Fn(EngineMessage) -> Option<EngineMessage> + Send + Sync + 'static,
    {
        self.builder.danger_engine(path, handler);
    }

    /// Starts the server.
    ///
    /// # Errors
    /// [`Error::Server`] when an address cannot be used or a thread does not start.
    pub fn start(self) -> Result<Running, Error> {
        let engine = self.builder.start()?;
        drop(self.reserved);
        Ok(Running {
            engine,
            #[cfg(feature = "chat")]
            chat: self.chat,
        })
    }

    /// Starts, prints the address on standard output, serves until SIGTERM or SIGINT, and drains.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn run(self) -> Result<(), Error> {
        let catch = |source| Error::System { what: "catch signals", source };
        let stop = StopSignals::catch().map_err(catch)?;
        let scheme = if self.builder.speaks_tls() { "https" } else { "http" };
        let running = self.start()?;
        // A blocked reader must not stop the server.
        if let Ok(output) = Output::stdout() {
            output.push(&format!("listening public {scheme}://{}\n", running.public()), 1);
        }
        stop.wait();
        running.drain();
        Ok(())
    }
}
