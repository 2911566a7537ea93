//! Copies of the database: of a running server in small turns, of a stopped one at once.
//! Never: a second descriptor of the live file in the process of its server.

pub(crate) mod progress; // how far a copy is, as other threads see it
pub(crate) mod paged; // a copy in turns on the writer's connection
pub(crate) mod stopped; // a copy of a database that no server uses
pub(crate) mod check; // checks and migrates a copy
pub(crate) mod write_out; // passes bytes on to the disk meanwhile
