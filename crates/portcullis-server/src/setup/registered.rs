//! The registrations of a product, shared by all shards.
//! Never: a change after the start.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_guard::{Algorithm, DeclaredEvent, Gate, ShareUse, User, VerifiedCredential};
use portcullis_model::{Denial, Now, RoomId};

use crate::admin::product_metrics::Measure;
use crate::connect::auth_refresh::AuthRefresh;
use crate::delivery::hub::Hub;
use crate::events::answer_memory::AnswerMemory;
use crate::events::context::Services;
use crate::events::namespace::{HookFuture, NamespaceTable};
use crate::events::raw_engine::RawEngine;
use crate::events::reply::Reply;
use crate::http::api::{Page, Route};
use crate::setup::dashboard::DashboardParts;

type ForeignUserHook =
    Box<dyn Fn(Arc<Services>, IpAddr, VerifiedCredential) -> HookFuture + Send + Sync>;
type UnknownKeyHook = Box<dyn Fn(Arc<Services>, Algorithm, Now) -> HookFuture + Send + Sync>;
type RoomHook = Box<dyn Fn(&Hub, RoomId, Arc<User>) + Send + Sync>;

/// The future of one run of a periodic task.
pub(crate) type PeriodicFuture = Pin<Box<dyn Future<Output = ()>>>;

/// The future of one operation on the private listener.
pub(crate) type PrivateFuture = Pin<Box<dyn Future<Output = Result<Reply, Denial>>>>;

/// An operation of the product on the private listener.
pub(crate) struct PrivateRoute {
    /// The path below `/admin/v1/`.
    pub(crate) path: String,
    pub(crate) handler: Box<dyn Fn(Arc<Services>, Bytes) -> PrivateFuture + Send + Sync>,
}

/// Reads the use of the product's tables.
pub(crate) type TablesReader = Box<dyn Fn(&Gate, Now) -> Vec<ShareUse> + Send + Sync>;

/// The registrations of a product.
pub(crate) struct Registrations {
    pub(crate) namespaces: NamespaceTable,
    pub(crate) routes: Vec<Route>,
    pub(crate) private_routes: Vec<PrivateRoute>,
    pub(crate) pages: Vec<Page>,
    pub(crate) dashboard: DashboardParts,
    pub(crate) hooks: Hooks,
    pub(crate) periodic_tasks: Vec<PeriodicTask>,
    pub(crate) reports: Reports,
    /// Declared when the server starts, unless it requires no credential.
    pub(crate) auth_refresh: Option<DeclaredEvent<AuthRefresh>>,
    pub(crate) engine: Option<RawEngine>,
    /// Answers of events that carried a `mid`.
    pub(crate) answers: Arc<AnswerMemory>,
}

impl Registrations {
    pub(crate) fn new() -> Self {
        Self {
            namespaces: NamespaceTable::new(),
            routes: Vec::new(),
            private_routes: Vec::new(),
            pages: Vec::new(),
            dashboard: DashboardParts::default(),
            hooks: Hooks::default(),
            periodic_tasks: Vec::new(),
            reports: Reports::default(),
            auth_refresh: None,
            engine: None,
            answers: Arc::default(),
        }
    }
}

/// The hooks that belong to no namespace.
#[derive(Default)]
pub(crate) struct Hooks {
    /// Runs for a verified user of another issuer, before authentication.
    pub(crate) foreign_user: Option<ForeignUserHook>,
    /// Runs when a token names an unknown key.
    pub(crate) unknown_key: Option<UnknownKeyHook>,
    /// Runs when a recovered socket is the user's first one in a room.
    pub(crate) room_watched: Option<RoomHook>,
    /// Runs when the user's last socket leaves a room by disconnecting.
    pub(crate) room_unwatched: Option<RoomHook>,
}

/// The product's reports to operators.
#[derive(Default)]
pub(crate) struct Reports {
    pub(crate) queues: Vec<QueueReport>,
    pub(crate) tables: Option<TablesReader>,
    pub(crate) ready_parts: Vec<ReadyPart>,
    pub(crate) measures: Vec<Measure>,
}

/// A task that runs at intervals while the server runs.
pub(crate) struct PeriodicTask {
    /// The name that `/ready` reports when a panic has ended it.
    pub(crate) name: &'static str,
    pub(crate) interval_ms: u64,
    pub(crate) run: Box<dyn Fn(Arc<Services>) -> PeriodicFuture + Send + Sync>,
}

/// A queue of the product: its length and its capacity.
pub(crate) struct QueueReport {
    pub(crate) name: &'static str,
    pub(crate) read: Box<dyn Fn() -> (usize, usize) + Send + Sync>,
}

/// The state of one part of the server, for `/ready`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadyFact {
    /// The state in one word.
    pub state: &'static str,
    /// Whether the server can serve in this state.
    pub is_ready: bool,
}

/// A part of the product that `/ready` reports.
pub(crate) struct ReadyPart {
    pub(crate) name: &'static str,
    pub(crate) read: Box<dyn Fn() -> ReadyFact + Send + Sync>,
}
