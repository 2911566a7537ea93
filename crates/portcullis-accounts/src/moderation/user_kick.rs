//! `user:kick {userId, reason?}`: every connection of the user ends now; they may come back.
//! Never: a session ended; that is what a ban does.

use std::sync::Arc;

use portcullis_guard::{Access, Cleaner, Event, Permit, Priority, Rate, Rule, field};
use portcullis_model::{Denial, Role, UserId};
use portcullis_server::{Context, Delta, Reply};
use serde::Deserialize;

use crate::accounts::Accounts;
use crate::moderation::change::{self, Act};
use crate::moderation::target;

/// The payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UserKick {
    #[serde(deserialize_with = "field::user_id")]
    user_id: UserId,
    #[serde(default, deserialize_with = "field::optional_text::<_, 800>")]
    reason: Option<String>,
}

impl Event for UserKick {
    const NAME: &'static str = "user:kick";
    const RULE: Rule = Rule {
        fields: &["userId", "reason"],
        size_max_bytes: 2 * 1024,
        rate: Some(Rate::per(30, 60_000)),
        access: Access::Role(Role::Moderator),
        sensitive: true,
        priority: Priority::Vital,
        ..Rule::DEFAULT
    };

    fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        change::clean_reason(&mut self.reason, cleaner)
    }
}

/// Acknowledges with nothing beyond `ok` once every shard has been told.
pub(crate) async fn handle(
    _accounts: Arc<Accounts>,
    permit: Permit<UserKick>,
    context: Context,
) -> Result<Reply, Denial> {
    let roles = permit.roles();
    let (by, payload, _envelope) = permit.into_parts();
    let target = target::find(&context.directory, (&by, roles), &payload.user_id)?;
    let act = Act { event: UserKick::NAME, by: &by, target: &payload.user_id };
    // Recorded before it is done: some shards may have heard when one's queue is full.
    change::record(&context, &act, change::stated(payload.reason.as_deref()));
    let user = target.id.clone();
    context.hub.try_deliver(Delta::Kick { user }).map_err(|_| Denial::Overloaded)?;
    Ok(Reply::ok())
}
