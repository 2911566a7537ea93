//! The builder of a server: what a product registers before the start.
//! Never: a change while the server runs.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_audit::Audit;
use portcullis_guard::{
    Action, Algorithm, Event, Gate, GateError, Permit, ShareUse, User, VerifiedCredential,
};
use portcullis_model::{Clock, Denial, Now, RoomId, TimeCounts};
use tokio::sync::mpsc;

use crate::admin::product_metrics::{Measure, MeasureReader};
use crate::connect::auth_refresh::EVERY_NAMESPACE;
use crate::delivery::hub::{Batch, Hub};
use crate::events::context::{Context, Services};
use crate::events::namespace::{HookFuture, NamespaceBuilder};
use crate::events::raw_engine::{EngineMessage, RawEngine};
use crate::events::reply::Reply;
use crate::http::api::{ApiRequest, ApiResponse, Method, Page, Route, RouteFuture};
use crate::setup::dashboard::DashboardParts;
use crate::setup::options::Options;
use crate::setup::registered::{
    PeriodicFuture, PeriodicTask, PrivateFuture, PrivateRoute, QueueReport, ReadyFact, ReadyPart,
    Registrations,
};

/// A server before its start.
pub struct Builder {
    pub(crate) options: Options,
    pub(crate) gate: Gate,
    pub(crate) audit: Audit,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) registered: Registrations,
    pub(crate) hub: Hub,
    pub(crate) inboxes: Vec<mpsc::Receiver<Batch>>,
}

impl Builder {
    /// A server with namespace `/` and no events, routes or pages yet.
    #[must_use]
    pub fn new(options: Options, gate: Gate, audit: Audit, clock: Arc<dyn Clock>) -> Self {
        let (hub, inboxes) = Hub::new(options.shards.max(1));
        let registered = Registrations::new();
        Self { options, gate, audit, clock, registered, hub, inboxes }
    }

    /// Opens a namespace by name (`/board`) or by pattern (`/doc-*`); a second call opens the same
    /// one.
    ///
    /// # Errors
    /// [`GateError::Namespace`] when the name is invalid.
    pub fn namespace<'a>(&'a mut self, name: &'a str) -> Result<NamespaceBuilder<'a>, GateError> {
        NamespaceBuilder::open(&mut self.gate, &mut self.registered.namespaces, name)
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
        self.namespace("/")?.on(handler).map(drop)
    }

    /// Adds an HTTP route. The handler gets admitted requests with their whole body.
    pub fn route<H, F>(&mut self, method: Method, path: &'static str, handler: H)
    where
        H: Fn(ApiRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Result<ApiResponse, Denial>> + 'static,
    {
        let handler = Box::new(move |request| -> RouteFuture { Box::pin(handler(request)) });
        self.registered.routes.push(Route { method, path, handler });
    }

    /// Adds an operation to the private listener: `POST /admin/v1/PATH`, with a body of 16 KiB at
    /// most. Only operators on this machine reach it.
    pub fn private_route<H, F>(&mut self, path: String, handler: H)
    where
        H: Fn(Arc<Services>, Bytes) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Denial>> + 'static,
    {
        let handler =
            Box::new(move |services, body| -> PrivateFuture { Box::pin(handler(services, body)) });
        self.registered.private_routes.push(PrivateRoute { path, handler });
    }

    /// Adds a file that is served unchanged.
    pub fn page(&mut self, path: &'static str, content_type: &'static str, body: Bytes) {
        self.registered.pages.push(Page { path, content_type, body });
    }

    /// Names the parts of the dashboard, which exist for the clients that the gate's
    /// [`DashboardRules`](portcullis_guard::DashboardRules) name.
    pub fn dashboard(&mut self, parts: DashboardParts) {
        self.registered.dashboard = parts;
    }

    /// Runs for a verified user of another issuer who is new or has new roles, before
    /// authentication.
    pub fn on_connect<H, F>(&mut self, hook: H)
    where
        H: Fn(VerifiedCredential) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Denial>> + 'static,
    {
        self.on_foreign_user(move |_, _, verified| hook(verified));
    }

    /// As [`Builder::on_connect`], with the services and the client's address.
    pub fn on_foreign_user<H, F>(&mut self, hook: H)
    where
        H: Fn(Arc<Services>, IpAddr, VerifiedCredential) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Denial>> + 'static,
    {
        let hook = move |services, client, verified| -> HookFuture {
            Box::pin(hook(services, client, verified))
        };
        self.registered.hooks.foreign_user = Some(Box::new(hook));
    }

    /// Runs when a token names a key that is not known; then the token is verified once more.
    ///
    /// The hook gets the algorithm of the token and the moment. It limits how often it looks for
    /// new keys, because every client can name an unknown one. [`Denial::IssuerKeysMissing`] says
    /// when the client can try again.
    pub fn on_unknown_key<H, F>(&mut self, hook: H)
    where
        H: Fn(Arc<Services>, Algorithm, Now) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Denial>> + 'static,
    {
        self.registered.hooks.unknown_key =
            Some(Box::new(move |services, algorithm, seen| -> HookFuture {
                Box::pin(hook(services, algorithm, seen))
            }));
    }

    /// Reports the length and the capacity of a queue of the product to operators.
    pub fn queue<R>(&mut self, name: &'static str, read: R)
    where
        R: Fn() -> (usize, usize) + Send + Sync + 'static,
    {
        self.registered.reports.queues.push(QueueReport { name, read: Box::new(read) });
    }

    /// Reports the use of the product's tables to operators.
    pub fn tables<R>(&mut self, read: R)
    where
        R: Fn(&Gate, Now) -> Vec<ShareUse> + Send + Sync + 'static,
    {
        self.registered.reports.tables = Some(Box::new(read));
    }

    /// Adds a part of the product to `/ready`: its state, and whether the server can serve.
    pub fn ready_part<R>(&mut self, name: &'static str, read: R)
    where
        R: Fn() -> ReadyFact + Send + Sync + 'static,
    {
        self.registered.reports.ready_parts.push(ReadyPart { name, read: Box::new(read) });
    }

    /// Adds a number of the product to the metrics.
    pub fn measure<R>(&mut self, name: &'static str, help: &'static str, read: R)
    where
        R: Fn() -> i64 + Send + Sync + 'static,
    {
        let read = MeasureReader::Gauge(Arc::new(read));
        self.registered.reports.measures.push(Measure { name, help, read });
    }

    /// Adds counters of the product to the metrics, by the value of one label. The values must be
    /// a fixed set of words.
    pub fn counts<R>(
        &mut self,
        name: &'static str,
        help: &'static str,
        label: &'static str,
        read: R,
    ) where
        R: Fn() -> Vec<(&'static str, u64)> + Send + Sync + 'static,
    {
        let read = MeasureReader::Counts { label, read: Arc::new(read) };
        self.registered.reports.measures.push(Measure { name, help, read });
    }

    /// Adds a histogram of durations of the product to the metrics. The name ends in `_seconds`.
    pub fn times<R>(&mut self, name: &'static str, help: &'static str, read: R)
    where
        R: Fn() -> TimeCounts + Send + Sync + 'static,
    {
        let read = MeasureReader::Times(Arc::new(read));
        self.registered.reports.measures.push(Measure { name, help, read });
    }

    /// Runs a task at intervals while the server runs: `every_ms` after the end of the last run.
    ///
    /// A panic ends the task, and `/ready` then reports its name: restart the server.
    pub fn every<H, F>(&mut self, name: &'static str, every_ms: u64, task: H)
    where
        H: Fn(Arc<Services>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + 'static,
    {
        let run = Box::new(move |services| -> PeriodicFuture { Box::pin(task(services)) });
        let interval_ms = every_ms.max(1);
        self.registered.periodic_tasks.push(PeriodicTask { name, interval_ms, run });
    }

    /// Runs when the last connection of a user in a room disconnects.
    pub fn on_unwatch<H>(&mut self, hook: H)
    where
        H: Fn(&Hub, RoomId, Arc<User>) + Send + Sync + 'static,
    {
        self.registered.hooks.room_unwatched = Some(Box::new(hook));
    }

    /// Runs when a recovered connection is the user's first one in a room.
    pub fn on_rewatch<H>(&mut self, hook: H)
    where
        H: Fn(&Hub, RoomId, Arc<User>) + Send + Sync + 'static,
    {
        self.registered.hooks.room_watched = Some(Box::new(hook));
    }

    /// Adds an Engine.IO endpoint without Socket.IO: no CONNECT, no credential, no rate by user.
    /// The handler gets each message, and its result is sent to the same client.
    pub fn danger_engine<H>(&mut self, path: &'static str, handler: H)
    where
        H: Fn(EngineMessage) -> Option<EngineMessage> + Send + Sync + 'static,
    {
        self.registered.engine = Some(RawEngine { path, handler: Box::new(handler) });
    }

    /// Whether the public listener uses TLS.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.options.tls.is_some()
    }

    /// Delivers to connections.
    #[must_use]
    pub fn hub(&self) -> Hub {
        self.hub.clone()
    }

    /// All events and the roles that may send them, after the operator's rules.
    ///
    /// # Errors
    /// [`GateError`] when a rule names an undeclared event, or is invalid.
    pub fn actions(&mut self) -> Result<Vec<Action>, GateError> {
        self.declare_built_in()?;
        self.gate.check_declared()?;
        Ok(self.gate.authorization().actions())
    }

    /// Declares the events that every server has; a second call has no effect.
    pub(crate) fn declare_built_in(&mut self) -> Result<(), GateError> {
        let options = self.gate.options();
        let roles = &options.roles.table;
        if let Some(namespace) = self.registered.namespaces.undefined_role(roles) {
            return Err(GateError::NamespaceRole(String::from(namespace)));
        }
        // Without tokens there is nothing to extend.
        let is_needed = !self.gate.options().danger.anonymous;
        if is_needed && self.registered.auth_refresh.is_none() {
            self.registered.auth_refresh = Some(self.gate.declare(EVERY_NAMESPACE)?);
        }
        Ok(())
    }

    /// The methods and paths of all routes, in the order they were added.
    #[must_use]
    pub fn routes(&self) -> Vec<(Method, &'static str)> {
        self.registered.routes.iter().map(|route| (route.method, route.path)).collect()
    }
}
