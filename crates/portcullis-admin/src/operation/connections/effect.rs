//! The preview of a change: how many connections and users it would affect.
//! Never: a change.

use portcullis_model::Denial;
use portcullis_server::{ConnectionSelection, Reply, SelectionCounts, count_connections};
use serde_json::json;

use crate::operation::call::Call;

/// The answer to `dry_run` for the connections of a selection.
pub(crate) async fn preview(call: &Call, selection: ConnectionSelection) -> Result<Reply, Denial> {
    Ok(effect(count_connections(&call.services.hub, selection).await?))
}

/// The answer to `dry_run` for a number of connections.
pub(crate) fn effect(counts: SelectionCounts) -> Reply {
    let SelectionCounts { connections, signed_in, users } = counts;
    Reply::fields(&json!({
        "dry_run": true,
        "effect": {
            "connections": connections,
            "signed_in": signed_in,
            "unauthenticated": connections.saturating_sub(signed_in),
            "users": users,
        },
    }))
}
