//! `admin:limits {address | user}`: how far the limits of an address or a user are used.
//! Never: a change of a limit.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_guard::{Event, LimitState, Rule, User};
use portcullis_model::{Denial, UserId};
use portcullis_server::Reply;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::call::Call;
use crate::operation::contract::{Operation, READ};
use crate::operation::desk::Desk;

/// `admin:limits {address}` or `{user}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminLimits {
    #[serde(default)]
    address: Option<IpAddr>,
    #[serde(default)]
    user: Option<String>,
}

impl Event for AdminLimits {
    const NAME: &'static str = "admin:limits";
    const RULE: Rule = Rule { fields: &["address", "user"], ..READ };
}

impl Operation for AdminLimits {
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        match (self.address, self.user) {
            (Some(address), None) => Ok(of_address(&call, address.to_canonical())),
            (None, Some(user)) => of_user(&call, &user),
            _ => Err(Denial::app("subject_missing", "write either address or user")),
        }
    }
}

fn of_address(call: &Call, address: IpAddr) -> Reply {
    let prefixes = call.services.gate.limits().explain_address(address, call.now);
    let each = prefixes.iter().map(|(limits, held)| {
        json!({
            "held": {
                "http": held.http,
                "pre_auth": held.pre_auth,
                "authenticated": held.authenticated,
            },
            "limits": limits.iter().map(view).collect::<Vec<_>>(),
        })
    });
    let each: Vec<_> = each.collect();
    Reply::fields(&json!({ "address": address.to_string(), "prefixes": each }))
}

fn of_user(call: &Call, user: &str) -> Result<Reply, Denial> {
    let unknown = || Denial::app("user_unknown", "there is no user with this id");
    let user = UserId::parse(user).map_err(|_| unknown())?;
    let found = call.services.directory.user(&user).ok_or_else(unknown)?;
    Ok(Reply::fields(&json!({
        "user": user.as_str(),
        "connections": found.connections(),
        "limits": limits_of_user(call, &found),
    })))
}

/// How far the limits of a user are used.
pub(crate) fn limits_of_user(call: &Call, user: &User) -> Vec<Value> {
    let limits = call.services.gate.limits().explain_user(&user.id, &user.name(), call.now);
    limits.iter().map(view).collect()
}

fn view(state: &LimitState) -> Value {
    json!({
        "limit": state.limit.name(),
        "used": state.used,
        "of": state.count,
        "period_ms": state.period_ms,
        "wait_ms": state.wait_ms,
        "observed": state.observed,
    })
}
