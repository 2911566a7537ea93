//! `admin:users {query?, limit?, cursor?}` and `admin:user {user}`: users as guards see them.
//! Never: a password, a token, or an address of a user.

use std::sync::Arc;

use portcullis_audit::utc;
use portcullis_guard::{Event, Rule, User};
use portcullis_model::Denial;
use portcullis_server::Reply;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::call::Call;
use crate::operation::contract::{Operation, READ, page_size};
use crate::operation::desk::Desk;
use crate::operation::people::limits::limits_of_user;

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
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let limit = page_size(self.limit)?;
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
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let user = call.find_user(&self.user)?;
        let limits = limits_of_user(&call, &user);
        Ok(Reply::fields(&json!({ "user": view(&user, &call), "limits": limits })))
    }
}

/// A user as JSON.
fn view(user: &User, call: &Call) -> Value {
    let facts = user.facts();
    let roles = &call.services.gate.options().roles.table;
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
