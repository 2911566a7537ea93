//! HTTP/1.1: heads, bodies, routes and responses.
//! Never: packets of a session.

pub(crate) mod api; // requests and responses as products see them
pub(crate) mod http_stream; // a socket with its buffer: heads and bodies, bounded and timed
pub(crate) mod request_client; // the client of a request
pub(crate) mod headers; // security headers and CORS on every response
pub(crate) mod responder; // responses, with their security headers
pub(crate) mod connection; // a TCP connection in the HTTP stage
pub(crate) mod next; // the next step after a request
pub(crate) mod decision; // the request of a head, and whether it is permitted
pub(crate) mod source; // requests that a page of another site may have caused
pub(crate) mod report_call; // reports of browsers about the policy of a page
pub(crate) mod route_call; // the handler of a route
pub(crate) mod serve; // the requests of one connection
pub(crate) mod transfer; // a TCP connection between two shards
pub(crate) mod shard_transfer; // a connection sent to the shard of its session
pub(crate) mod arrivals; // connections received from other shards
