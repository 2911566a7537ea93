//! Responses to requests of a long-polling session, and the session that a rejection ends.
//! Never: a rejection that leaves a broken session open.

use std::rc::Rc;

use portcullis_model::Denial;

use crate::connection::end::EndReason;
use crate::connection::state::Connection;
use crate::http::api::ResponseKind;
use crate::http::connection::HttpConnection;
use crate::http::next::Next;
use crate::http::responder::OutgoingResponse;
use crate::polling::transport::Polling;

/// A poll or post that runs; when it is dropped, the next one may start.
pub(crate) struct RunningRequest {
    connection: Rc<Connection>,
    end: fn(&mut Polling),
}

impl RunningRequest {
    pub(crate) fn new(connection: &Rc<Connection>, end: fn(&mut Polling)) -> Self {
        Self { connection: Rc::clone(connection), end }
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        self.connection.with_polling(self.end);
    }
}

/// The response that carries packets.
pub(crate) fn packets_response<'a>(
    packets: &'a [u8],
    origin: Option<&'a str>,
    keep_alive: bool,
) -> OutgoingResponse<'a> {
    OutgoingResponse {
        status: 200,
        content_type: "text/plain; charset=UTF-8",
        body: packets,
        kind: ResponseKind::Api,
        origin,
        extra: if keep_alive { vec![("Keep-Alive", "timeout=8")] } else { Vec::new() },
        keep_alive,
    }
}

/// Rejects a request that breaks its session. The session ends with it, unless a WebSocket carries
/// it and the request is only late.
pub(crate) async fn reject_and_end(
    http: &mut HttpConnection,
    connection: &Connection,
    denial: &Denial,
    origin: Option<&str>,
) -> Next {
    if connection.with_polling(|_| ()).is_some() {
        connection.end(EndReason::DeniedAndSent(denial.clone()));
    }
    http.responder().reject_engine(denial, origin).await;
    Next::Close
}
