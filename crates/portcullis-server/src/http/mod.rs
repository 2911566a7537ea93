//! HTTP/1.1: heads, bodies, routes and responses.
//! Never: packets of a session.

pub(crate) mod api; // requests and responses as products see them
pub(crate) mod connection; // a TCP connection in the HTTP stage
pub(crate) mod next; // what follows a request
pub(crate) mod serve; // the requests of one connection
pub(crate) mod http_stream; // heads and bodies, bounded and timed
pub(crate) mod decision; // what a head requests, and whether it is permitted
pub(crate) mod source; // what another site's page may have caused
pub(crate) mod responder; // answers, with their security headers
pub(crate) mod headers; // security headers and CORS on every response
pub(crate) mod transfer; // a TCP connection on its way to another shard
pub(crate) mod shard_transfer; // a connection handed to the shard of its session
