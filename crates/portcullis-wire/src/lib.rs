//! Bytes to packets and back: HTTP heads, WebSocket, Engine.IO, Socket.IO, plain JSON.
//! Never: sockets, clocks, users.

pub mod proxy_protocol; // the client address that a proxy reports
pub mod http1; // HTTP/1.1 request and response heads
pub mod websocket; // RFC 6455 and RFC 7692, server side
pub mod engineio; // Engine.IO v4 packets, parameters and sessions
pub mod socketio; // Socket.IO v5 packets, default parser
pub mod plain; // the JSON form for clients without a library
mod packet_fault; // why a packet is rejected
mod json; // strings in JSON
