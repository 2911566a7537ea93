//! `admin:watch {streams}` and `admin:unwatch {}`: the overview once a second.
//! Never: a wait for a slow watcher; it loses the oldest values.

use std::sync::Arc;

use portcullis_guard::{Event, Permit, Rule};
use portcullis_model::{ConnectionId, Denial, Namespace};
use portcullis_server::{Context, Payload, Reply, Services};
use serde::Deserialize;

use crate::operation::contract::READ;
use crate::operation::desk::Desk;
use crate::operation::overview::overview;

/// Most connections that watch.
const WATCHERS_MAX: usize = 16;

/// What a watcher can get beside the event `alert`, which every socket in `/admin` gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stream {
    /// The event `overview`, once a second.
    Overview,
    /// The event `alert`.
    Alert,
}

/// `admin:watch {streams}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminWatch {
    streams: Vec<Stream>,
}

impl Event for AdminWatch {
    const NAME: &'static str = "admin:watch";
    const RULE: Rule = Rule { fields: &["streams"], ..READ };
}

/// `admin:unwatch {}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminUnwatch {}

impl Event for AdminUnwatch {
    const NAME: &'static str = "admin:unwatch";
    const RULE: Rule = READ;
}

/// Sends the streams to the connection of the caller until it leaves `/admin`.
pub(crate) async fn watch(
    desk: Arc<Desk>,
    permit: Permit<AdminWatch>,
    context: Context,
) -> Result<Reply, Denial> {
    let wants_overview = permit.payload().streams.contains(&Stream::Overview);
    let mut watchers = desk.watchers();
    watchers.retain(|known| *known != context.connection);
    if wants_overview {
        if watchers.len() >= WATCHERS_MAX {
            let why = format!("{WATCHERS_MAX} connections watch already: close one of them");
            return Err(Denial::app("watchers_full", why));
        }
        watchers.push(context.connection);
    }
    Ok(Reply::ok())
}

/// Ends the streams of the connection of the caller.
pub(crate) async fn unwatch(
    desk: Arc<Desk>,
    _permit: Permit<AdminUnwatch>,
    context: Context,
) -> Result<Reply, Denial> {
    leave(&desk, context.connection);
    Ok(Reply::ok())
}

/// Removes a connection from the watchers.
pub(crate) fn leave(desk: &Desk, connection: ConnectionId) {
    desk.watchers().retain(|known| *known != connection);
}

/// Sends the overview to all watchers; called once a second.
///
/// The event is volatile: a watcher that does not read loses it, and its outbox stays bounded.
pub(crate) fn send_overview(desk: &Desk, services: &Services, namespace: &Namespace) {
    let watchers = desk.watchers().clone();
    if watchers.is_empty() {
        return;
    }
    let payload = Payload::of(&overview(desk, services));
    for watcher in watchers {
        let sockets = services.hub.namespace(namespace.clone()).only(watcher).volatile();
        if sockets.emit("overview", &payload).is_err() {
            tracing::debug!("an overview was not sent: the queue of a shard is full");
        }
    }
}
