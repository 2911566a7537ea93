//! What a product registers before the start.
//! Never: changed once the server runs.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_audit::Audit;
use portcullis_guard::{Event, Gate, GateError, Permit, User, Verified};
use portcullis_model::{Clock, Denial, RoomId};
use tokio::sync::mpsc;

use crate::api::{ApiRequest, ApiResponse, Method, Page, Route};
use crate::context::{Context, Reply};
use crate::event_table::EventTable;
use crate::hub::{Batch, Hub};
use crate::options::Options;
use crate::running::{Running, ServerError};

type HookFuture = Pin<Box<dyn Future<Output = Result<(), Denial>>>>;
type ConnectHook = Box<dyn Fn(Verified) -> HookFuture + Send + Sync>;
type UnwatchHook = Box<dyn Fn(&Hub, RoomId, Arc<User>) + Send + Sync>;

/// Everything registered, as every shard shares it.
pub(crate) struct Registered {
    pub(crate) events: EventTable,
    pub(crate) routes: Vec<Route>,
    pub(crate) pages: Vec<Page>,
    pub(crate) connect: Option<ConnectHook>,
    pub(crate) unwatch: Option<UnwatchHook>,
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
    /// A server with no events, routes or pages yet.
    #[must_use]
    pub fn new(options: Options, gate: Gate, audit: Audit, clock: Arc<dyn Clock>) -> Self {
        let (hub, inboxes) = Hub::new(options.shards.max(1));
        let registered = Registered {
            events: EventTable::default(),
            routes: Vec::new(),
            pages: Vec::new(),
            connect: None,
            unwatch: None,
        };
        Self { options, gate, audit, clock, registered, hub, inboxes }
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
        let rule = self.gate.declare::<E>()?;
        self.registered.events.insert(rule, handler);
        Ok(())
    }

    /// Adds an HTTP route. The handler gets requests that passed door 1, body and all.
    pub fn route<H, F>(&mut self, method: Method, path: &'static str, handler: H)
    where
        H: Fn(ApiRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Result<ApiResponse, Denial>> + 'static,
    {
        let handler =
            Box::new(move |request| -> crate::api::RouteFuture { Box::pin(handler(request)) });
        self.registered.routes.push(Route { method, path, handler });
    }

    /// Adds a file served as it is.
    pub fn page(&mut self, path: &'static str, content_type: &'static str, body: Bytes) {
        self.registered.pages.push(Page { path, content_type, body });
    }

    /// Runs for a verified user the directory does not know, before authentication.
    pub fn on_connect<H, F>(&mut self, hook: H)
    where
        H: Fn(Verified) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Denial>> + 'static,
    {
        self.registered.connect =
            Some(Box::new(move |verified| -> HookFuture { Box::pin(hook(verified)) }));
    }

    /// Runs when the last live connection of a user stops hearing a room by disconnecting.
    pub fn on_unwatch<H>(&mut self, hook: H)
    where
        H: Fn(&Hub, RoomId, Arc<User>) + Send + Sync + 'static,
    {
        self.registered.unwatch = Some(Box::new(hook));
    }

    /// The way to deliver to connections.
    #[must_use]
    pub fn hub(&self) -> Hub {
        self.hub.clone()
    }

    /// Binds the listeners and starts the shards.
    ///
    /// # Errors
    /// [`ServerError`] when an address cannot be bound, a rule names an event nobody declares,
    /// or a thread cannot be started.
    pub fn start(self) -> Result<Running, ServerError> {
        crate::running::start(self)
    }
}
