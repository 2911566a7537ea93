//! `invitation:create`, `invitation:revoke`, `admin:invitations`: invitations to register.
//! Never: the secret of an invitation in a list or a record; only its maker reads it, once.

use std::sync::Arc;

use portcullis_audit::utc;
use portcullis_guard::{Event, Rule};
use portcullis_model::{Denial, UserId};
use portcullis_server::{Reply, SelectionCounts};
use portcullis_store::{InvitationId, InvitationRow, NewInvitation, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::call::{Actor, Call, check_reason, end_unix_ms};
use crate::operation::connections::effect::effect;
use crate::operation::contract::{CHANGE, Operation, READ, login_max_age_s, page_size};
use crate::operation::desk::Desk;

/// The default and the longest life of an invitation: a week, in seconds.
const LIFE_MAX_S: u64 = 7 * 24 * 3_600;

/// `invitation:create {duration_s?, reason, dry_run?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationCreate {
    #[serde(default)]
    duration_s: Option<u64>,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

impl Event for InvitationCreate {
    const NAME: &'static str = "invitation:create";
    const RULE: Rule = Rule { fields: &["duration_s", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.dry_run)
    }
}

impl Operation for InvitationCreate {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        check_reason(&self.reason)?;
        let duration_s = self.duration_s.or(Some(LIFE_MAX_S));
        let ends_unix_ms = end_unix_ms(duration_s, LIFE_MAX_S, call.now)?;
        let stored = desk.stored()?;
        let maker = &stored.invitations;
        if maker.registration == "closed" {
            let why = "accounts.registration is \"closed\", so an invitation admits no one: set it \
                       to \"invitation\", and restart the server";
            return Err(Denial::app("invitations_off", why));
        }
        if self.dry_run {
            return Ok(effect(SelectionCounts::default()));
        }
        let (secret, hash) = (maker.make)()?;
        let by = match &call.actor {
            Actor::User { user, .. } => Some(user.id.clone()),
            Actor::Operator => None,
        };
        let at_unix_ms = call.now.unix_ms;
        let new = NewInvitation { hash, by, at_unix_ms, ends_unix_ms };
        if !stored.store.invite(new).await.map_err(StoreError::into_denial)? {
            let why = "you have 1000 unused invitations: revoke some, or wait until they are used";
            return Err(Denial::app("invitations_full", why));
        }
        let id = InvitationId::of(&hash);
        record(&call, Self::NAME, &self.reason, id, Some(ends_unix_ms));
        let secret = secret.expose();
        Ok(Reply::fields(&json!({
            "invitation": { "id": id.to_string(), "until": utc(ends_unix_ms) },
            "secret": secret,
            "link": format!("{}#invitation={secret}", (maker.page)()),
            "registration": maker.registration,
        })))
    }
}

/// `invitation:revoke {id, reason, dry_run?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct InvitationRevoke {
    id: String,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

impl Event for InvitationRevoke {
    const NAME: &'static str = "invitation:revoke";
    const RULE: Rule = Rule { fields: &["id", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.dry_run)
    }
}

impl Operation for InvitationRevoke {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        check_reason(&self.reason)?;
        let id = InvitationId::parse(&self.id).ok_or_else(unknown)?;
        if self.dry_run {
            return Ok(effect(SelectionCounts::default()));
        }
        let store = &desk.stored()?.store;
        if !store.revoke_invitation(id).await.map_err(StoreError::into_denial)? {
            return Err(unknown());
        }
        record(&call, Self::NAME, &self.reason, id, None);
        Ok(Reply::ok())
    }
}

/// `admin:invitations {limit?, cursor?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminInvitations {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Event for AdminInvitations {
    const NAME: &'static str = "admin:invitations";
    const RULE: Rule = Rule { fields: &["limit", "cursor"], ..READ };
}

impl Operation for AdminInvitations {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let limit = page_size(self.limit)?;
        let stored = desk.stored()?;
        let (store, registration) = (&stored.store, stored.invitations.registration);
        let listed = store.list_invitations(call.now.unix_ms).await;
        let all = listed.map_err(StoreError::into_denial)?;
        let skipped = match &self.cursor {
            None => 0,
            Some(cursor) => {
                let position = all.iter().position(|row| row.id.to_string() == *cursor);
                position.map_or(all.len(), |index| index + 1)
            }
        };
        let rest = all.get(skipped..).unwrap_or_default();
        let page = rest.get(..limit.min(rest.len())).unwrap_or_default();
        let invitations: Vec<_> = page.iter().map(|row| view(&call, row)).collect();
        let more = rest.len() > page.len();
        let cursor = page.last().filter(|_| more).map(|row| row.id.to_string());
        Ok(Reply::fields(&json!({
            "invitations": invitations,
            "more": more,
            "cursor": cursor,
            "registration": registration,
        })))
    }
}

fn record(
    call: &Call,
    event: &'static str,
    reason: &str,
    id: InvitationId,
    ends_unix_ms: Option<i64>,
) {
    call.record(event, reason, |record| {
        record.rule = "invitation";
        record.detail = Some(format!("invitation {id}"));
        record.labels.extend(ends_unix_ms.map(|until| ("until", utc(until))));
    });
}

fn unknown() -> Denial {
    Denial::app("invitation_unknown", "no unused invitation has this id")
}

fn view(call: &Call, row: &InvitationRow) -> Value {
    let name = |id: &UserId| {
        let user = call.services.directory.user(id);
        user.map_or_else(|| id.to_string(), |user| user.name().to_string())
    };
    json!({
        "id": row.id.to_string(),
        "by": row.by.as_ref().map_or_else(|| String::from("operator"), name),
        "created": utc(row.at_unix_ms),
        "until": utc(row.ends_unix_ms),
        "used_by": row.used_by.as_ref().map(name),
    })
}
