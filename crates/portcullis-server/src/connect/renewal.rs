//! The handling of `auth:refresh`: a newer token extends an open connection.
//! Never: another user or session on a connection; a rejected token does not end it.

use std::rc::Rc;

use portcullis_guard::{Caller, Credential, Permit};
use portcullis_model::{Denial, TokenFault};
use serde::Serialize;

use crate::connect::auth_refresh::AuthRefresh;
use crate::connect::identity::{foreign_user_hook, wait_for_key};
use crate::connection::link::Link;
use crate::connection::record::record_renewed;
use crate::delivery::apply::recheck;
use crate::events::event_table::HandlerFuture;
use crate::events::reply::Reply;

#[derive(Serialize)]
struct RenewalReply {
    /// In milliseconds since 1970.
    expires_at: i64,
}

/// Extends the connection. An unknown key is looked up first, as for a CONNECT.
pub(crate) fn renew(link: &Link, permit: Permit<AuthRefresh>, caller: Rc<Caller>) -> HandlerFuture {
    let (shard, connection) = (Rc::clone(&link.shard), Rc::clone(&link.connection));
    let token = permit.into_payload().token;
    Box::pin(async move {
        let server = &shard.server;
        let now = shard.now();
        let packets = &connection.client.packets;
        let renew = |now| {
            server.gate.authentication().renew_on(packets, &caller.principal, token.expose(), now)
        };
        let renewed = match renew(now) {
            Err(Denial::Token(TokenFault::Key)) => {
                wait_for_key(&shard, Credential::Bearer(token.expose()), now).await?;
                renew(shard.now())
            }
            outcome => outcome,
        };
        let verified = renewed.map_err(|denial| match denial {
            Denial::Token(fault) => Denial::Renewal(fault),
            other => other,
        })?;
        if let Some(hook) = foreign_user_hook(&shard, connection.client.address, &verified) {
            hook.await?;
        }
        record_renewed(&shard, &connection, shard.now());
        // The newer token may prove less, so that a namespace's role has no effect any more.
        recheck(&shard, &[Rc::clone(&connection)]);
        let expires_at = caller.principal.expires_unix_s().saturating_mul(1000);
        Ok(Reply::fields(&RenewalReply { expires_at }))
    })
}
