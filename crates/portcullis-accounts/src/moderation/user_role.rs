//! `user:role {userId, roles}`: what a user may do from now on.
//! Never: a role by a name that is none, or nobody left who administers.

use std::sync::Arc;

use portcullis_guard::{Access, Event, Permit, Priority, Rate, Rule, field};
use portcullis_model::{Denial, Role, Roles, UserId};
use portcullis_server::{Context, Reply};
use portcullis_store::UserChangeKind;
use serde::Deserialize;

use crate::accounts::Accounts;
use crate::moderation::change::{self, Act};
use crate::moderation::target;

/// The payload: all roles the user has afterwards.
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

/// Acknowledges with nothing beyond `ok` once it is in force on every open connection.
pub(crate) async fn handle(
    accounts: Arc<Accounts>,
    permit: Permit<UserRole>,
    context: Context,
) -> Result<Reply, Denial> {
    let roles = permit.roles();
    let (by, payload, _envelope) = permit.into_parts();
    target::find(&context.directory, (&by, roles), &payload.user_id)?;
    let mut roles = Roles::NONE;
    for name in &payload.roles {
        let unknown = Denial::Schema { field: Some("roles"), rule: "role" };
        roles = roles.with(accounts.roles.parse(name).ok_or(unknown)?);
    }
    let act = Act { event: UserRole::NAME, by: &by, target: &payload.user_id };
    let names = accounts.roles.names(roles).join(" ");
    let what = UserChangeKind::Roles(roles);
    change::change(&accounts, &context, &act, what, Some(("roles", &names))).await?;
    Ok(Reply::ok())
}
