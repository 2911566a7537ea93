//! Requests that another site's page may have caused: not charged, the connection goes on.
//! Never: whether such a request passes; the gate decides that.

use portcullis_guard::Source;
use portcullis_model::Denial;
use portcullis_wire::http1::{FieldValue, Head, wants_upgrade};

use crate::http::connection::HttpConnection;
use crate::http::decision::target::Target;
use crate::http::next::Next;
use crate::rejection::Blame;

/// Longest body of a rejected request that is read to keep the connection.
const SKIPPED_BODY_MAX_BYTES: usize = 16 * 1024;

impl HttpConnection {
    /// Whether another site's page may have caused a request.
    pub(crate) fn source_of(&self, head: &Head<'_>, target: Target) -> Source {
        self.shard.server.gate.admission().source(&self.handshake(head, target.endpoint(false)))
    }

    /// Whether a browser says that no page will read the answer: an image's, for example.
    pub(crate) fn is_unreadable(&self, head: &Head<'_>) -> bool {
        let mode = head.header("sec-fetch-mode");
        self.source == Source::CrossSite && matches!(mode, FieldValue::One(b"no-cors"))
    }

    /// The length of the body of a rejected request after which its connection goes on.
    ///
    /// A page of another site makes its visitor's browser send many requests. A connection for each
    /// would cost a TLS handshake each, which counts for the visitor's address.
    pub(crate) fn skipped_body(&self, head: &Head<'_>) -> Option<usize> {
        let unblamed = Blame::from(self.source) == Blame::None;
        let goes_on = head.keep_alive && self.requests.has_more() && !wants_upgrade(head);
        let body = usize::try_from(head.content_length).ok();
        body.filter(|length| unblamed && goes_on && *length <= SKIPPED_BODY_MAX_BYTES)
    }

    /// Reads a rejected body into nothing.
    pub(crate) async fn skip_body(&mut self, length: usize) -> Next {
        match self.read_until(length).await {
            Ok(()) => {
                self.buffer.drain(..length.min(self.buffer.len()));
                Next::KeepAlive
            }
            Err(_) => Next::Close,
        }
    }
}

/// Whether another site's page may have caused a head that cannot be read: by a long address, or by
/// cookies of a neighbouring site.
pub(crate) fn source_of_head(denial: &Denial) -> Source {
    match denial {
        Denial::TargetTooLong | Denial::HeadTooLarge => Source::Unmarked,
        _ => Source::Attributable,
    }
}
