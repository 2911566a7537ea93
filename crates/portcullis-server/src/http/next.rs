//! The next step after a request.
//! Never: the content of a response.

use crate::http::connection::HttpConnection;
use crate::http::responder::OutgoingResponse;
use crate::websocket::upgrade::Upgrade;

/// The next step after a request.
pub(crate) enum Next {
    KeepAlive,
    Close,
    /// As `Close`, after a request that was received completely.
    CloseAtOnce,
    Upgrade(Box<Upgrade>),
    /// The session of the request lives on another shard.
    Move(u16),
}

/// Writes a response. The connection is kept if the response permits it and was written in time.
pub(crate) async fn respond(http: &mut HttpConnection, response: OutgoingResponse<'_>) -> Next {
    let keep_alive = response.keep_alive;
    let written = http.responder().write(response).await;
    if written && keep_alive { Next::KeepAlive } else { Next::Close }
}
