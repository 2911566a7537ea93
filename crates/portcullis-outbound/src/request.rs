//! The requests: one GET, one HEAD, or one POST.
//! Never: a header that changes the framing, or a second value for one that is set here.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};

use crate::error::{HEADERS_MAX, OutboundError};
use crate::target::Target;

/// Headers that frame the message, or that concern the connection (RFC 9110 section 7.6.1).
const FRAMING: [HeaderName; 8] = [
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
];

/// A GET.
pub(crate) fn get(target: &Target) -> Result<Request<Full<Bytes>>, OutboundError> {
    build(target, Method::GET, own_headers(target)?, Bytes::new())
}

/// A POST of JSON with headers of the caller.
pub(crate) fn post_json(
    target: &Target,
    more: &[(&str, &str)],
    body: &[u8],
) -> Result<Request<Full<Bytes>>, OutboundError> {
    if more.len() > HEADERS_MAX {
        return Err(OutboundError::Headers(more.len()));
    }
    let mut headers = own_headers(target)?;
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in more {
        add(&mut headers, name, value).ok_or_else(|| OutboundError::Header((*name).to_owned()))?;
    }
    build(target, Method::POST, headers, Bytes::copy_from_slice(body))
}

/// A request of a protocol over HTTP, whose answer is returned with its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProtocolRequest<'a> {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post {
        /// The value of `Content-Type`.
        content_type: &'static str,
        /// The body.
        body: &'a [u8],
    },
}

/// A request that accepts every media type.
pub(crate) fn protocol(
    target: &Target,
    request: ProtocolRequest<'_>,
) -> Result<Request<Full<Bytes>>, OutboundError> {
    let mut headers = own_headers(target)?;
    headers.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
    match request {
        ProtocolRequest::Get => build(target, Method::GET, headers, Bytes::new()),
        ProtocolRequest::Head => build(target, Method::HEAD, headers, Bytes::new()),
        ProtocolRequest::Post { content_type, body } => {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            build(target, Method::POST, headers, Bytes::copy_from_slice(body))
        }
    }
}

fn build(
    target: &Target,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, OutboundError> {
    let uri = Uri::try_from(target.path_and_query()).map_err(|_| OutboundError::UrlForm)?;
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

fn own_headers(target: &Target) -> Result<HeaderMap, OutboundError> {
    let host = HeaderValue::from_str(target.authority()).map_err(|_| OutboundError::UrlForm)?;
    Ok(HeaderMap::from_iter([
        (header::HOST, host),
        (header::USER_AGENT, HeaderValue::from_static("portcullis")),
        (header::ACCEPT, HeaderValue::from_static("application/json")),
        (header::ACCEPT_ENCODING, HeaderValue::from_static("identity")),
        (header::CONNECTION, HeaderValue::from_static("close")),
    ]))
}

fn add(headers: &mut HeaderMap, name: &str, value: &str) -> Option<()> {
    let name = HeaderName::try_from(name).ok()?;
    if FRAMING.contains(&name) || headers.contains_key(&name) {
        return None;
    }
    let mut value = HeaderValue::from_str(value).ok()?;
    // A signature or a key: hidden from the `Debug` output of a request.
    value.set_sensitive(true);
    headers.insert(name, value);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    fn check(headers: &[(&str, &str)], expect: Result<(), &str>) {
        let target = Target::parse("https://a.example/hook?k=v", &Policy::default()).unwrap();
        match (post_json(&target, headers, b"{}"), expect) {
            (Ok(_), Ok(())) => {}
            (Err(OutboundError::Header(name)), Err(expect)) => assert_eq!(name, expect),
            (found, _) => panic!("{headers:?} {found:?}"),
        }
    }

    #[test]
    fn headers_of_the_caller_cannot_change_the_request() {
        check(&[], Ok(()));
        check(&[("x-signature", "t=1,v1=ab"), ("authorization", "Bearer x")], Ok(()));
        check(&[("x-a", "1"), ("X-A", "2")], Err("X-A"));
        for name in [
            "Host",
            "connection",
            "Content-Length",
            "transfer-encoding",
            "te",
            "trailer",
            "upgrade",
            "expect",
            "keep-alive",
            "proxy-authorization",
            "content-type",
            "accept",
            "accept-encoding",
            "user-agent",
            "",
            "a b",
            "a:b",
            "a\r\nb",
        ] {
            check(&[(name, "x")], Err(name));
        }
        for value in ["a\r\nhost: b", "a\nb", "a\0b"] {
            check(&[("x-a", value)], Err("x-a"));
        }
    }

    #[test]
    fn headers_are_bounded_and_their_values_hidden() {
        let target = Target::parse("https://a.example/hook?k=v", &Policy::default()).unwrap();
        let many = [("x-a", "1"); HEADERS_MAX + 1];
        let refused = post_json(&target, &many, b"");
        assert!(matches!(refused, Err(OutboundError::Headers(33))), "{refused:?}");
        let request = post_json(&target, &[("x-key", "hush")], b"{}").unwrap();
        assert!(!format!("{:?}", request.headers()).contains("hush"));
        assert_eq!(request.uri().to_string(), "/hook?k=v");
    }
}
