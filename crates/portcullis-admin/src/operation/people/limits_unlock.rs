//! `limits:unlock {address | user, reason}`: resets the limits of an address or a user.
//! Never: a block of a network; `address:unblock` removes it.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_guard::{BlockedNetwork, Event, Rule};
use portcullis_model::Denial;
use portcullis_server::{ConnectionSelection, Reply, SelectionCounts};
use serde::Deserialize;

use crate::operation::call::{Call, check_reason};
use crate::operation::connections::effect::{effect, preview};
use crate::operation::contract::{CHANGE, Operation, login_max_age_s};
use crate::operation::desk::Desk;

/// `limits:unlock {address, reason, dry_run?}` or `{user, reason, dry_run?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsUnlock {
    #[serde(default)]
    address: Option<IpAddr>,
    #[serde(default)]
    user: Option<String>,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

impl Event for LimitsUnlock {
    const NAME: &'static str = "limits:unlock";
    const RULE: Rule = Rule { fields: &["address", "user", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.dry_run)
    }
}

impl Operation for LimitsUnlock {
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        check_reason(&self.reason)?;
        match (self.address, &self.user) {
            (Some(address), None) => self.unlock_address(&call, address.to_canonical()).await,
            (None, Some(user)) => self.unlock_user(&call, user).await,
            _ => Err(Denial::app("subject_missing", "write either address or user")),
        }
    }
}

impl LimitsUnlock {
    async fn unlock_address(&self, call: &Call, address: IpAddr) -> Result<Reply, Denial> {
        if self.dry_run {
            return match BlockedNetwork::parse(&address.to_string()) {
                Ok(network) => preview(call, ConnectionSelection::Network(network)).await,
                // Loopback, which has no clients to count.
                Err(_) => Ok(effect(SelectionCounts::default())),
            };
        }
        call.services.gate.limits().unlock_address(address, call.now);
        call.record(Self::NAME, &self.reason, |record| {
            record.rule = "limits";
            record.labels.push(("address", address.to_string()));
        });
        Ok(Reply::ok())
    }

    async fn unlock_user(&self, call: &Call, user: &str) -> Result<Reply, Denial> {
        let found = call.find_user(user)?;
        let user = found.id.clone();
        if self.dry_run {
            return preview(call, ConnectionSelection::User(user)).await;
        }
        call.services.gate.limits().unlock_user(&user, &found.name(), call.now);
        call.record(Self::NAME, &self.reason, |record| {
            record.rule = "limits";
            record.target = Some(user);
            record.target_name = Some(found.name().to_string());
        });
        Ok(Reply::ok())
    }
}
