//! Whether the store can write: the state, and the disk that it depends on.
//! Never: SQL, or a type of one backend.

pub(crate) mod monitor; // the states, and when they change
pub(crate) mod status; // the state as other threads read it
pub(crate) mod disk_watch; // free space, and results of writes
pub(crate) mod file_watch; // whether the database's files still exist
pub(crate) mod reserve_file; // space that is released when the disk is full
