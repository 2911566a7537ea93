//! A request head, its limits, and why one is rejected.
//! Never: reads bytes.

use super::token::elements;

/// How large a head may be. A parsed head borrows: 32 bytes a header line are allocated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadLimits {
    /// Request line and header lines together, with their line ends.
    pub head_max_bytes: usize,
    /// Header lines; above 64 it means 64.
    pub headers_max: usize,
    /// The request target.
    pub target_max_bytes: usize,
}

/// Which versions of HTTP a head may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Versions {
    /// HTTP/1.1 only, for requests that pass proxies, where two readings of one request are an
    /// attack.
    Http11,
    /// Also HTTP/1.0, for health probes of load balancers. Such a connection never persists.
    Http10AndHttp11,
}

impl Versions {
    /// Whether HTTP/1.`minor` is one of them.
    pub(super) fn contain(self, minor: Option<u8>) -> bool {
        match self {
            Self::Http11 => minor == Some(1),
            Self::Http10AndHttp11 => matches!(minor, Some(0 | 1)),
        }
    }
}

/// One request head, borrowed from the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head<'a> {
    /// A case-sensitive token (RFC 9110 section 9.1). The router rejects unknown methods.
    pub method: &'a str,
    /// The target as the request line contains it.
    pub target: &'a str,
    /// Starts with `/`. Neither decoded nor normalised, so it can only be compared.
    pub path: &'a str,
    /// Without the `?`; empty when there is none.
    pub query: &'a str,
    /// Host and port of an absolute-form target.
    pub authority: Option<&'a str>,
    /// Names as sent and values without surrounding blanks, in the order of the head.
    pub headers: Vec<(&'a str, &'a [u8])>,
    /// Bytes of the body after the head; 0 without the field.
    pub content_length: u64,
    /// Whether the peer expects to send another request.
    pub keep_alive: bool,
    /// Bytes of the head, including its empty line.
    pub length: usize,
}

/// Why a head is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadFault {
    /// The head violates the grammar of RFC 9112. The word names the part for the operator.
    Malformed(&'static str),
    /// More bytes than allowed, or a header name longer than any real one.
    TooLarge,
    /// More header lines than allowed.
    TooManyHeaders,
    /// A target longer than allowed.
    TargetTooLong,
    /// A version that is not accepted here.
    Version,
    /// A transfer coding of any kind. Bodies need a length.
    TransferEncoding,
    /// A length that is repeated, not a plain number, or on a request that cannot have a body.
    ContentLength,
}

impl HeadFault {
    /// The word used in the security record.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed(what) => what,
            Self::TooLarge => "head_too_large",
            Self::TooManyHeaders => "too_many_headers",
            Self::TargetTooLong => "target_too_long",
            Self::Version => "version",
            Self::TransferEncoding => "transfer_encoding",
            Self::ContentLength => "content_length",
        }
    }
}

/// The value of a header field, if it occurs once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldValue<'a> {
    /// The field is missing.
    None,
    /// The field occurs once, with this value.
    One(&'a [u8]),
    /// The field occurs more than once, so two parsers could choose different values.
    Many,
}

impl<'a> Head<'a> {
    /// The one value of a header field; names compare without case.
    #[must_use]
    pub fn header(&self, name: &str) -> FieldValue<'a> {
        let mut values = self.values(name);
        match (values.next(), values.next()) {
            (None, _) => FieldValue::None,
            (Some(value), None) => FieldValue::One(value),
            (Some(_), Some(_)) => FieldValue::Many,
        }
    }

    /// Every value of a header field, in the order of the head.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let same = move |line: &&(&'a str, &'a [u8])| line.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(same).map(|(_, value)| *value)
    }

    /// Whether a comma-separated list field names a token; compares without case.
    pub(crate) fn lists(&self, name: &str, token: &str) -> bool {
        let same = |element: &[u8]| element.eq_ignore_ascii_case(token.as_bytes());
        self.values(name).any(|value| elements(value).any(same))
    }
}
