//! The engine: shards, HTTP, transports, connections, pipeline, rooms, delivery, refusals.
//! Never: SQL, configuration files, chat words.

mod api; // HTTP requests and responses as products see them
mod builder; // what a product registers before the start
mod connect; // Socket.IO CONNECT and the plain form's connect
mod connection; // what a shard shares of one connection
mod connection_packet; // from frames to packets to acts
mod connection_task; // the one task of a connection
mod context; // what a handler gets beside its permit, and what it gives back
mod deliver; // deliveries applied in order
mod event_table; // declared events and their handlers, by name
mod frame; // an event encoded once in every wire form
mod headers; // security headers and CORS on every response
mod http; // one HTTP connection, request by request
mod http_read; // heads and bodies, bounded and timed
mod http_respond; // answers, with their security headers
mod http_route; // which door a request asks for
mod hub; // the way into every shard, for deliveries
mod listen; // sockets under an accept budget, TLS under a deadline
mod metrics; // counters
mod options; // plain numbers the engine runs by
mod outbox; // frames waiting to be written, bounded
mod pipeline; // decode, permit, dispatch, answer
mod private;
mod random; // identifiers nobody can guess
mod refuse; // the one way out for refusals
mod rooms; // who on this shard hears a room
mod running; // threads, readiness, drain
mod shard; // one thread's world
mod stream; // a socket, plain or TLS, polled by hand
mod timer; // a wheel of deadlines
mod upgrade; // from request to connection // health, readiness, metrics for operators

pub use api::{ApiRequest, ApiResponse, Method, ResponseKind};
pub use builder::Builder;
pub use context::{Context, Reply};
pub use frame::Frame;
pub use hub::{Delta, Hub};
pub use options::Options;
pub use random::random_id;
pub use running::{Running, ServerError};
