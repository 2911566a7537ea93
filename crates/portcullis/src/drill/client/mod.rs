//! The client of a drill: bounded connections to one target, and requests of any shape.
//! Never: a connection to another address than the target's; a wait without an end.

pub(crate) mod target; // the address of the deployment
pub(crate) mod obstacle; // why a case could not be tried
pub(crate) mod budget; // how many connections, and until when
pub(crate) mod bounded_socket; // a socket whose reads and writes end at a deadline
pub(crate) mod connection; // a socket, with TLS or without it
pub(crate) mod request; // a request, written as it is
pub(crate) mod answer; // a response, a closed connection, or silence
pub(crate) mod websocket; // frames of any shape, and how the server ends a socket
pub(crate) mod slow_client; // clients that send too little, and how the target ends them
pub(crate) mod attacker; // what a case gets: the target, facts of the server, and its control
pub(crate) mod facts; // what the configuration says that the target has to do
