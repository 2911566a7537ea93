//! Security records: ECS JSON lines through a bounded queue.
//! Never: decisions.

mod audit; // the handle that the other crates record through
mod options; // where records go, how many may wait, how long files are kept
mod record; // one record: its fields, its lane, its line of JSON
mod sampling; // which records of rejected requests are kept
mod queue; // bounded lanes between recorders and the thread that writes
mod writer; // the thread that writes lines
mod files; // files on the disk: the open one, closed ones, the reserve
mod output; // standard output and standard error, which may have no reader
#[cfg(test)]
mod tests; // the log as a whole, with faults of the disk

pub use audit::{Audit, AuditCounts};
pub use files::search::find_reference;
pub use options::{AuditError, AuditOptions};
pub use output::Output;
pub use record::encode::utc;
pub use record::fields::{Outcome, Record};
pub use writer::thread::LogState;
