//! Checks of files: modes, keys, backups, the security log, the space on disks.
//! Never: the content of a key in a text.

pub(super) mod modes; // D4
pub(super) mod key_ages; // D5
pub(super) mod backup; // D6
pub(super) mod log_proof; // D7
pub(super) mod renamed_log; // D7: files of other programs
pub(super) mod disk; // D8
