//! The start of the server binary: checks, wiring, output, signals.
//! Never: parsing of the configuration.

pub(crate) mod private_routes; // operations on the private listener
pub(crate) mod logging; // logs, their keys, and channels of alerts
pub(crate) mod wiring; // one server from all parts
pub(crate) mod validate; // checks before a start
pub(crate) mod preparation; // data directory, ports, files, operational log
pub(crate) mod files; // the files that the server writes: names, owners, modes
mod clock_check; // a clock that was set back before the start
pub(crate) mod pages; // the chat page inside the binary
pub(crate) mod banner; // addresses and links on standard output
pub(crate) mod signals; // signals and ticks
pub(crate) mod supervisor; // messages to the service manager
pub(crate) mod start_extension; // more time from the service manager for a long start
mod main_loop; // the loop of the main thread while the server runs
pub(crate) mod self_audit; // the regular audit of the running server
pub(crate) mod certificate_watch; // reminders and alerts before the certificate expires
