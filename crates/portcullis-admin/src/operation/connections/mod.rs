//! Operations on connections and on the networks that they come from.
//! Never: the connection of the caller.

pub(crate) mod connection_id; // the id of a connection
pub(crate) mod connection_list; // `admin:connections`, `admin:connection`
pub(crate) mod effect; // the connections that a change would affect
pub(crate) mod connection_close; // `connection:close`
pub(crate) mod block; // `address:block`, `address:unblock`, `admin:blocks`
