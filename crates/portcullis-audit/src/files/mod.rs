//! Files on the disk: the open one, closed ones, the reserve.
//! Never: a decision about which records are kept.

pub(crate) mod log_file; // the open file
pub(crate) mod sequence; // the last number, kept apart from the log
pub(crate) mod segment; // closed files: names, and which of them are kept
pub(crate) mod sync; // the thread that waits for the disk
pub(crate) mod compress; // gzip of closed files
pub(crate) mod reserve; // space that is kept for a full disk
pub(crate) mod disk; // the operations of the disk
pub(crate) mod search; // finds records in all files
