//! Sockets accepted under a budget, TLS under a deadline.
//! Never: a request.

pub(crate) mod accept; // sockets under an accept budget, TLS under a deadline
pub(crate) mod intake_slots; // slots for connections in the HTTP stage
pub(crate) mod entrance; // the listener of a connection
pub(crate) mod stream; // a socket, plain or TLS, polled by hand
pub(crate) mod tls_hello; // the first flight of TLS, and the session it resumes
pub(crate) mod tls_schedule; // when a TLS handshake starts
pub(crate) mod receive_rate; // how fast a peer has to deliver
