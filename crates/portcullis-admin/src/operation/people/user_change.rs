//! `user:mute`, `user:ban`, `user:kick`, `user:logout`, `user:disable`, `user:role`, `session:end`.
//! Never: an operation on the own account, or a server without an administrator.

use std::sync::Arc;

use portcullis_accounts::{Moderation, ModerationError, Moderator, read_roles};
use portcullis_audit::Record;
use portcullis_guard::{Event, Rule, User};
use portcullis_model::{Denial, SessionId};
use portcullis_server::{ConnectionSelection, Reply};
use portcullis_store::{SessionSelector, StoreError, UserChangeKind};
use serde::Deserialize;

use crate::operation::call::{Actor, Call, check_reason, end_unix_ms, unknown_user};
use crate::operation::connections::effect::preview;
use crate::operation::contract::{CHANGE, Operation, login_max_age_s};
use crate::operation::desk::Desk;

/// Longest ban or mute: 30 days, in seconds.
const RESTRICTION_MAX_S: u64 = 30 * 24 * 3_600;

/// The payload of `user:mute` and `user:ban`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Restriction {
    user: String,
    #[serde(default)]
    duration_s: Option<u64>,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

impl Restriction {
    /// The end: an hour from now or the named time; a duration of 0 lifts the restriction.
    fn until_unix_ms(&self, call: &Call) -> Result<i64, Denial> {
        match self.duration_s {
            Some(0) => Ok(0),
            duration_s => end_unix_ms(duration_s, RESTRICTION_MAX_S, call.now),
        }
    }

    fn request(self) -> UserRequest {
        UserRequest { user: self.user, reason: self.reason, dry_run: self.dry_run }
    }
}

/// The members that the payloads have in common, and the payload of `user:kick` and `user:logout`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserRequest {
    user: String,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

/// `user:mute {user, duration_s?, reason, dry_run?}`.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct UserMute(Restriction);

/// `user:ban {user, duration_s?, reason, dry_run?}`.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct UserBan(Restriction);

/// `user:kick {user, reason, dry_run?}`: the connections end, the user can connect again.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct UserKick(UserRequest);

/// `user:logout {user, reason, dry_run?}`: all sessions end, all tokens issued so far are revoked.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct UserLogout(UserRequest);

/// `user:disable {user, disabled, reason, dry_run?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserDisable {
    user: String,
    disabled: bool,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

/// `user:role {user, roles, reason, dry_run?}`: all roles of the user after the change.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct UserRole {
    user: String,
    roles: Vec<String>,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

/// `session:end {user, session, reason, dry_run?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionEnd {
    user: String,
    session: String,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

impl Event for UserMute {
    const NAME: &'static str = "user:mute";
    const RULE: Rule = Rule { fields: &["user", "duration_s", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.0.dry_run)
    }
}

impl Event for UserBan {
    const NAME: &'static str = "user:ban";
    const RULE: Rule = Rule { fields: &["user", "duration_s", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.0.dry_run)
    }
}

impl Event for UserKick {
    const NAME: &'static str = "user:kick";
    const RULE: Rule = Rule { fields: &["user", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.0.dry_run)
    }
}

impl Event for UserLogout {
    const NAME: &'static str = "user:logout";
    const RULE: Rule = Rule { fields: &["user", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.0.dry_run)
    }
}

impl Event for UserDisable {
    const NAME: &'static str = "user:disable";
    const RULE: Rule = Rule { fields: &["user", "disabled", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.dry_run)
    }
}

impl Event for UserRole {
    const NAME: &'static str = "user:role";
    const RULE: Rule =
        Rule { fields: &["user", "roles", "reason", "dry_run"], login_max_age_s: 300, ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.dry_run)
    }
}

impl Event for SessionEnd {
    const NAME: &'static str = "session:end";
    const RULE: Rule = Rule { fields: &["user", "session", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.dry_run)
    }
}

impl Operation for UserMute {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let until_unix_ms = self.0.until_unix_ms(&call)?;
        let what = UserChangeKind::Muted { until_unix_ms };
        change::<Self>(&desk, &call, &self.0.request(), Moderation::Store(what)).await
    }
}

impl Operation for UserBan {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let until_unix_ms = self.0.until_unix_ms(&call)?;
        let what = UserChangeKind::Banned { until_unix_ms };
        change::<Self>(&desk, &call, &self.0.request(), Moderation::Store(what)).await
    }
}

impl Operation for UserKick {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        change::<Self>(&desk, &call, &self.0, Moderation::Kick).await
    }
}

impl Operation for UserLogout {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let what = Moderation::Store(UserChangeKind::RevokeAll);
        change::<Self>(&desk, &call, &self.0, what).await
    }
}

impl Operation for UserDisable {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let Self { user, disabled, reason, dry_run } = self;
        let request = UserRequest { user, reason, dry_run };
        let what = Moderation::Store(UserChangeKind::Disabled(disabled));
        change::<Self>(&desk, &call, &request, what).await
    }
}

impl Operation for UserRole {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let Self { user, roles: names, reason, dry_run } = self;
        let unknown = || Denial::app("role_unknown", "one of the roles does not exist");
        let roles = read_roles(&desk.stored()?.roles, &names).ok_or_else(unknown)?;
        let request = UserRequest { user, reason, dry_run };
        let what = Moderation::Store(UserChangeKind::Roles(roles));
        change::<Self>(&desk, &call, &request, what).await
    }
}

impl Operation for SessionEnd {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let Self { user, session, reason, dry_run } = self;
        let request = UserRequest { user, reason, dry_run };
        let found = target(&call, &request)?;
        let unknown = || Denial::app("session_unknown", "the user has no such session");
        let session = SessionId::parse(&session).map_err(|_| unknown())?;
        if request.dry_run {
            let selection = ConnectionSelection::Session(found.id.clone(), session);
            return preview(&call, selection).await;
        }
        let ended =
            desk.stored()?.store.end_sessions(found.id.clone(), SessionSelector::One(session));
        if ended.await.map_err(StoreError::into_denial)?.is_empty() {
            return Err(unknown());
        }
        call.record(Self::NAME, &request.reason, |record| set_target(record, &found));
        Ok(Reply::ok())
    }
}

/// Makes a change of a user, unless the request is a preview.
async fn change<O: Operation>(
    desk: &Desk,
    call: &Call,
    request: &UserRequest,
    what: Moderation,
) -> Result<Reply, Denial> {
    let found = target(call, request)?;
    if request.dry_run {
        return preview(call, ConnectionSelection::User(found.id.clone())).await;
    }
    let stored = desk.stored()?;
    let moderator = Moderator {
        store: &*stored.store,
        roles: &stored.roles,
        services: &call.services,
        now: call.now,
    };
    let by = call.change_record(O::NAME, &request.reason);
    match moderator.change(&found, what, by).await {
        Ok(()) => Ok(Reply::ok()),
        Err(ModerationError::Missing) => Err(unknown_user()),
        Err(ModerationError::LastAdmin) => {
            let why = "the user is the last administrator: give another user the role admin first";
            Err(Denial::app("last_admin", why))
        }
        Err(ModerationError::Denied(denial)) => Err(denial),
    }
}

/// Finds the user of a request, and checks its reason.
fn target(call: &Call, request: &UserRequest) -> Result<Arc<User>, Denial> {
    check_reason(&request.reason)?;
    let found = call.find_user(&request.user)?;
    match &call.actor {
        Actor::User { user, .. } if user.id == found.id => {
            Err(Denial::app("own_account", "administrators cannot do this to their own account"))
        }
        Actor::User { .. } | Actor::Operator => Ok(found),
    }
}

fn set_target(record: &mut Record, user: &User) {
    record.target = Some(user.id.clone());
    record.target_name = Some(user.name().to_string());
}
