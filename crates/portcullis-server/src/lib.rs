//! The engine: shards, HTTP, transports, connections, events, rooms, delivery, rejections.
//! Never: SQL, configuration files, chat words.

mod setup; // registrations of a product, and the start
mod listen; // sockets and TLS
mod http; // requests and responses
mod websocket; // from a request to a WebSocket
mod polling; // HTTP long-polling
mod connection; // an open connection and its sockets
mod task; // the task of a connection: its input and its jobs
mod connect; // from a credential to a socket in a namespace
mod events; // events and their handlers
mod rooms; // rooms and recovery
mod delivery; // from a broadcast to the outboxes
mod shard; // one thread and its connections
mod load; // load samples and admission queues
mod admin; // the private listener
mod random; // unpredictable identifiers
mod rejection; // rejections: text, record and counter
#[cfg(feature = "testing")]
pub mod testing; // a context without a server

pub use admin::limit_view::{limit_view, prefix_view};
pub use connection::socket_id::SocketId;
pub use delivery::broadcast::{AckResponses, Broadcast};
pub use delivery::hub::{Acknowledge, Delta, Hub};
pub use delivery::inspect::{
    ConnectionFilter, ConnectionInfo, ConnectionPage, InspectionRequest, inspect_connection,
    inspect_connections,
};
pub use delivery::operation::{AckResponse, Operation, SocketInfo};
pub use delivery::select::{count_connections, end_connections};
pub use delivery::selection::{ConnectionSelection, SelectionCounts, SelectionRequest};
pub use delivery::timing::DeliveryTiming;
pub use events::completion::run_to_completion;
pub use events::context::{Context, Services};
pub use events::frame::Frame;
pub use events::namespace::{Departure, NamespaceBuilder};
pub use events::payload::Payload;
pub use events::raw_engine::EngineMessage;
pub use events::reply::Reply;
pub use http::api::{
    ApiCaller, ApiCredentials, ApiHeaders, ApiRequest, ApiResponse, Method, ResponseKind,
};
pub use listen::pending_challenges::{
    ACME_TLS, CHALLENGES_MAX, ChallengeAnswer, PendingChallenges,
};
pub use listen::tls_protocol::{TlsVersions, complete_tls, tls_builder};
pub use load::admission_queue::{AdmissionQueues, QueueLimits};
pub use load::process_limits::memory_max_bytes;
pub use load::rejected_parties::{PartyKind, PartyRejection, RejectedParties, RejectedParty};
pub use load::samples::LoadReason;
pub use load::status::ServerStatus;
pub use random::random_id;
pub use rooms::kept_sockets::{RecoveryOutcome, RecoveryRequest};
pub use setup::builder::Builder;
pub use setup::dashboard::DashboardParts;
pub use setup::operator_keys::OperatorKeys;
pub use setup::operator_proof::{
    ANSWER_PROOF_HEADER, NONCE_BYTES, OperatorAnswer, OperatorRequest,
};
pub use setup::options::{ConnectAnswer, Credentials, Options, ProxyProtocol, StrictTransport};
pub use setup::port::{ReservedPort, reject_used_port, reserve_port, try_bind};
pub use setup::registered::ReadyFact;
pub use setup::running::{HealthReader, Running, ServerError};
