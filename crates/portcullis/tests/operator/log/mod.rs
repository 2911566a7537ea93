//! The security log of a running server: written, forwarded, read, verified, erased.
//! Never: what alerts make of it.

mod security_log; // rotated by an operator, unread, on a disk that hangs
mod audit; // the log verified, personal data erased
mod audit_commands; // the security log, read by commands
mod references; // what clients quote
mod attacked; // files of another server, a clock that is set
mod stalled; // operations while the disk hangs
mod syslog; // the security log at an rsyslog that restarts
