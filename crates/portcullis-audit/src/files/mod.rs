//! Files on the disk: the open one, closed ones, the reserve.
//! Never: a decision about which records are kept.

pub(crate) mod log_file; // the open file: append, rotate, detect changes
pub(crate) mod file_id; // device and inode of a file
pub(crate) mod last_number; // finds the last sequence number in the log's files
pub(crate) mod sequence; // the last sequence number in a file of its own
pub(crate) mod segment; // closed files: their names and their expiry
pub(crate) mod segment_lock; // one program at a time changes closed files
pub(crate) mod rotation_request; // a rotation that another program wants
pub(crate) mod retention; // removes and compresses closed files
pub(crate) mod personal_retention; // erases old personal parts
pub(crate) mod compress; // compresses one closed file
pub(crate) mod sync; // the thread that syncs files
pub(crate) mod reserve; // disk space for operations while the disk is full
pub(crate) mod disk; // the operations of the disk
pub(crate) mod path; // folder and suffix of a path
