//! `admin:users {query?, limit?, cursor?}` and `admin:user {user}`: users, and the sessions of one.
//! Never: a password, a token, or the secret of a second factor.

use std::sync::Arc;

use portcullis_audit::utc;
use portcullis_guard::{Event, Rule, User};
use portcullis_model::Denial;
use portcullis_server::Reply;
use portcullis_store::{Factors, SessionRow, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::call::{Call, unknown_user};
use crate::operation::contract::{Operation, READ, page_size};
use crate::operation::desk::Desk;
use crate::operation::people::limits::limits_of_user;
use crate::operation::read_record::record_read;

/// Most sessions of an answer; those that were used last.
const SESSIONS_MAX: usize = 100;
/// The longest description of a device, in characters.
const DEVICE_MAX_CHARS: usize = 200;

/// `admin:users {query?, limit?, cursor?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminUsers {
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Event for AdminUsers {
    const NAME: &'static str = "admin:users";
    const RULE: Rule = Rule { fields: &["query", "limit", "cursor"], ..READ };
}

impl Operation for AdminUsers {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let limit = page_size(self.limit)?;
        record_read(&desk, &call, Self::NAME, &self.query, |_| {});
        // All users are read, which takes milliseconds: not on the thread of a shard.
        let page = tokio::task::spawn_blocking(move || self.page(&call, limit));
        page.await.map_err(|_| Denial::Internal("users"))
    }
}

impl AdminUsers {
    fn page(&self, call: &Call, limit: usize) -> Reply {
        let directory = &call.services.directory;
        let mut ids = directory.user_ids();
        ids.sort_unstable_by(|one, other| one.as_str().cmp(other.as_str()));
        let after = self.cursor.as_deref().unwrap_or_default();
        let query = self.query.as_deref().unwrap_or_default();
        let part = query.to_lowercase();
        let fits = |user: &Arc<User>| {
            user.id.as_str() == query || user.name().to_lowercase().contains(&part)
        };
        let users = ids.iter().filter(|id| id.as_str() > after);
        let users = users.filter_map(|id| directory.user(id)).filter(fits);
        let mut found: Vec<_> = users.take(limit + 1).collect();
        let more = found.len() > limit;
        found.truncate(limit);
        let cursor = found.last().filter(|_| more).map(|user| String::from(user.id.as_str()));
        let users: Vec<_> = found.iter().map(|user| view(user, call)).collect();
        Reply::fields(&json!({ "users": users, "more": more, "cursor": cursor }))
    }
}

/// `admin:user {user}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminUser {
    user: String,
}

impl Event for AdminUser {
    const NAME: &'static str = "admin:user";
    const RULE: Rule = Rule { fields: &["user"], ..READ };
}

impl Operation for AdminUser {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let user = call.find_user(&self.user)?;
        let target = Some(user.id.clone());
        record_read(&desk, &call, Self::NAME, &(), |record| record.target = target);
        let store = &desk.stored()?.store;
        let account = store.find_account(user.id.as_str()).await;
        let account = account.map_err(StoreError::into_denial)?.ok_or_else(unknown_user)?;
        let sessions = store.list_sessions(&user.id, call.now.unix_ms).await;
        let sessions = sessions.map_err(StoreError::into_denial)?;
        let mut shown = view(&user, &call);
        if let Some(members) = shown.as_object_mut() {
            let last_login = account.last_login_unix_ms;
            members.insert(String::from("second_factor"), json!(account.has_totp));
            members.insert(String::from("created"), json!(utc(account.created_unix_ms)));
            members.insert(String::from("last_login"), json!(last_login.map(utc)));
        }
        let sessions: Vec<_> = sessions.iter().take(SESSIONS_MAX).map(session_view).collect();
        let limits = limits_of_user(&call, &user);
        Ok(Reply::fields(&json!({ "user": shown, "sessions": sessions, "limits": limits })))
    }
}

/// A session as JSON.
fn session_view(session: &SessionRow) -> Value {
    let device: String = session.device.chars().take(DEVICE_MAX_CHARS).collect();
    json!({
        "id": session.id.as_str(),
        "since": utc(session.created_unix_ms),
        "last_used": utc(session.renewed_unix_ms),
        "authenticated": utc(session.authenticated_unix_ms),
        "second_factor": session.factors == Factors::PasswordAndCode,
        "ends": utc(session.idle_ends_unix_ms.min(session.ends_unix_ms)),
        "device": device,
        "address": session.address,
    })
}

/// A user as JSON.
fn view(user: &User, call: &Call) -> Value {
    let facts = user.facts();
    let options = call.services.gate.options();
    let roles = &options.roles.table;
    let ends = |unix_ms: i64| (unix_ms > call.now.unix_ms).then(|| utc(unix_ms));
    json!({
        "id": user.id.as_str(),
        "name": &*user.name(),
        "roles": roles.names(user.roles().union(user.withheld())),
        "roles_withheld": roles.names(user.withheld()),
        "connections": user.connections(),
        "banned_until": ends(facts.banned_until_unix_ms),
        "muted_until": ends(facts.muted_until_unix_ms),
        "disabled": facts.disabled,
        "external": user.external,
    })
}
