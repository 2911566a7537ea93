//! Raw clients: TLS, HTTP, WebSocket, Socket.IO, long-polling.
//! Never: a library that hides bytes.

pub(crate) mod connection; // a socket, plain or TLS, read under a deadline
pub(crate) mod handshake; // parts of a TLS handshake
pub(crate) mod http; // requests written by hand, answers read
pub(crate) mod websocket; // frames written by hand, frames read
pub(crate) mod events; // packets of events as text
pub(crate) mod socketio; // a Socket.IO client that can misbehave
pub(crate) mod narrow; // a socket with a tiny receive buffer
pub(crate) mod polling; // a long-polling client that can misbehave
pub(crate) mod plain; // the plain form
