//! The options in force, and their replacement while the server runs.
//! Never: options that are replaced one by one; a reader gets all old or all new ones.

pub(crate) mod current; // the options in force, as every stage reads them
pub(crate) mod fixed; // options that need a restart
pub(crate) mod prepared; // options that are checked and not in force yet
