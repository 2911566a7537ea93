//! Security records: ECS JSON lines through a bounded queue.
//! Never: decisions.

mod record; // what happened, as fields
mod options; // where records go, how many may wait, how long files are kept
mod audit; // the handle everyone records through
mod class; // which party caused a record
mod budget; // bytes that records of one group may take in a day
mod sampling; // how many records of one kind from one source are kept
mod queue; // bounded lanes between those who record and the thread that writes
mod writer; // the thread that writes lines
mod watch; // what it looks after once a second
mod service; // what every line says about the server
mod encode; // one record as one line of ECS JSON
mod file; // the file that is open
mod sequence; // the last number, kept apart from the log
mod segment; // closed files: names, and which of them are kept
mod sync; // the thread that waits for the disk
mod compress; // a closed file becomes smaller
mod reserve; // room on the disk for a full disk
mod disk; // what is asked of the disk
mod search; // finds records in the files of the log
mod output; // standard output and standard error, which may have no reader
#[cfg(test)]
mod tests; // the log as a whole, with faults of the disk

pub use audit::{Audit, AuditCounts};
pub use encode::utc;
pub use options::{AuditError, AuditOptions};
pub use output::Output;
pub use record::{Outcome, Record};
pub use search::find_reference;
pub use writer::LogState;
