//! One request and its answer over one connection, both ends of it bounded.
//! Never: a redirect followed, a body decompressed, a connection used twice.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{self, HeaderMap};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::OutboundError;
use crate::freshness;

/// Largest head of a response, in bytes; also the size of the read buffer.
const HEAD_MAX_BYTES: usize = 16 * 1024;
/// Most headers of a response.
const HEADERS_MAX: usize = 100;

/// The response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchResponse {
    /// The status: 200 after `fetch`, anything but a redirect after `post_json`.
    pub status: u16,
    /// The whole body, no larger than the policy allows.
    pub body: Vec<u8>,
    /// Seconds for which it may be cached, at most a day; `None` if it does not say.
    pub max_age_s: Option<u64>,
    /// Seconds to wait before the next request (`Retry-After`), at most a day.
    pub retry_after_s: Option<u64>,
}

impl From<Response<Vec<u8>>> for FetchResponse {
    fn from(answer: Response<Vec<u8>>) -> Self {
        Self {
            status: answer.status().as_u16(),
            max_age_s: freshness::max_age_s(answer.headers()),
            retry_after_s: freshness::retry_after_s(answer.headers()),
            body: answer.into_body(),
        }
    }
}

/// The accepted statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatusRule {
    /// 200 and nothing else.
    Ok,
    /// Any status but a redirect.
    Final,
}

/// The limits of a response.
pub(crate) struct Bounds {
    pub(crate) host: String,
    pub(crate) wanted: StatusRule,
    pub(crate) body_max_bytes: usize,
}

/// Sends a request and reads the answer to its end. The caller sets the deadline.
pub(crate) async fn exchange<S>(
    stream: S,
    request: Request<Full<Bytes>>,
    bounds: &Bounds,
) -> Result<Response<Vec<u8>>, OutboundError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opened = http1::Builder::new()
        .max_buf_size(HEAD_MAX_BYTES)
        .max_header_size(HEAD_MAX_BYTES)
        .max_headers(HEADERS_MAX)
        .handshake(TokioIo::new(stream))
        .await;
    let (sender, connection) = opened.map_err(|error| bounds.answer(error))?;
    // Driven here and not in a task, so that the deadline drops the whole connection.
    let mut connection = Box::pin(connection);
    let mut asking = Box::pin(send(sender, request, bounds));
    tokio::select! {
        biased;
        fetched = &mut asking => return fetched,
        // The request or the body reports its error, if any.
        _ended = &mut connection => {}
    }
    drop(connection);
    asking.await
}

async fn send(
    mut sender: SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    bounds: &Bounds,
) -> Result<Response<Vec<u8>>, OutboundError> {
    let answer = sender.send_request(request).await.map_err(|error| bounds.answer(error))?;
    bounds.check_head(&answer)?;
    let (head, body) = answer.into_parts();
    Ok(Response::from_parts(head, bounds.read(body).await?))
}

impl Bounds {
    fn answer(&self, source: hyper::Error) -> OutboundError {
        OutboundError::Answer { host: self.host.clone(), source }
    }

    fn too_large(&self) -> OutboundError {
        OutboundError::BodyTooLarge { host: self.host.clone(), max_bytes: self.body_max_bytes }
    }

    fn check_head(&self, answer: &Response<Incoming>) -> Result<(), OutboundError> {
        let (host, status) = (self.host.clone(), answer.status().as_u16());
        if answer.status().is_redirection() {
            return Err(OutboundError::Redirect { host, status });
        }
        // 101 would change the protocol; that was not requested.
        if answer.status().is_informational() || (self.wanted == StatusRule::Ok && status != 200) {
            return Err(OutboundError::Status { host, status });
        }
        if is_encoded(answer.headers()) {
            return Err(OutboundError::Encoded(host));
        }
        Ok(())
    }

    async fn read(&self, mut incoming: Incoming) -> Result<Vec<u8>, OutboundError> {
        // An announced length can be rejected before a byte of it is read.
        let at_least = usize::try_from(incoming.size_hint().lower()).unwrap_or(usize::MAX);
        if at_least > self.body_max_bytes {
            return Err(self.too_large());
        }
        // Memory grows with the received bytes, not with the announced length.
        let mut body = Vec::new();
        while let Some(frame) = incoming.frame().await {
            let frame = frame.map_err(|error| self.answer(error))?;
            let Ok(data) = frame.into_data() else { continue };
            if data.len() > self.body_max_bytes - body.len() {
                return Err(self.too_large());
            }
            body.extend_from_slice(&data);
        }
        Ok(body)
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(header::CONTENT_ENCODING).iter();
    encodings.any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}
