//! The engine: shards, HTTP, transports, connections, pipeline, rooms, delivery, refusals.
//! Never: SQL, configuration files, chat words.

mod setup; // what a product registers, and the start
mod listen; // sockets and TLS
mod http; // requests and responses
mod websocket; // from a request to a WebSocket
mod polling; // HTTP long-polling
mod connection; // an open connection and its task
mod connect; // from a credential to a socket in a namespace
mod events; // events and their handlers
mod rooms; // rooms and recovery
mod delivery; // from a broadcast to outboxes
mod shard; // one thread and its connections
mod load; // load levels and admission queues
mod admin; // the private listener
mod random; // identifiers nobody can guess
mod refuse; // the one way out for refusals
#[cfg(feature = "testing")]
pub mod testing; // a context without a server

pub use admin::readiness::ReadyFact;
pub use connection::socket::SocketId;
pub use delivery::broadcast::{Acknowledged, Answered, Broadcast, Operation, SocketInfo};
pub use delivery::hub::{Acknowledge, Delta, Hub};
pub use events::context::{Context, Reply, Surroundings};
pub use events::frame::Frame;
pub use events::namespace::{Departure, NamespaceBuilder};
pub use events::payload::Payload;
pub use events::raw_engine::EngineMessage;
pub use http::api::{ApiCaller, ApiRequest, ApiResponse, Method, ResponseKind};
pub use load::machine::memory_max_bytes;
pub use load::waiting::{WaitingRooms, Waits};
pub use random::random_id;
pub use rooms::recovery::{Recovered, Recovering};
pub use setup::builder::Builder;
pub use setup::operator_keys::OperatorKeys;
pub use setup::options::{ConnectAnswer, Credentials, Options, ProxyProtocol, StrictTransport};
pub use setup::port::{ReservedPort, refuse_taken, reserve_port, try_bind};
pub use setup::running::{Running, ServerError};
