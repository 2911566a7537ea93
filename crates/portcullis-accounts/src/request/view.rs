//! JSON members that several account routes answer with.
//! Never: a field that the user must not see.

use std::sync::Arc;

use portcullis_model::{RoleTable, Roles, UserId};
use serde::Serialize;

/// `{ok: true}`, for routes that return nothing else.
#[derive(Serialize)]
pub(crate) struct OkView {
    ok: bool,
}

impl OkView {
    pub(crate) const OK: Self = Self { ok: true };
}

/// A user as the account routes show them.
#[derive(Debug, Serialize)]
pub(crate) struct UserView {
    id: String,
    username: Arc<str>,
    roles: Vec<String>,
}

impl UserView {
    pub(crate) fn new(id: &UserId, username: Arc<str>, roles: Roles, table: &RoleTable) -> Self {
        let roles = table.names(roles).into_iter().map(String::from).collect();
        Self { id: id.to_string(), username, roles }
    }
}
