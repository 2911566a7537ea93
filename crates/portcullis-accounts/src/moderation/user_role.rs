//! `user:role {userId, roles}`: an administrator sets the roles of a user.
//! Never: an unknown role, or a server without an administrator.

use std::sync::Arc;

use portcullis_guard::{Access, Event, Permit, Priority, Rate, Rule, field};
use portcullis_model::{Denial, Role, UserId};
use portcullis_server::{Context, Reply};
use portcullis_store::UserChangeKind;
use serde::Deserialize;

use super::change::{Moderation, read_roles};
use super::target;
use crate::accounts::Accounts;

/// The payload: all roles of the user after the change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UserRole {
    #[serde(deserialize_with = "field::user_id")]
    user_id: UserId,
    roles: Vec<String>,
}

impl Event for UserRole {
    const NAME: &'static str = "user:role";
    const RULE: Rule = Rule {
        fields: &["userId", "roles"],
        size_max_bytes: 2 * 1024,
        rate: Some(Rate::per(30, 60_000)),
        access: Access::Role(Role::Admin),
        sensitive: true,
        login_max_age_s: 300,
        priority: Priority::Vital,
        ..Rule::DEFAULT
    };
}

/// Acknowledges with `ok` when the roles are in force on all open connections.
pub(crate) async fn handle(
    accounts: Arc<Accounts>,
    permit: Permit<UserRole>,
    context: Context,
) -> Result<Reply, Denial> {
    let roles = permit.roles();
    let (by, payload, _envelope) = permit.into_parts();
    let found = target::find(&context.directory, (&by, roles), &payload.user_id)?;
    let unknown = Denial::Schema { field: Some("roles"), rule: "role" };
    let roles = read_roles(&accounts.roles, &payload.roles).ok_or(unknown)?;
    let change = Moderation::Store(UserChangeKind::Roles(roles));
    target::change::<UserRole>(&accounts, &context, (&by, &found), change, None).await
}
