//! The engine: shards, HTTP, transports, connections, pipeline, rooms, delivery, refusals.
//! Never: SQL, configuration files, chat words.

mod operator_keys; // what operators show on the private listener
mod options; // plain numbers the engine runs by
mod builder; // what a product registers before the start
mod namespace; // namespaces by name or pattern, with their events and hooks
mod api; // HTTP requests and responses as products see them
mod context; // what a handler gets beside its permit, and what it gives back
mod payload; // what events and acknowledgements carry
mod covered_rooms; // which rooms a handler may emit to
mod broadcast; // whom an event goes to
mod gather; // answers from every shard
mod end;
mod event_table; // declared events and their handlers, by name
mod frame; // an event encoded once in every wire form
mod hub; // the way into every shard, for deliveries
mod raw_engine; // Engine.IO with nothing above it
mod running; // threads, readiness, drain
mod port; // a port fixed before the start
mod pace; // how fast a peer delivers what is waited for
mod listen; // sockets under an accept budget, TLS under a deadline
mod tls_hello; // the first flight of TLS, and the session it resumes
mod stream; // a socket, plain or TLS, polled by hand
mod http; // one HTTP connection, request by request
mod http_decide; // what a head asks for, and whether it may
mod http_read; // heads and bodies, bounded and timed
mod http_route; // which door a request asks for
mod http_source; // what another site's page may have caused
mod media_type; // what a body says it is
mod http_respond; // answers, with their security headers
mod http_polling; // a session opened, polled, posted to
mod http_move; // a connection handed to the shard of its session
mod headers; // security headers and CORS on every response
mod session_id; // secret ids that know their shard
mod upgrade; // from request to connection
mod upgrade_probe; // a WebSocket that takes over a long-polling session
mod connection; // what a shard shares of one connection
mod connection_queue; // what is queued for it, in its client's form
mod connection_closing; // the end of one
mod connection_task; // the one task of a connection
mod comer; // who opens a connection
mod control_rate; // how many pings a WebSocket may send
mod connection_packet; // from frames to packets to acts
mod connection_read; // bytes of the peer, and when more are read
mod connection_polling; // posted packets, and the switch to a WebSocket
mod polling; // who polls, what was posted
mod attachments; // packets that wait for their binary data
mod backlog; // bytes that were read and have to wait
mod acks; // questions the server has asked
mod pipeline; // decode, permit, dispatch, answer
mod connect; // Socket.IO CONNECT and the plain form's connect
mod auth_refresh; // a newer token for an open connection
mod chores; // what is done again and again
mod connect_identity; // who asks to come in
mod connect_job;
mod connect_room; // a CONNECT that waits for a hook
mod socket; // a connection's place in a namespace
mod sockets; // the sockets of a connection
mod numbers; // the connections of a user
mod recovery; // places kept for who comes back
mod offset; // what a client is told of its place in a history
mod record_connection; // the records of a connection's life
mod outbox; // frames waiting to be written, bounded
mod rooms; // who on this shard is where
mod deliver; // deliveries applied in order
mod operate; // operations on chosen sockets
mod timer; // a wheel of deadlines
mod tls_turns; // when a TLS handshake begins
mod waiting; // who waits for a place, for a short time
mod shard; // one thread's world
mod refuse; // the one way out for refusals
mod random; // identifiers nobody can guess
mod metrics; // counters
mod private_admin; // what operators ask and change there
mod private_host; // under which names operators ask
mod private_listen; // the listeners of operators and probes
mod machine; // how much of the machine there is
mod pressure; // how hard-pressed the server is
mod vitals; // whether threads and lasting tasks run
mod readiness; // what `/ready` reports
#[cfg(feature = "testing")]
pub mod testing; // a context without a server
mod private; // health, readiness, metrics for operators

pub use api::{ApiRequest, ApiResponse, Method, ResponseKind};
pub use broadcast::{Acknowledged, Answered, Broadcast, Operation, SocketInfo};
pub use builder::Builder;
pub use context::{Context, Reply, Surroundings};
pub use frame::Frame;
pub use hub::{Acknowledge, Delta, Hub};
pub use machine::memory_max_bytes;
pub use namespace::{Departure, NamespaceBuilder};
pub use operator_keys::OperatorKeys;
pub use options::{ConnectAnswer, Credentials, Options, ProxyProtocol, StrictTransport};
pub use payload::Payload;
pub use port::{ReservedPort, refuse_taken, reserve_port, try_bind};
pub use random::random_id;
pub use raw_engine::EngineMessage;
pub use readiness::ReadyFact;
pub use recovery::{Recovered, Recovering};
pub use running::{Running, ServerError};
pub use socket::SocketId;
pub use waiting::{WaitingRooms, Waits};
