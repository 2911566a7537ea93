//! The decision on a request, from its head.
//! Never: a byte of the body; a response.

pub(crate) mod target; // the target of a request's path
pub(crate) mod head_request; // a head with its client and its target
pub(crate) mod client_headers; // facts about a client for products
pub(crate) mod media_type; // the media type of a body
pub(crate) mod outcome; // the closed list of decisions
pub(crate) mod decide; // pages, routes, preflights, plain upgrades
pub(crate) mod decide_engine; // Engine.IO handshakes, polls, posts, upgrades
