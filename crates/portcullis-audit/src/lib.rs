//! Security records: ECS JSON lines through a bounded queue.
//! Never: decisions.

mod record; // what happened, as fields
mod audit; // the handle everyone records through
mod sampling; // how many records of one kind from one source are kept
mod queue; // two bounded lanes between those who record and the one who writes
mod writer; // the thread that writes lines
mod search; // finds records in the files of the log
mod encode; // one record as one line of ECS JSON

pub use audit::{Audit, AuditCounts, AuditError, AuditOptions};
pub use encode::utc;
pub use record::{Outcome, Record};
pub use search::find_reference;
