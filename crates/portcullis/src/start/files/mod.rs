//! The files that the server writes: which they are, their owners, modes and directories.
//! Never: the content of a database, key or log.

pub(crate) mod output_files; // checks of the files that the server writes
pub(crate) mod owners; // files that the user of the server cannot use
pub(crate) mod modes; // files that other users can read
pub(crate) mod shared_directory; // directories in which other users can replace files
pub(crate) mod valid_copy; // a copy of the configuration in force, for commands
