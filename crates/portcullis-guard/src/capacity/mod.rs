//! Counts of connections, by pool and by address prefix.
//! Never: rates; a connection that ends gives its capacity back.

pub(crate) mod client_class; // unauthenticated, returning, administrator
pub(crate) mod address; // addresses and their prefixes
pub(crate) mod prefix_usage; // what an address prefix holds
pub(crate) mod slots; // counts of connections
pub(crate) mod pools; // pools, and the slots taken from them
