//! `admin:connections {filter?, limit?, cursor?}` and `admin:connection {id}`: open connections.
//! Never: a message of a client, or the rooms by name.

use std::sync::Arc;

use portcullis_audit::utc;
use portcullis_guard::{Event, Rule};
use portcullis_model::{Denial, UserId};
use portcullis_server::{
    ConnectionFilter, ConnectionInfo, Reply, inspect_connection, inspect_connections,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::operation::call::Call;
use crate::operation::connections::connection_id::{read_id, unknown};
use crate::operation::contract::{Operation, READ, page_size};
use crate::operation::desk::Desk;
use crate::operation::read_record::record_read;
use crate::search::filter::parse_network;

/// The conditions of connections; all of them have to hold.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ListFilter {
    user: Option<String>,
    address: Option<String>,
    signed_in: Option<bool>,
}

/// `admin:connections {filter?, limit?, cursor?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminConnections {
    #[serde(default)]
    filter: ListFilter,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    cursor: Option<String>,
}

impl Event for AdminConnections {
    const NAME: &'static str = "admin:connections";
    const RULE: Rule = Rule { fields: &["filter", "limit", "cursor"], ..READ };
}

impl Operation for AdminConnections {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let limit = page_size(self.limit)?;
        let invalid = || Denial::app("cursor_invalid", "write a cursor of an earlier answer");
        let after = self.cursor.map(|cursor| read_id(&cursor).ok_or_else(invalid)).transpose()?;
        let filter = self.filter.prepare(&call).await?;
        record_read(&desk, &call, Self::NAME, &filter.signed_in, |record| {
            record.target.clone_from(&filter.user);
            let networks = filter.networks.iter().map(|network| ("address", network.to_string()));
            record.labels.extend(networks);
        });
        let page = inspect_connections(&call.services.hub, filter, after, limit).await?;
        let connections: Vec<_> = page.connections.iter().map(view).collect();
        let cursor = page.next.map(|next| next.to_string());
        let more = cursor.is_some();
        Ok(Reply::fields(&json!({ "connections": connections, "more": more, "cursor": cursor })))
    }
}

impl ListFilter {
    async fn prepare(self, call: &Call) -> Result<ConnectionFilter, Denial> {
        let network = self.address.as_deref().map(parse_network).transpose();
        let network = network.map_err(|why| Denial::app("address_invalid", why))?;
        let user = match self.user {
            Some(user) => Some(find_user(call.clone(), user).await?),
            None => None,
        };
        Ok(ConnectionFilter {
            user,
            networks: network.into_iter().collect(),
            signed_in: self.signed_in,
        })
    }
}

async fn find_user(call: Call, user: String) -> Result<UserId, Denial> {
    let found = tokio::task::spawn_blocking(move || call.find_user_by_name(&user));
    found.await.map_err(|_| Denial::Internal("users"))?
}

/// `admin:connection {id}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminConnection {
    id: String,
}

impl Event for AdminConnection {
    const NAME: &'static str = "admin:connection";
    const RULE: Rule = Rule { fields: &["id"], ..READ };
}

impl Operation for AdminConnection {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let id = read_id(&self.id).ok_or_else(unknown)?;
        let found = inspect_connection(&call.services.hub, id).await?.ok_or_else(unknown)?;
        record_read(&desk, &call, Self::NAME, &(), |record| {
            record.target = found.user.as_ref().map(|user| user.id.clone());
            record.labels.push(("address", found.address.to_canonical().to_string()));
        });
        Ok(Reply::fields(&json!({ "connection": view(&found) })))
    }
}

/// A connection as JSON.
fn view(info: &ConnectionInfo) -> Value {
    json!({
        "id": info.id.to_string(),
        "user": info.user.as_ref().map(|user| user.id.as_str()),
        "name": info.user.as_ref().map(|user| user.name().to_string()),
        "address": info.address.to_canonical().to_string(),
        "form": info.form,
        "transport": info.transport,
        "since": utc(info.opened_unix_ms),
        "rooms": info.rooms,
        "outbox_bytes": info.outbox_bytes,
        "in_per_min": info.messages_per_minute,
        "rejected": info.rejected,
    })
}
