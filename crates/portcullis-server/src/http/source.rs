//! Requests that a page of another site may have caused: not charged, the connection is kept.
//! Never: whether such a request passes; the gate decides that.

use portcullis_guard::Source;
use portcullis_model::Denial;
use portcullis_wire::http1::{Head, wants_upgrade};

use crate::http::connection::HttpConnection;
use crate::http::next::Next;
use crate::rejection::Blame;

/// The longest body of a rejected request that is read to keep the connection.
const SKIPPED_BODY_MAX_BYTES: usize = 16 * 1024;

/// The length of the body of a rejected request after which its connection is kept.
///
/// A page of another site can make a visitor's browser send many requests. Each new connection
/// would cost a TLS handshake, which counts against the address of the visitor.
pub(crate) fn skippable_body(http: &HttpConnection, head: &Head<'_>) -> Option<usize> {
    let unblamed = Blame::from(http.client.source) == Blame::None;
    let is_kept = head.keep_alive && http.requests.has_more() && !wants_upgrade(head);
    let body = usize::try_from(head.content_length).ok();
    body.filter(|length| unblamed && is_kept && *length <= SKIPPED_BODY_MAX_BYTES)
}

/// Reads and drops the body of a rejected request.
pub(crate) async fn skip_body(http: &mut HttpConnection, length: usize) -> Next {
    match http.io.read_until(&http.shard, length).await {
        Ok(()) => {
            http.io.skip(length);
            Next::KeepAlive
        }
        Err(_) => Next::Close,
    }
}

/// Whether a page of another site may have caused a head that cannot be read: by a long address, or
/// by cookies of a neighboring site.
pub(crate) fn source_of_head(denial: &Denial) -> Source {
    match denial {
        Denial::TargetTooLong | Denial::HeadTooLarge => Source::Unmarked,
        _ => Source::Attributable,
    }
}
