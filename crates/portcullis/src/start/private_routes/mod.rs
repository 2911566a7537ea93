//! Operations on the private listener that need parts of the whole server.
//! Never: an operation of the public listener.

pub(crate) mod operations; // operations of administrators
pub(crate) mod reload_route; // the reload on the private listener
pub(crate) mod backups; // copies of the database for backups, and their age
pub(crate) mod drill_routes; // the proof and the control of a drill
