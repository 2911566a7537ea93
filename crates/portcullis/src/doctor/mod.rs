//! The checks of `portcullis doctor` and of the regular audit of a running server.
//! Never: a change; a check reads files, connects to the server's own listeners, and reports.

pub(crate) mod examine; // all checks in their order
pub(crate) mod examination; // what all checks get
mod state; // the configuration, the machine, administrators, exceptions, channels
mod files; // modes, keys, backups, the security log, disks
mod network; // TLS, headers, the private listener
mod advisory; // advisories about dependencies
