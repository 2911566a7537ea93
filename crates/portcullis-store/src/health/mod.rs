//! Whether the store can write: the state, and the disk that it depends on.
//! Never: SQL, or a type of one backend.

pub(crate) mod monitor; // the states, and when they change
pub(crate) mod disk_watch; // free space, and how writes went
pub(crate) mod file_watch; // whether the database's files are where they belong
pub(crate) mod reserve_file; // space that is given up when the disk is full
