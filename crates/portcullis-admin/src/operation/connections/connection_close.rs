//! `connection:close {id, reason}`: ends one connection, whose client can connect again.
//! Never: a connection of the caller, who needs an answer.

use std::sync::Arc;

use portcullis_guard::{Event, Rule};
use portcullis_model::Denial;
use portcullis_server::{ConnectionSelection, Reply, count_connections, end_connections};
use serde::Deserialize;

use crate::operation::call::{Actor, Call, check_reason};
use crate::operation::connections::connection_id::{read_id, unknown};
use crate::operation::connections::effect::effect;
use crate::operation::contract::{CHANGE, Operation, login_max_age_s};
use crate::operation::desk::Desk;

/// `connection:close {id, reason, dry_run?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConnectionClose {
    id: String,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

impl Event for ConnectionClose {
    const NAME: &'static str = "connection:close";
    const RULE: Rule = Rule { fields: &["id", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.dry_run)
    }
}

impl Operation for ConnectionClose {
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        check_reason(&self.reason)?;
        let id = read_id(&self.id).ok_or_else(unknown)?;
        let is_own = match &call.actor {
            Actor::User { connection, .. } => *connection == id,
            Actor::Operator => false,
        };
        if is_own {
            let why = "this is your own connection: close the page instead";
            return Err(Denial::app("own_connection", why));
        }
        let hub = &call.services.hub;
        let counts = count_connections(hub, ConnectionSelection::Id(id)).await?;
        if counts.connections == 0 {
            return Err(unknown());
        }
        if self.dry_run {
            return Ok(effect(counts));
        }
        // Recorded first, because the order may arrive although this fails.
        call.record(Self::NAME, &self.reason, |record| {
            record.detail = Some(format!("connection {id} closed"));
        });
        let _counts = end_connections(hub, ConnectionSelection::Id(id)).await?;
        Ok(Reply::ok())
    }
}
