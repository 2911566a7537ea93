//! `user:ban`, `user:mute` and `user:kick`: a moderator restricts or disconnects a user.
//! Never: a restriction of an administrator, or of a moderator by another moderator.

use std::sync::Arc;

use portcullis_guard::{Access, Cleaner, Event, Permit, Priority, Rate, Rule, field};
use portcullis_model::{Denial, Role, UserId};
use portcullis_server::{Context, Reply};
use portcullis_store::UserChangeKind;
use serde::Deserialize;

use super::change::Moderation;
use super::target;
use crate::accounts::Accounts;

const RULE: Rule = Rule {
    fields: &["userId", "duration_s", "reason"],
    size_max_bytes: 2 * 1024,
    rate: Some(Rate::per(30, 60_000)),
    access: Access::Role(Role::Moderator),
    sensitive: true,
    priority: Priority::Vital,
    ..Rule::DEFAULT
};

/// The payload of `user:ban` and `user:mute`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct TimedPayload {
    #[serde(deserialize_with = "field::user_id")]
    user_id: UserId,
    #[serde(default, rename = "duration_s", deserialize_with = "field::optional")]
    duration_s: Option<u32>,
    #[serde(default, deserialize_with = "field::optional_text::<_, 800>")]
    reason: Option<String>,
}

/// `user:ban {userId, duration_s?, reason?}`: the user is signed out and cannot log in.
///
/// A duration of 0 lifts the ban; without a duration it has no end.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct UserBan(TimedPayload);

/// `user:mute {userId, duration_s?, reason?}`: other users get no messages of the user.
///
/// A duration of 0 lifts the mute; without a duration it has no end.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct UserMute(TimedPayload);

/// `user:kick {userId, reason?}`: all connections of the user end; the user can connect again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct UserKick {
    #[serde(deserialize_with = "field::user_id")]
    user_id: UserId,
    #[serde(default, deserialize_with = "field::optional_text::<_, 800>")]
    reason: Option<String>,
}

impl Event for UserBan {
    const NAME: &'static str = "user:ban";
    const RULE: Rule = RULE;

    fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        clean_reason(&mut self.0.reason, cleaner)
    }
}

impl Event for UserMute {
    const NAME: &'static str = "user:mute";
    const RULE: Rule = RULE;

    fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        clean_reason(&mut self.0.reason, cleaner)
    }
}

impl Event for UserKick {
    const NAME: &'static str = "user:kick";
    const RULE: Rule = Rule { fields: &["userId", "reason"], ..RULE };

    fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
        clean_reason(&mut self.reason, cleaner)
    }
}

/// Cleans the reason, which other moderators read as plain text.
fn clean_reason(reason: &mut Option<String>, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
    if let Some(text) = reason {
        *text = cleaner.message("reason", text)?.text;
    }
    Ok(())
}

/// An event that restricts a user.
pub(crate) trait RestrictionEvent: Event {
    /// The restriction that the event requests.
    fn into_restriction(self) -> Restriction;
}

/// The restriction that a moderator sets for a user.
pub(crate) struct Restriction {
    user: UserId,
    kind: RestrictionKind,
    reason: Option<String>,
}

enum RestrictionKind {
    Ban { duration_s: Option<u32> },
    Mute { duration_s: Option<u32> },
    Kick,
}

impl RestrictionEvent for UserBan {
    fn into_restriction(self) -> Restriction {
        let TimedPayload { user_id: user, duration_s, reason } = self.0;
        Restriction { user, kind: RestrictionKind::Ban { duration_s }, reason }
    }
}

impl RestrictionEvent for UserMute {
    fn into_restriction(self) -> Restriction {
        let TimedPayload { user_id: user, duration_s, reason } = self.0;
        Restriction { user, kind: RestrictionKind::Mute { duration_s }, reason }
    }
}

impl RestrictionEvent for UserKick {
    fn into_restriction(self) -> Restriction {
        let Self { user_id: user, reason } = self;
        Restriction { user, kind: RestrictionKind::Kick, reason }
    }
}

/// Acknowledges with `ok` when the restriction is in force.
///
/// For a ban and a mute it is stored; for a kick every shard has got the order to disconnect.
pub(crate) async fn handle<E: RestrictionEvent>(
    accounts: Arc<Accounts>,
    permit: Permit<E>,
    context: Context,
) -> Result<Reply, Denial> {
    let roles = permit.roles();
    let (by, payload, _envelope) = permit.into_parts();
    let Restriction { user, kind, reason } = payload.into_restriction();
    let found = target::find(&context.directory, (&by, roles), &user)?;
    let until = |duration_s| target::until(context.now.unix_ms, duration_s);
    let change = match kind {
        RestrictionKind::Ban { duration_s } => {
            Moderation::Store(UserChangeKind::Banned { until_unix_ms: until(duration_s) })
        }
        RestrictionKind::Mute { duration_s } => {
            Moderation::Store(UserChangeKind::Muted { until_unix_ms: until(duration_s) })
        }
        RestrictionKind::Kick => Moderation::Kick,
    };
    target::change::<E>(&accounts, &context, (&by, &found), change, reason).await
}
