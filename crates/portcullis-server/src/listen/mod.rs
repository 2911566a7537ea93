//! Sockets accepted under a budget, TLS under a deadline.
//! Never: a request.

pub(crate) mod bind; // listeners whose port all shards share
pub(crate) mod accept; // sockets under an accept budget
pub(crate) mod intake_slots; // slots for connections in the HTTP stage
pub(crate) mod listener_kind; // public listener or redirect listener
pub(crate) mod accepted_socket; // PROXY header, limits, TLS, then HTTP
pub(crate) mod stream; // a socket, plain or TLS, polled by hand
pub(crate) mod tls_protocol; // versions, cipher suites, ALPN, resumption
pub(crate) mod tls_handshake; // a handshake, complete in time or rejected
pub(crate) mod tls_hello; // the ClientHello, and the session it resumes
pub(crate) mod pending_challenges; // challenges of a certificate authority
pub(crate) mod tls_schedule; // when a TLS handshake starts
pub(crate) mod receive_rate; // the minimum receive rate of a peer
