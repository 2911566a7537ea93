//! The decision on a request, from its head.
//! Never: a byte of the body; a response.

pub(crate) mod target; // the target of a request's path
pub(crate) mod client_headers; // what a request reports about its client
pub(crate) mod media_type; // the media type of a body
pub(crate) mod decide; // what a head requests, and whether it is permitted
