//! The embedded backend: SQLite, one thread that writes and a few that read.
//! Never: blocks a caller.

pub(crate) mod store; // opening it, and its queues
pub(crate) mod accounts; // the trait of accounts
pub(crate) mod database; // files, tables, connections
pub(crate) mod writer; // the thread that writes: batches, commits, rechecks
pub(crate) mod tables; // rooms and messages: the SQL of their changes
pub(crate) mod account_tables; // users, sessions and factors: the SQL of their changes
pub(crate) mod reader; // the threads that read
pub(crate) mod columns; // how columns are read
pub(crate) mod sealed_fields; // sealed texts and second factors
pub(crate) mod operator; // the same database, opened by the command line
#[cfg(test)]
pub(crate) mod fixture; // users, rooms and messages for the tests
