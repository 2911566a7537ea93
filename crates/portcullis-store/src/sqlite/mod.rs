//! The embedded backend: SQLite, one thread that writes and a few that read.
//! Never: a call that blocks its caller.

pub(crate) mod store; // opens the database, and holds its queues
pub(crate) mod blocks; // blocked networks
pub(crate) mod rooms; // the trait of rooms
pub(crate) mod messages; // the trait of messages
pub(crate) mod accounts; // the trait of accounts
pub(crate) mod changes; // the trait of changes
pub(crate) mod operator; // the same database, opened by an operator's command
pub(crate) mod options; // queues, batches, threads, free space
pub(crate) mod database; // files, tables, connections
pub(crate) mod writer; // the thread that writes: batches, commits, rechecks
pub(crate) mod copy; // copies of the database, and their checks
pub(crate) mod reader; // the threads that read
pub(crate) mod tables; // rooms and messages: the SQL of their changes
pub(crate) mod account_tables; // users, sessions and factors: the SQL of their changes
pub(crate) mod sealed_fields; // sealed texts and second factors
pub(crate) mod sealing_keys; // the keys that stored values need
pub(crate) mod columns; // how columns are read
pub(crate) mod error; // errors of SQLite
#[cfg(test)]
pub(crate) mod fixture; // users, rooms and messages for the tests
