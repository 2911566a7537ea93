//! `admin:limits {address | user}`: how far the limits of an address or a user are used.
//! Never: a change of a limit.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_guard::{Event, Rule, User};
use portcullis_model::Denial;
use portcullis_server::{Reply, limit_view, prefix_view};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::call::Call;
use crate::operation::contract::{Operation, READ};
use crate::operation::desk::Desk;
use crate::operation::read_record::record_read;

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
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        match (self.address, self.user) {
            (Some(address), None) => {
                let address = address.to_canonical();
                record_read(&desk, &call, Self::NAME, &(), |record| {
                    record.labels.push(("address", address.to_string()));
                });
                Ok(of_address(&call, address))
            }
            (None, Some(user)) => {
                let found = call.find_user(&user)?;
                record_read(&desk, &call, Self::NAME, &(), |record| {
                    record.target = Some(found.id.clone());
                });
                Ok(of_user(&call, &found))
            }
            _ => Err(Denial::app("subject_missing", "write either address or user")),
        }
    }
}

fn of_address(call: &Call, address: IpAddr) -> Reply {
    let prefixes = call.services.gate.limits().explain_address(address, call.now);
    let each = prefixes.iter().map(|(limits, held)| prefix_view(limits, held));
    let each: Vec<_> = each.collect();
    Reply::fields(&json!({ "address": address.to_string(), "prefixes": each }))
}

fn of_user(call: &Call, found: &User) -> Reply {
    Reply::fields(&json!({
        "user": found.id.as_str(),
        "connections": found.connections(),
        "limits": limits_of_user(call, found),
    }))
}

/// How far the limits of a user are used.
pub(crate) fn limits_of_user(call: &Call, user: &User) -> Vec<Value> {
    let limits = call.services.gate.limits().explain_user(&user.id, &user.name(), call.now);
    limits.iter().map(limit_view).collect()
}
