//! `user:mute {userId, duration_s?, reason?}`: who is muted says nothing others hear.
//! Never: a moderator muted by another; 0 s unmute.

use std::sync::Arc;

use portcullis_guard::{Access, Cleaner, Event, Permit, Priority, Rate, Rule, field};
use portcullis_model::{Denial, Role, UserId};
use portcullis_server::{Context, Reply};
use portcullis_store::UserChangeKind;
use serde::Deserialize;

use crate::accounts::Accounts;
use crate::moderation::change::{self, Act};
use crate::moderation::target;

/// The payload.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UserMute {
    #[serde(deserialize_with = "field::user_id")]
    user_id: UserId,
    #[serde(default, rename = "duration_s", deserialize_with = "field::optional")]
    duration_s: Option<u32>,
    #[serde(default, deserialize_with = "field::optional_text::<_, 800>")]
    reason: Option<String>,
}

impl Event for UserMute {
    const NAME: &'static str = "user:mute";
    const RULE: Rule = Rule {
        fields: &["userId", "duration_s", "reason"],
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

/// Acknowledges with nothing beyond `ok` once it is in force.
pub(crate) async fn handle(
    accounts: Arc<Accounts>,
    permit: Permit<UserMute>,
    context: Context,
) -> Result<Reply, Denial> {
    let roles = permit.roles();
    let (by, payload, _envelope) = permit.into_parts();
    target::find(&context.directory, (&by, roles), &payload.user_id)?;
    let until_unix_ms = target::until(context.now.unix_ms, payload.duration_s);
    let what = UserChangeKind::Muted { until_unix_ms };
    let act = Act { event: UserMute::NAME, by: &by, target: &payload.user_id };
    let reason = change::stated(payload.reason.as_deref());
    change::change(&accounts, &context, &act, what, reason).await?;
    Ok(Reply::ok())
}
