//! `user:mute`, `user:ban`, `user:kick`, `user:logout`, `user:disable`, `user:role`, `session:end`.
//! Never: an operation on the own account, or a server without an administrator.

use std::sync::Arc;

use portcullis_audit::{ADMIN_ROLE, Record};
use portcullis_guard::{Event, Rule, User};
use portcullis_model::{Code, Denial, Role, Roles, SessionId};
use portcullis_server::{ConnectionSelection, Reply, end_connections};
use portcullis_store::{
    ChangeUserOutcome, SessionSelector, StoreError, UserChange, UserChangeKind,
};
use serde::Deserialize;

use crate::operation::call::{Actor, Call, check_reason, end_unix_ms, unknown_user};
use crate::operation::connections::effect::preview;
use crate::operation::contract::{CHANGE, Operation};
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
}

impl Event for UserBan {
    const NAME: &'static str = "user:ban";
    const RULE: Rule = Rule { fields: &["user", "duration_s", "reason", "dry_run"], ..CHANGE };
}

impl Event for UserKick {
    const NAME: &'static str = "user:kick";
    const RULE: Rule = Rule { fields: &["user", "reason", "dry_run"], ..CHANGE };
}

impl Event for UserLogout {
    const NAME: &'static str = "user:logout";
    const RULE: Rule = Rule { fields: &["user", "reason", "dry_run"], ..CHANGE };
}

impl Event for UserDisable {
    const NAME: &'static str = "user:disable";
    const RULE: Rule = Rule { fields: &["user", "disabled", "reason", "dry_run"], ..CHANGE };
}

impl Event for UserRole {
    const NAME: &'static str = "user:role";
    const RULE: Rule =
        Rule { fields: &["user", "roles", "reason", "dry_run"], login_max_age_s: 300, ..CHANGE };
}

impl Event for SessionEnd {
    const NAME: &'static str = "session:end";
    const RULE: Rule = Rule { fields: &["user", "session", "reason", "dry_run"], ..CHANGE };
}

impl Operation for UserMute {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let until_unix_ms = self.0.until_unix_ms(&call)?;
        let what = UserChangeKind::Muted { until_unix_ms };
        change::<Self>(&desk, &call, &self.0.request(), what).await
    }
}

impl Operation for UserBan {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let until_unix_ms = self.0.until_unix_ms(&call)?;
        let what = UserChangeKind::Banned { until_unix_ms };
        change::<Self>(&desk, &call, &self.0.request(), what).await
    }
}

impl Operation for UserKick {
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let found = target(&call, &self.0)?;
        let selection = ConnectionSelection::User(found.id.clone());
        if self.0.dry_run {
            return preview(&call, selection).await;
        }
        // Recorded first: when the queue of one shard is full, others have ended connections.
        call.record(Self::NAME, &self.0.reason, |record| set_target(record, &found));
        let _counts = end_connections(&call.services.hub, selection).await?;
        Ok(Reply::ok())
    }
}

impl Operation for UserLogout {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        change::<Self>(&desk, &call, &self.0, UserChangeKind::RevokeAll).await
    }
}

impl Operation for UserDisable {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let Self { user, disabled, reason, dry_run } = self;
        let request = UserRequest { user, reason, dry_run };
        change::<Self>(&desk, &call, &request, UserChangeKind::Disabled(disabled)).await
    }
}

impl Operation for UserRole {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let Self { user, roles: names, reason, dry_run } = self;
        let mut roles = Roles::NONE;
        for name in &names {
            let unknown = || Denial::app("role_unknown", "one of the roles does not exist");
            roles = roles.with(desk.stored()?.roles.parse(name).ok_or_else(unknown)?);
        }
        let request = UserRequest { user, reason, dry_run };
        change::<Self>(&desk, &call, &request, UserChangeKind::Roles(roles)).await
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

/// Stores a change of a user, and records it.
async fn change<O: Operation>(
    desk: &Desk,
    call: &Call,
    request: &UserRequest,
    what: UserChangeKind,
) -> Result<Reply, Denial> {
    let found = target(call, request)?;
    if request.dry_run {
        return preview(call, ConnectionSelection::User(found.id.clone())).await;
    }
    let (user, at_unix_ms) = (found.id.clone(), call.now.unix_ms);
    let code = code_of(&what);
    let is_admin = |roles: Roles| roles.contains(Role::Admin);
    let new_roles = match &what {
        UserChangeKind::Roles(roles) => Some(*roles),
        UserChangeKind::Disabled(_)
        | UserChangeKind::Banned { .. }
        | UserChangeKind::Muted { .. }
        | UserChangeKind::Username(_)
        | UserChangeKind::Password { .. }
        | UserChangeKind::RevokeAll => None,
    };
    let stored = desk.stored()?;
    let outcome = stored.store.change_user(UserChange { user, what, at_unix_ms }).await;
    match outcome.map_err(StoreError::into_denial)? {
        ChangeUserOutcome::Changed(_) => {}
        ChangeUserOutcome::Missing => return Err(unknown_user()),
        ChangeUserOutcome::LastAdmin => {
            let why = "the user is the last administrator: give another user the role admin first";
            return Err(Denial::app("last_admin", why));
        }
        ChangeUserOutcome::NameTaken => return Err(Denial::NameTaken),
    }
    call.record(O::NAME, &request.reason, |record| {
        record.code = code;
        if let Some(roles) = new_roles {
            record.labels.push(("roles", stored.roles.names(roles).join(" ")));
            if is_admin(roles) || is_admin(found.roles()) {
                record.rule = ADMIN_ROLE;
            }
        }
        set_target(record, &found);
    });
    Ok(Reply::ok())
}

fn code_of(what: &UserChangeKind) -> Code {
    match what {
        UserChangeKind::Roles(_) => Code::PrivilegePermissionsChanged,
        UserChangeKind::Disabled(_)
        | UserChangeKind::Banned { .. }
        | UserChangeKind::Muted { .. }
        | UserChangeKind::Username(_)
        | UserChangeKind::Password { .. }
        | UserChangeKind::RevokeAll => Code::AuthzAdmin,
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
}
