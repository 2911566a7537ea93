//! The engine: shards, HTTP, transports, connections, pipeline, rooms, delivery, refusals.
//! Never: SQL, configuration files, chat words.

mod options; // plain numbers the engine runs by
mod builder; // what a product registers before the start
mod api; // HTTP requests and responses as products see them
mod context; // what a handler gets beside its permit, and what it gives back
mod event_table; // declared events and their handlers, by name
mod frame; // an event encoded once in every wire form
mod hub; // the way into every shard, for deliveries
mod running; // threads, readiness, drain
mod listen; // sockets under an accept budget, TLS under a deadline
mod stream; // a socket, plain or TLS, polled by hand
mod http; // one HTTP connection, request by request
mod http_read; // heads and bodies, bounded and timed
mod http_route; // which door a request asks for
mod http_respond; // answers, with their security headers
mod headers; // security headers and CORS on every response
mod upgrade; // from request to connection // health, readiness, metrics for operators
mod connection; // what a shard shares of one connection
mod connection_task; // the one task of a connection
mod connection_packet; // from frames to packets to acts
mod pipeline; // decode, permit, dispatch, answer
mod connect; // Socket.IO CONNECT and the plain form's connect
mod outbox; // frames waiting to be written, bounded
mod rooms; // who on this shard hears a room
mod deliver; // deliveries applied in order
mod timer; // a wheel of deadlines
mod shard; // one thread's world
mod refuse; // the one way out for refusals
mod random; // identifiers nobody can guess
mod metrics; // counters
mod private;

pub use api::{ApiRequest, ApiResponse, Method, ResponseKind};
pub use builder::Builder;
pub use context::{Context, Reply};
pub use frame::Frame;
pub use hub::{Delta, Hub};
pub use options::Options;
pub use random::random_id;
pub use running::{Running, ServerError};
