//! Security records: ECS JSON lines through a bounded queue.
//! Never: decisions.

mod record; // what happened, as fields
mod audit; // the handle everyone records through

pub use audit::{Audit, AuditCounts, AuditError, AuditOptions};
pub use record::{Outcome, Record};
