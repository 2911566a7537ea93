//! What a product registers before the start.
//! Never: changed once the server runs.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_audit::Audit;
use portcullis_guard::{
    Action, DeclaredEvent, Event, Gate, GateError, Permit, ShareUse, User, VerifiedCredential,
};
use portcullis_model::{Clock, Denial, Now, RoomId};
use tokio::sync::mpsc;

use crate::admin::readiness::{ReadyFact, ReadyPart};
use crate::connect::auth_refresh::{AuthRefresh, EVERY_NAMESPACE};
use crate::delivery::hub::{Batch, Hub};
use crate::events::answer_memory::AnswerMemory;
use crate::events::context::{Context, Reply, Surroundings};
use crate::events::namespace::{HookFuture, NamespaceBuilder, NamespaceTable};
use crate::events::raw_engine::{EngineMessage, RawEngine};
use crate::http::api::{ApiRequest, ApiResponse, Method, Page, Route};
use crate::setup::options::Options;
use crate::setup::running::{Running, ServerError};

type VerifiedHook =
    Box<dyn Fn(Arc<Surroundings>, IpAddr, VerifiedCredential) -> HookFuture + Send + Sync>;
type KeyHook = Box<dyn Fn(Arc<Surroundings>, Now) -> HookFuture + Send + Sync>;
type ChoreFuture = Pin<Box<dyn Future<Output = ()>>>;
type WatchHook = Box<dyn Fn(&Hub, RoomId, Arc<User>) + Send + Sync>;

/// Reads how full the product's tables are.
pub(crate) type TablesHook = Box<dyn Fn(&Gate, Now) -> Vec<ShareUse> + Send + Sync>;

/// Everything registered, as every shard shares it.
pub(crate) struct Registered {
    pub(crate) namespaces: NamespaceTable,
    pub(crate) routes: Vec<Route>,
    pub(crate) pages: Vec<Page>,
    pub(crate) connect: Option<VerifiedHook>,
    pub(crate) unwatch: Option<WatchHook>,
    pub(crate) watch: Option<WatchHook>,
    pub(crate) unknown_key: Option<KeyHook>,
    pub(crate) chores: Vec<Chore>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) tables: Option<TablesHook>,
    pub(crate) ready_parts: Vec<ReadyPart>,
    pub(crate) measures: Vec<Measure>,
    /// Declared when the server starts, unless it asks for no credential.
    pub(crate) auth_refresh: Option<DeclaredEvent<AuthRefresh>>,
    pub(crate) engine: Option<RawEngine>,
    /// Answers of events that carried a `mid`.
    pub(crate) answers: Arc<AnswerMemory>,
}

/// What is done again and again while the server runs.
pub(crate) struct Chore {
    /// What `/ready` reports when it has ended by a fault.
    pub(crate) name: &'static str,
    pub(crate) every_ms: u64,
    pub(crate) act: Box<dyn Fn(Arc<Surroundings>) -> ChoreFuture + Send + Sync>,
}

/// A queue that operators see: how many wait, and how many may.
pub(crate) struct Queue {
    pub(crate) name: &'static str,
    pub(crate) read: Box<dyn Fn() -> (usize, usize) + Send + Sync>,
}

/// A number of the product's that operators see among the metrics.
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    pub(crate) read: Box<dyn Fn() -> i64 + Send + Sync>,
}

/// A server that is not started yet.
pub struct Builder {
    pub(crate) options: Options,
    pub(crate) gate: Gate,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) registered: Registered,
    pub(crate) hub: Hub,
    pub(crate) inboxes: Vec<mpsc::Receiver<Batch>>,
}

impl Builder {
    /// A server with namespace `/` and no events, routes or pages yet.
    #[must_use]
    pub fn new(options: Options, gate: Gate, audit: Audit, clock: Arc<dyn Clock>) -> Self {
        let (hub, inboxes) = Hub::new(options.shards.max(1));
        let registered = Registered {
            namespaces: NamespaceTable::new(),
            routes: Vec::new(),
            pages: Vec::new(),
            connect: None,
            unwatch: None,
            watch: None,
            unknown_key: None,
            chores: Vec::new(),
            queues: Vec::new(),
            tables: None,
            ready_parts: Vec::new(),
            measures: Vec::new(),
            auth_refresh: None,
            engine: None,
            answers: Arc::default(),
        };
        Self { options, gate, audit, clock, registered, hub, inboxes }
    }

    /// Opens a namespace, by name (`/board`) or by pattern (`/doc-*`); again gives the same one.
    ///
    /// # Errors
    /// [`GateError::Namespace`] when the name is outside the grammar.
    pub fn namespace<'a>(&'a mut self, name: &'a str) -> Result<NamespaceBuilder<'a>, GateError> {
        NamespaceBuilder::open(&mut self.gate, &mut self.registered.namespaces, name)
    }

    /// Declares an event of namespace `/` and what handles it.
    ///
    /// # Errors
    /// [`GateError`] when the event's rule is not sound or its name is declared already.
    pub fn on<E, H, F>(&mut self, handler: H) -> Result<(), GateError>
    where
        E: Event + Send + Sync,
        H: Fn(Permit<E>, Context) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Denial>> + 'static,
    {
        self.namespace("/")?.on(handler).map(drop)
    }

    /// Adds an HTTP route. The handler gets requests that passed door 1, body and all.
    pub fn route<H, F>(&mut self, method: Method, path: &'static str, handler: H)
    where
        H: Fn(ApiRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Result<ApiResponse, Denial>> + 'static,
    {
        let handler = Box::new(move |request| -> crate::http::api::RouteFuture {
            Box::pin(handler(request))
        });
        self.registered.routes.push(Route { method, path, handler });
    }

    /// Adds a file served as it is.
    pub fn page(&mut self, path: &'static str, content_type: &'static str, body: Bytes) {
        self.registered.pages.push(Page { path, content_type, body });
    }

    /// Runs for a verified user the directory does not know, before authentication.
    pub fn on_connect<H, F>(&mut self, hook: H)
    where
        H: Fn(VerifiedCredential) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Denial>> + 'static,
    {
        self.on_foreign_user(move |_, _, verified| hook(verified));
    }

    /// As [`Builder::on_connect`], with the surroundings and the client's address.
    pub fn on_foreign_user<H, F>(&mut self, hook: H)
    where
        H: Fn(Arc<Surroundings>, IpAddr, VerifiedCredential) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Denial>> + 'static,
    {
        self.registered.connect = Some(Box::new(move |around, client, verified| -> HookFuture {
            Box::pin(hook(around, client, verified))
        }));
    }

    /// Runs when a token named a key nobody knew at that moment; after it, the token is looked at
    /// once more.
    ///
    /// The hook bounds how often it looks for new keys: anybody can name one.
    pub fn on_unknown_key<H, F>(&mut self, hook: H)
    where
        H: Fn(Arc<Surroundings>, Now) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Denial>> + 'static,
    {
        self.registered.unknown_key =
            Some(Box::new(move |around, seen| -> HookFuture { Box::pin(hook(around, seen)) }));
    }

    /// Lets operators see a queue of the product's: how many wait, and how many may.
    pub fn queue<R>(&mut self, name: &'static str, read: R)
    where
        R: Fn() -> (usize, usize) + Send + Sync + 'static,
    {
        self.registered.queues.push(Queue { name, read: Box::new(read) });
    }

    /// Lets operators see how full tables are that parties have shares of.
    pub fn tables<R>(&mut self, read: R)
    where
        R: Fn(&Gate, Now) -> Vec<ShareUse> + Send + Sync + 'static,
    {
        self.registered.tables = Some(Box::new(read));
    }

    /// Lets `/ready` report a part of the product: its state, and whether the server can serve.
    pub fn ready_part<R>(&mut self, name: &'static str, read: R)
    where
        R: Fn() -> ReadyFact + Send + Sync + 'static,
    {
        self.registered.ready_parts.push(ReadyPart { name, read: Box::new(read) });
    }

    /// Lets operators see a number of the product's among the metrics.
    pub fn measure<R>(&mut self, name: &'static str, help: &'static str, read: R)
    where
        R: Fn() -> i64 + Send + Sync + 'static,
    {
        self.registered.measures.push(Measure { name, help, read: Box::new(read) });
    }

    /// Does something again and again while the server runs: `every_ms` after it was done last.
    ///
    /// A panic ends it, and `/ready` then reports its name: the server has to be restarted.
    pub fn every<H, F>(&mut self, name: &'static str, every_ms: u64, act: H)
    where
        H: Fn(Arc<Surroundings>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + 'static,
    {
        let act = Box::new(move |around| -> ChoreFuture { Box::pin(act(around)) });
        self.registered.chores.push(Chore { name, every_ms: every_ms.max(1), act });
    }

    /// Runs when the last live connection of a user stops hearing a room by disconnecting.
    pub fn on_unwatch<H>(&mut self, hook: H)
    where
        H: Fn(&Hub, RoomId, Arc<User>) + Send + Sync + 'static,
    {
        self.registered.unwatch = Some(Box::new(hook));
    }

    /// Runs when a connection that was recovered makes its user hear a room again that none of the
    /// user's connections heard.
    pub fn on_rewatch<H>(&mut self, hook: H)
    where
        H: Fn(&Hub, RoomId, Arc<User>) + Send + Sync + 'static,
    {
        self.registered.watch = Some(Box::new(hook));
    }

    /// Speaks Engine.IO at a path with nothing above it: no CONNECT, no credential, no rate by
    /// user. Each message is given to the handler; what it gives back is sent to the same client.
    pub fn danger_engine<H>(&mut self, path: &'static str, handler: H)
    where
        H: Fn(EngineMessage) -> Option<EngineMessage> + Send + Sync + 'static,
    {
        self.registered.engine = Some(RawEngine { path, handler: Box::new(handler) });
    }

    /// Whether the public listener speaks TLS.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.options.tls.is_some()
    }

    /// The way to deliver to connections.
    #[must_use]
    pub fn hub(&self) -> Hub {
        self.hub.clone()
    }

    /// Every event and who may send it, as the operator's rules have it.
    ///
    /// # Errors
    /// [`GateError`] when a rule names an event nobody declares, or is not sound.
    pub fn actions(&mut self) -> Result<Vec<Action>, GateError> {
        self.declare_built_in()?;
        self.gate.check_declared()?;
        Ok(self.gate.authorization().actions())
    }

    /// Declares the events every server has; once.
    pub(crate) fn declare_built_in(&mut self) -> Result<(), GateError> {
        // Where nobody shows a token, nothing is to be prolonged.
        let needed = !self.gate.options().danger.anonymous;
        if needed && self.registered.auth_refresh.is_none() {
            self.registered.auth_refresh = Some(self.gate.declare(EVERY_NAMESPACE)?);
        }
        Ok(())
    }

    /// The methods and paths of all routes, in the order they were added.
    #[must_use]
    pub fn routes(&self) -> Vec<(Method, &'static str)> {
        self.registered.routes.iter().map(|route| (route.method, route.path)).collect()
    }

    /// Binds the listeners and starts the shards.
    ///
    /// # Errors
    /// [`ServerError`] when an address cannot be bound, a rule names an event nobody declares,
    /// or a thread cannot be started.
    pub fn start(self) -> Result<Running, ServerError> {
        crate::setup::running::start(self)
    }
}
