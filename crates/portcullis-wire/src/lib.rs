//! Bytes to packets and back: HTTP heads, WebSocket, Engine.IO, Socket.IO, plain JSON.
//! Never: sockets, clocks, users.

pub mod http1; // request heads: one reading, or a refusal
mod http1_target; // path, query and authority of a request
mod http1_upgrade; // the opening handshake of a WebSocket
mod http1_response; // response heads
pub mod websocket; // RFC 6455, server side: its words, limits and faults
mod websocket_decoder; // bytes to messages
mod websocket_header; // one frame's header, judged byte by byte
mod websocket_mask; // unmasking in place
mod websocket_assembly; // a message while its bytes arrive
pub mod websocket_payload; // our own frames, for a transport without frames
pub mod websocket_deflate; // compression, when both sides want it
mod websocket_encode; // messages to frames
pub mod proxy_protocol; // whose connection a proxy hands on
pub mod engineio; // Engine.IO v4 packets and parameters
pub mod socketio; // Socket.IO v5 packets, default parser
pub mod plain; // the JSON form for clients without a library
pub mod session; // heartbeat and CONNECT deadline of one Engine.IO session

#[cfg(test)]
mod http1_tests; // tables of request heads
#[cfg(test)]
mod websocket_tests; // tables of frames, and the same bytes in every cut
