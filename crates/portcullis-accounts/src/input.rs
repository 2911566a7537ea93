//! What clients send to the account routes, and what every route does with it first.
//! Never: an unknown field taken, a password outside `Password`.

use std::sync::Arc;

use portcullis_audit::{Outcome, Record};
use portcullis_model::{Denial, RoleTable, Roles, Severity, UserId};
use portcullis_server::ApiRequest;
use portcullis_store::StoreError;
use serde::{Deserialize, Serialize};

use crate::password::Password;

/// A name and a password, for registering and logging in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NameAndPassword {
    pub(crate) username: String,
    pub(crate) password: Password,
}

/// The names that may appear in a refusal's `field`.
pub(crate) const NAME_AND_PASSWORD: &[&str] = &["username", "password"];

/// A user as the account routes show them.
#[derive(Debug, Serialize)]
pub(crate) struct UserView {
    id: String,
    username: Arc<str>,
    roles: Vec<String>,
}

impl UserView {
    pub(crate) fn new(id: &UserId, username: Arc<str>, roles: Roles) -> Self {
        let table = RoleTable::default();
        let roles = table.names(roles).into_iter().map(String::from).collect();
        Self { id: id.to_string(), username, roles }
    }
}

/// What the client hears of a store that fails; the operator finds the cause in the log.
pub(crate) fn store_denial(error: &StoreError) -> Denial {
    match error {
        StoreError::Busy => Denial::Busy,
        StoreError::Closed => Denial::Draining,
        StoreError::InUse(_)
        | StoreError::SchemaNewer { .. }
        | StoreError::Corrupt(_)
        | StoreError::File { .. }
        | StoreError::Database(_) => {
            tracing::error!(error = error as &dyn std::error::Error, "the store failed");
            Denial::Internal("store")
        }
    }
}

/// Records something a user did or became through an account route.
pub(crate) fn record_act(
    request: &ApiRequest,
    code: &'static str,
    severity: Severity,
    user: &UserId,
    username: &str,
) {
    let mut record = Record::new(code, severity);
    record.outcome = Outcome::Success;
    record.client = Some(request.client);
    record.user = Some(user.clone());
    record.user_name = Some(String::from(username));
    record.origin = request.origin.as_deref().map(String::from);
    request.audit.record(record, request.now);
}
