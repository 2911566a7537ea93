//! The contract of an operation: a payload, a rule, and a run that answers or rejects.
//! Never: a difference between a user in `/admin` and an operator at the machine.

use std::sync::Arc;

use portcullis_guard::{Access, Event, Priority, Rate, Rule};
use portcullis_model::{Denial, Role};
use portcullis_server::Reply;

use crate::operation::call::Call;
use crate::operation::desk::Desk;

/// One operation. Its name, payload and rule are those of the event.
///
/// Start the rule from [`READ`] or [`CHANGE`]: the gate then rejects changes by auditors.
pub(crate) trait Operation: Event + Send + Sync {
    /// Runs to its end, also when the caller disconnects.
    fn run(self, desk: Arc<Desk>, call: Call)
    -> impl Future<Output = Result<Reply, Denial>> + Send;
}

/// The rule of an operation that reads: administrators and auditors.
pub(crate) const READ: Rule = Rule {
    access: Access::Role(Role::Auditor),
    rate: Some(Rate::per(120, 60_000)),
    priority: Priority::Vital,
    ..Rule::DEFAULT
};

/// The rule of an operation that changes something: administrators who logged in within 15 min.
pub(crate) const CHANGE: Rule = Rule {
    access: Access::Role(Role::Admin),
    rate: Some(Rate::per(30, 60_000)),
    priority: Priority::Vital,
    login_max_age_s: 900,
    ..Rule::DEFAULT
};

/// The greatest age of the login for a change, in seconds. A preview only reads, so it needs none.
pub(crate) fn login_max_age_s(rule: &Rule, dry_run: bool) -> u32 {
    if dry_run { 0 } else { rule.login_max_age_s }
}

/// Items of a list when the payload names no number, and the most that it can name.
const PAGE: (usize, usize) = (50, 200);

/// The number of items of a list.
///
/// # Errors
/// A denial when it is 0 or above the maximum.
pub(crate) fn page_size(limit: Option<usize>) -> Result<usize, Denial> {
    let (usual, max) = PAGE;
    let limit = limit.unwrap_or(usual);
    if (1..=max).contains(&limit) {
        return Ok(limit);
    }
    Err(Denial::app("limit_invalid", format!("limit must be from 1 to {max}")))
}
