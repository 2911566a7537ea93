//! CONNECT: from a credential to a socket in a namespace.
//! Never: events.

pub(crate) mod packet; // Socket.IO CONNECT and the plain form's connect
pub(crate) mod identity; // which principal a credential proves
pub(crate) mod job; // work that waits for a hook
pub(crate) mod capacity; // a CONNECT that waits for a free connection slot
pub(crate) mod auth_refresh; // a newer token for an open connection
