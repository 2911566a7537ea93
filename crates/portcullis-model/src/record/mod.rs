//! Codes and severities of security records.
//! Never: the record itself, or where it is written.

mod code; // the name of each security record
mod severity; // how much a record matters

pub use code::{Code, CodeClass};
pub use severity::Severity;
