//! The database itself: files, tables, connections.
//! Never: a change of what users have stored.

pub(crate) mod files; // the lock, and who can read the files
pub(crate) mod migrations; // tables, migrations and settings of a connection
pub(crate) mod inspect; // a database, before it is opened
