//! `address:block`, `address:unblock`, `admin:blocks`: blocks of networks.
//! Never: a block of the administrator's own address, or of the operator's machines.

use std::net::IpAddr;
use std::sync::Arc;

use portcullis_audit::utc;
use portcullis_guard::{BlockFault, BlockRules, BlockedNetwork, Event, Rule};
use portcullis_model::limits::{BLOCK_MAX_S, BLOCKS_MAX};
use portcullis_model::{BlockScope, Denial};
use portcullis_server::{ConnectionSelection, Reply};
use portcullis_store::{BlockRow, PutBlockOutcome, StoreError};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::call::{Actor, Call, check_reason, end_unix_ms};
use crate::operation::connections::effect::preview;
use crate::operation::contract::{CHANGE, Operation, READ, login_max_age_s, page_size};
use crate::operation::desk::Desk;

/// The greatest age of the login for a block of all clients, in seconds.
const ALL_CLIENTS_LOGIN_MAX_AGE_S: i64 = 300;

/// `address:block {prefix, scope?, duration_s?, reason, dry_run?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressBlock {
    prefix: String,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    duration_s: Option<u64>,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

impl Event for AddressBlock {
    const NAME: &'static str = "address:block";
    const RULE: Rule =
        Rule { fields: &["prefix", "scope", "duration_s", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.dry_run)
    }
}

impl Operation for AddressBlock {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        check_reason(&self.reason)?;
        let until_unix_ms = end_unix_ms(self.duration_s, BLOCK_MAX_S, call.now)?;
        let scope = read_scope(self.scope.as_deref())?;
        let network = read_network(&self.prefix)?;
        let stored = desk.stored()?;
        // A reload can replace the proxies.
        let proxies = &call.services.gate.options().proxies;
        let rules =
            BlockRules::new(proxies, stored.private).map_err(|_| Denial::Internal("proxies"))?;
        rules.check(network, own_address(&call)).map_err(fault)?;
        if self.dry_run {
            return preview(&call, ConnectionSelection::Network(network)).await;
        }
        if scope == BlockScope::All {
            call.check_login_age(ALL_CLIENTS_LOGIN_MAX_AGE_S)?;
        }
        let row = BlockRow {
            prefix: network.to_string(),
            scope,
            reason: self.reason.clone(),
            by: call.by(),
            created_unix_ms: call.now.unix_ms,
            until_unix_ms,
        };
        match stored.store.put_block(row.clone()).await.map_err(StoreError::into_denial)? {
            PutBlockOutcome::Stored => {}
            PutBlockOutcome::Full => {
                let why = format!(
                    "{BLOCKS_MAX} networks are blocked, which is the limit: remove some blocks, \
                     or block wider networks"
                );
                return Err(Denial::app("blocks_full", why));
            }
        }
        call.record(Self::NAME, &self.reason, |record| {
            record.rule = "block";
            record.labels.push(("address", row.prefix.clone()));
            record.labels.push(("scope", String::from(scope.name())));
            record.labels.push(("until", utc(until_unix_ms)));
        });
        Ok(Reply::fields(&json!({ "block": view(&row, 0) })))
    }
}

/// `address:unblock {prefix, reason, dry_run?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AddressUnblock {
    prefix: String,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

impl Event for AddressUnblock {
    const NAME: &'static str = "address:unblock";
    const RULE: Rule = Rule { fields: &["prefix", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.dry_run)
    }
}

impl Operation for AddressUnblock {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        check_reason(&self.reason)?;
        let network = read_network(&self.prefix)?;
        if self.dry_run {
            return preview(&call, ConnectionSelection::Network(network)).await;
        }
        let prefix = network.to_string();
        let store = &desk.stored()?.store;
        if !store.remove_block(&prefix).await.map_err(StoreError::into_denial)? {
            return Err(Denial::app("block_unknown", "this prefix is not blocked"));
        }
        call.record(Self::NAME, &self.reason, |record| {
            record.rule = "block";
            record.labels.push(("address", prefix));
        });
        Ok(Reply::ok())
    }
}

/// `admin:blocks {limit?, cursor?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminBlocks {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Event for AdminBlocks {
    const NAME: &'static str = "admin:blocks";
    const RULE: Rule = Rule { fields: &["limit", "cursor"], ..READ };
}

impl Operation for AdminBlocks {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let limit = page_size(self.limit)?;
        let store = &desk.stored()?.store;
        let all = store.list_blocks(call.now.unix_ms).await.map_err(StoreError::into_denial)?;
        // The order is that of the texts, so the last one is the position.
        let after = self.cursor.unwrap_or_default();
        let rest: Vec<_> = all.into_iter().filter(|row| row.prefix > after).collect();
        let page = rest.get(..limit.min(rest.len())).unwrap_or_default();
        let rejected = |row: &BlockRow| {
            let network = BlockedNetwork::parse(&row.prefix).ok();
            network.map_or(0, |network| call.services.directory.blocks().rejected(network))
        };
        let blocks: Vec<_> = page.iter().map(|row| view(row, rejected(row))).collect();
        let more = rest.len() > page.len();
        let cursor = page.last().filter(|_| more).map(|row| row.prefix.as_str());
        Ok(Reply::fields(&json!({ "blocks": blocks, "more": more, "cursor": cursor })))
    }
}

/// Reads a prefix of a request.
fn read_network(prefix: &str) -> Result<BlockedNetwork, Denial> {
    BlockedNetwork::parse(prefix).map_err(fault)
}

fn fault(fault: BlockFault) -> Denial {
    Denial::app("prefix_invalid", fault.to_string())
}

fn read_scope(name: Option<&str>) -> Result<BlockScope, Denial> {
    let Some(name) = name else { return Ok(BlockScope::Unauthenticated) };
    let why = "scope must be unauthenticated or all";
    BlockScope::named(name).ok_or_else(|| Denial::app("scope_unknown", why))
}

/// The address of an administrator; the operator at the machine comes from loopback.
fn own_address(call: &Call) -> Option<IpAddr> {
    match &call.actor {
        Actor::User { client, .. } => Some(*client),
        Actor::Operator => None,
    }
}

fn view(row: &BlockRow, rejected: u64) -> Value {
    json!({
        "prefix": row.prefix,
        "scope": row.scope.name(),
        "reason": row.reason,
        "by": row.by,
        "created": utc(row.created_unix_ms),
        "until": utc(row.until_unix_ms),
        "rejected": rejected,
    })
}
