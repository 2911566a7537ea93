//! The database itself: files, tables, connections.
//! Never: a change of stored content.

pub(crate) mod files; // the lock, and the permissions of the files
pub(crate) mod migrations; // the tables, and the steps that create them
pub(crate) mod connection; // connections and their settings
pub(crate) mod inspect; // a database, before it is opened
