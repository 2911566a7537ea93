//! Credentials: one `Authorization` header, or the payload of CONNECT.
//! Never: in a URL, in a cookie alone, or in two places that differ.

use std::borrow::Cow;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use portcullis_model::limits::TOKEN_MAX_BYTES;
use portcullis_model::{Denial, Secret, TokenFault};
use serde::{Deserialize, Deserializer};

use crate::admission::handshake::{AdmittedRequest, Cookies, Handshake, Line};
use crate::authentication::credentials::proof::PROOF_MAX_BYTES;
use crate::authentication::credentials::ticket::TICKET_PREFIX;

/// A credential as a client presents it.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// The token of `Authorization: Bearer`.
    Bearer(&'a str),
    /// The payload of CONNECT as JSON text, `{"token": "…"}`.
    Payload(Option<&'a str>),
    /// As `Payload`, and the request carried cookies; cookies alone are not enough.
    PayloadBesideCookies(Option<&'a str>),
    /// Both; they may not differ.
    Both {
        /// The token of `Authorization: Bearer`.
        bearer: &'a str,
        /// The payload of CONNECT as JSON text.
        payload: Option<&'a str>,
    },
}

impl AdmittedRequest {
    /// The credential of this request together with the CONNECT that follows it.
    #[must_use]
    pub fn credential<'a>(&'a self, payload: Option<&'a str>) -> Credential<'a> {
        match (&self.bearer, self.cookies) {
            (Some(bearer), _) => Credential::Both { bearer: bearer.expose(), payload },
            (None, Cookies::Some) => Credential::PayloadBesideCookies(payload),
            (None, Cookies::None) => Credential::Payload(payload),
        }
    }
}

/// The token or ticket of a credential.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PresentedCredential<'a> {
    Token(&'a str),
    Ticket(&'a str),
}

impl<'a> PresentedCredential<'a> {
    /// Reads the value of a header; a ticket has a prefix of its own.
    pub(crate) fn in_header(bearer: &'a str) -> Self {
        if bearer.starts_with(TICKET_PREFIX) { Self::Ticket(bearer) } else { Self::Token(bearer) }
    }

    /// The token, or none for a ticket.
    pub(crate) fn token(self) -> Option<&'a str> {
        match self {
            Self::Token(token) => Some(token),
            Self::Ticket(_) => None,
        }
    }

    fn text(self) -> &'a str {
        match self {
            Self::Token(text) | Self::Ticket(text) => text,
        }
    }
}

/// Reads the token or ticket of a credential.
pub(crate) fn presented<'a>(credential: Credential<'a>) -> Result<PresentedCredential<'a>, Denial> {
    let missing = |fault| Denial::Token(fault);
    match credential {
        Credential::Bearer(bearer) => Ok(PresentedCredential::in_header(bearer)),
        Credential::Payload(payload) => {
            presented_in_payload(payload)?.ok_or(missing(TokenFault::Missing))
        }
        Credential::PayloadBesideCookies(payload) => {
            presented_in_payload(payload)?.ok_or(missing(TokenFault::CookieOnly))
        }
        Credential::Both { bearer, payload } => match presented_in_payload(payload)? {
            None => Ok(PresentedCredential::in_header(bearer)),
            Some(presented) => {
                verify_slices_are_equal(presented.text().as_bytes(), bearer.as_bytes())
                    .map(|()| PresentedCredential::in_header(bearer))
                    .map_err(|_| Denial::TwoCredentials)
            }
        },
    }
}

/// The token of a credential; none for a ticket, and for a credential that cannot be read.
pub(crate) fn presented_token(credential: Credential<'_>) -> Option<&str> {
    presented(credential).ok()?.token()
}

/// The members of a CONNECT payload that are read. `auth` of the stock clients may hold members of
/// the application, and `pid` and `offset` of recovery; none of them is a credential.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(default, borrow, deserialize_with = "present")]
    token: Option<&'a str>,
    #[serde(default, borrow, deserialize_with = "present")]
    ticket: Option<&'a str>,
}

/// Longest CONNECT payload, in bytes: a token and members of the application.
const PAYLOAD_MAX_BYTES: usize = TOKEN_MAX_BYTES + 8 * 1024;

/// A member holds a string without escapes, because tokens need none; `null` is absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de str>, D::Error> {
    Option::deserialize(deserializer)
}

fn presented_in_payload(payload: Option<&str>) -> Result<Option<PresentedCredential<'_>>, Denial> {
    let shape = Denial::Token(TokenFault::Shape);
    let Some(text) = payload.filter(|text| *text != "null") else { return Ok(None) };
    // A list of the members would be read as an object too.
    if text.len() > PAYLOAD_MAX_BYTES || !text.starts_with('{') {
        return Err(shape);
    }
    let payload: Payload<'_> = serde_json::from_str(text).map_err(|_| shape.clone())?;
    if payload.token.is_some_and(|token| token.len() > TOKEN_MAX_BYTES) {
        return Err(shape);
    }
    match (payload.token, payload.ticket) {
        (None, None) => Ok(None),
        (Some(token), None) => Ok(Some(PresentedCredential::Token(token))),
        (None, Some(ticket)) => Ok(Some(PresentedCredential::Ticket(ticket))),
        (Some(_), Some(_)) => Err(Denial::TwoCredentials),
    }
}

/// Whether the payload shows a ticket, which works once.
#[must_use]
pub fn presents_ticket(payload: Option<&str>) -> bool {
    matches!(presented_in_payload(payload), Ok(Some(PresentedCredential::Ticket(_))))
}

/// The recovery data in the CONNECT payload of a client that reconnects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryClaim {
    /// The private id of the lost session; it proves only that the client had the session.
    pub pid: String,
    /// The offset of the last message that the client received.
    pub offset: Option<String>,
}

/// Longest offset of a client, in bytes.
const OFFSET_MAX_BYTES: usize = 64;

#[derive(Deserialize)]
struct Returning {
    pid: Option<String>,
    offset: Option<String>,
}

/// Reads `pid` and `offset` from a verified payload; none when they are malformed.
#[must_use]
pub fn read_recovery_claim(payload: Option<&str>) -> Option<RecoveryClaim> {
    let payload = payload.filter(|text| text.contains("\"pid\""))?;
    let Returning { pid, offset } = serde_json::from_str(payload).ok()?;
    let pid = pid.filter(|pid| (1..=64).contains(&pid.len()))?;
    if offset.as_ref().is_some_and(|text| text.len() > OFFSET_MAX_BYTES) {
        return None;
    }
    Some(RecoveryClaim { pid, offset })
}

/// Whether the request carried cookies.
pub(crate) fn cookies(ask: &Handshake<'_>) -> Cookies {
    match ask.line("cookie") {
        Line::None => Cookies::None,
        Line::One(_) | Line::Many => Cookies::Some,
    }
}

/// The one `Authorization` header: `Bearer` (RFC 6750 section 2.1) or, with its proof beside it,
/// `DPoP` (RFC 9449 section 7.1).
pub(crate) fn authorization(ask: &Handshake<'_>) -> Result<AuthorizationHeader, Denial> {
    let shape = Denial::Token(TokenFault::Shape);
    let proof = match ask.line("dpop") {
        Line::None => None,
        Line::One(value) if value.len() <= PROOF_MAX_BYTES => Some(plain_text(value)?),
        Line::One(_) | Line::Many => return Err(Denial::Token(TokenFault::Proof)),
    };
    let value = match ask.line("authorization") {
        Line::None => return Ok(AuthorizationHeader { bearer: None, bound: None, proof }),
        Line::Many => return Err(Denial::TwoCredentials),
        Line::One(value) => value,
    };
    let space = memchr::memchr(b' ', value).ok_or(shape.clone())?;
    let (scheme, token) = value.split_at_checked(space).ok_or(shape.clone())?;
    let token = token.strip_prefix(b" ").unwrap_or_default();
    if token.len() > TOKEN_MAX_BYTES {
        return Err(shape);
    }
    if scheme.eq_ignore_ascii_case(b"Bearer") {
        return Ok(AuthorizationHeader { bearer: Some(plain_text(token)?), bound: None, proof });
    }
    if scheme.eq_ignore_ascii_case(b"DPoP") {
        return Ok(AuthorizationHeader { bearer: None, bound: Some(plain_text(token)?), proof });
    }
    Err(shape)
}

/// The credentials in the headers of a request.
#[derive(Default)]
pub(crate) struct AuthorizationHeader {
    pub(crate) bearer: Option<Secret<String>>,
    pub(crate) bound: Option<Secret<String>>,
    pub(crate) proof: Option<Secret<String>>,
}

fn plain_text(value: &[u8]) -> Result<Secret<String>, Denial> {
    let plain = !value.is_empty() && value.iter().all(u8::is_ascii_graphic);
    match std::str::from_utf8(value) {
        Ok(text) if plain => Ok(Secret::new(String::from(text))),
        Ok(_) | Err(_) => Err(Denial::Token(TokenFault::Shape)),
    }
}

/// Parameters of URLs that hold credentials, which logs and histories would keep.
const NAMES: [&str; 11] = [
    "token",
    "access_token",
    "id_token",
    "refresh_token",
    "ticket",
    "jwt",
    "auth",
    "authorization",
    "bearer",
    "api_key",
    "password",
];

/// Rejects a query that names a credential, in any spelling.
pub(crate) fn reject_in_query(query: &str) -> Result<(), Denial> {
    let names_one = |parameter: &str| {
        let name = parameter.split_once('=').map_or(parameter, |(name, _)| name);
        let name = percent_decoded(name);
        // `auth[token]=` and the like are read as a credential by some frameworks.
        let mut words = name.split(['[', ']']).map(str::trim);
        words.any(|word| NAMES.iter().any(|name| word.eq_ignore_ascii_case(name)))
    };
    if query.split(['&', ';']).any(names_one) { Err(Denial::TokenInUrl) } else { Ok(()) }
}

fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let pair = if first == b'%' { hex_pair(after) } else { None };
        let (byte, after) = match (pair, first) {
            (Some(found), _) => found,
            (None, b'+') => (b' ', after),
            (None, other) => (other, after),
        };
        bytes.push(byte);
        rest = after;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex_pair(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (pair, rest) = bytes.split_at_checked(2)?;
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let value = match pair {
        [high, low] => digit(high)? * 16 + digit(low)?,
        _ => return None,
    };
    u8::try_from(value).ok().map(|value| (value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::handshake::Endpoint;

    fn fault(fault: TokenFault) -> Denial {
        Denial::Token(fault)
    }

    /// The token or ticket of a credential, as text.
    fn token(credential: Credential<'_>) -> Result<&str, Denial> {
        presented(credential).map(PresentedCredential::text)
    }

    fn check_bearer(values: &[&[u8]]) -> Result<Option<String>, Denial> {
        let headers: Vec<_> = values.iter().map(|value| ("AUTHORIZATION", *value)).collect();
        let client = std::net::IpAddr::from([127, 0, 0, 1]);
        let (endpoint, method, query, authority) = (Endpoint::Plain, "GET", "", None);
        let ask = Handshake { client, endpoint, method, query, authority, headers: &headers };
        authorization(&ask).map(|found| found.bearer.map(|token| token.expose().clone()))
    }

    #[test]
    fn t_026_one_authorization_header_with_a_bearer_token() {
        let found = |token: &str| Ok(Some(String::from(token)));
        let long = [b"Bearer ".as_slice(), &[b'a'; TOKEN_MAX_BYTES + 1]].concat();
        let full = [b"Bearer ".as_slice(), &[b'a'; TOKEN_MAX_BYTES]].concat();
        assert_eq!(check_bearer(&[]), Ok(None));
        assert_eq!(check_bearer(&[b"Bearer abc"]), found("abc"));
        assert_eq!(check_bearer(&[b"bearer abc"]), found("abc"));
        assert_eq!(check_bearer(&[b"BEARER abc"]), found("abc"));
        assert_eq!(check_bearer(&[&full]), found(&"a".repeat(TOKEN_MAX_BYTES)));
        assert_eq!(check_bearer(&[b"DPoP abc"]), Ok(None), "no bearer token");
        let refused: [&[u8]; 12] = [
            b"",
            b"Bearer",
            b"Bearer ",
            b"Bearer  abc",
            b"Bearer\tabc",
            b"Bearer abc def",
            b"Bearer abc\t",
            b"Basic YWJj",
            b"abc",
            b"Bearerabc def",
            b"Bearer \xff\xfe",
            &long,
        ];
        for value in refused {
            assert_eq!(check_bearer(&[value]), Err(fault(TokenFault::Shape)), "{value:?}");
        }
        let two = check_bearer(&[b"Bearer abc", b"Bearer abc"]);
        assert_eq!(two, Err(Denial::TwoCredentials));
    }

    #[test]
    fn t_021_connect_payload_is_a_token_string_or_absent() {
        let long = format!("{{\"token\":\"{}\"}}", "a".repeat(TOKEN_MAX_BYTES + 1100));
        let (shape, missing) = (fault(TokenFault::Shape), fault(TokenFault::Missing));
        let extra = format!(r#"{{"device":"{}","token":"abc"}}"#, "d".repeat(6 * 1024));
        let huge = format!(r#"{{"token":"abc","device":"{}"}}"#, "d".repeat(PAYLOAD_MAX_BYTES));
        let deep = format!(r#"{{"token":"abc","a":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        let cases: [(Option<&str>, Result<&str, Denial>); 34] = [
            (None, Err(missing.clone())),
            (Some("{}"), Err(missing.clone())),
            (Some(r#"{"pid":"x","offset":"y"}"#), Err(missing.clone())),
            (Some(r#"{"token":"abc"}"#), Ok("abc")),
            (Some(r#"{"token":"abc","pid":"x","offset":null,"v":1}"#), Ok("abc")),
            (Some(r#"{ "token" : "" }"#), Ok("")),
            (Some(r#"{"token":null}"#), Err(missing.clone())),
            (Some(r#"{"token":123}"#), Err(shape.clone())),
            (Some(r#"{"token":true}"#), Err(shape.clone())),
            (Some(r#"{"token":["a"]}"#), Err(shape.clone())),
            (Some(r#"{"token":{"$gt":""}}"#), Err(shape.clone())),
            (Some(r#"{"token":"a","token":"b"}"#), Err(shape.clone())),
            // Members of the application are ignored.
            (Some(r#"{"token":"a","user":"admin"}"#), Ok("a")),
            (Some(r#"{"deviceId":"d-1","app":{"version":"2.3.1"},"token":"a"}"#), Ok("a")),
            (Some(r#"{"token":"a","__proto__":{}}"#), Ok("a")),
            (Some(r#"{"device":"d-1"}"#), Err(missing.clone())),
            (Some(r#"{"note":"a \"quoted\" \u00e4","token":"a"}"#), Ok("a")),
            (Some(&extra), Ok("abc")),
            (Some(&huge), Err(shape.clone())),
            (Some(&deep), Ok("abc")),
            (Some(r#"{"token":"a","token":"a","x":1}"#), Err(shape.clone())),
            (Some(r#"{"token":"a"} x"#), Err(shape.clone())),
            (Some(r#"["a"]"#), Err(shape.clone())),
            (Some(r#""a""#), Err(shape.clone())),
            (Some("null"), Err(missing.clone())),
            (Some(""), Err(shape.clone())),
            (Some("{"), Err(shape.clone())),
            (Some(&long), Err(shape.clone())),
            (Some(r#"{"ticket":null}"#), Err(missing)),
            (Some(r#"{"token":null,"ticket":"wst_abc"}"#), Ok("wst_abc")),
            (Some(r#"{"token":"abc","ticket":null,"pid":null}"#), Ok("abc")),
            (Some("nul"), Err(shape)),
            (Some(r#"{"ticket":"wst_abc"}"#), Ok("wst_abc")),
            (Some(r#"{"token":"a","ticket":"b"}"#), Err(Denial::TwoCredentials)),
        ];
        for (payload, expect) in cases {
            assert_eq!(token(Credential::Payload(payload)), expect, "{payload:?}");
        }
    }

    #[test]
    fn ticket_is_a_member_of_the_payload_and_not_a_word_in_it() {
        assert!(presents_ticket(Some(r#"{"device":"d-1","ticket":"wst_abc"}"#)));
        let others = [
            r#"{"token":"a","kind":"ticket"}"#,
            r#"{"token":"a","more":{"ticket":"b"}}"#,
            r#"{"token":"a","ticket":"b"}"#,
        ];
        assert!(others.iter().all(|payload| !presents_ticket(Some(payload))));
        assert!(!presents_ticket(None));
    }

    #[test]
    fn t_020_t_023_cookies_are_not_enough_and_two_credentials_may_not_differ() {
        let both = |payload| token(Credential::Both { bearer: "abc", payload });
        assert_eq!(both(None), Ok("abc"));
        assert_eq!(both(Some("{}")), Ok("abc"));
        assert_eq!(both(Some(r#"{"token":"abc"}"#)), Ok("abc"));
        assert_eq!(both(Some(r#"{"token":"abd"}"#)), Err(Denial::TwoCredentials));
        assert_eq!(both(Some(r#"{"token":"abcd"}"#)), Err(Denial::TwoCredentials));
        assert_eq!(both(Some(r#"{"token":null}"#)), Ok("abc"), "null is absent");
        assert_eq!(token(Credential::Bearer("abc")), Ok("abc"));
        for payload in [None, Some("{}")] {
            let outcome = token(Credential::PayloadBesideCookies(payload));
            assert_eq!(outcome, Err(fault(TokenFault::CookieOnly)));
        }
        let beside = Credential::PayloadBesideCookies(Some(r#"{"token":"abc"}"#));
        assert_eq!(token(beside), Ok("abc"));
    }

    #[test]
    fn t_022_credentials_in_the_query_are_rejected_in_any_spelling() {
        let refused = [
            "token=x",
            "access_token=x",
            "ACCESS_TOKEN=x",
            "ticket=x",
            "jwt=x",
            "auth=x",
            "EIO=4&transport=websocket&token=x",
            "token",
            "token=",
            "a=b;token=x",
            "Token=x",
            "%74oken=x",
            "to%6Ben=x",
            "to%6ben=x",
            "access%5Ftoken=x",
            "auth[token]=x",
            "a[token]=x",
            "auth%5Btoken%5D=x",
            "+token=x",
            "%20token=x",
            "&&token=x",
            "jwt&a=b",
        ];
        for query in refused {
            assert_eq!(reject_in_query(query), Err(Denial::TokenInUrl), "{query:?}");
        }
        let fine = [
            "",
            "EIO=4&transport=websocket",
            "t=token",
            "sid=token",
            "tokens=x",
            "my_token_id=x",
            "%",
            "%7",
            "%zz",
            "a=%74oken",
            "author=x",
            "=token",
            "%ff=x",
        ];
        for query in fine {
            assert_eq!(reject_in_query(query), Ok(()), "{query:?}");
        }
    }
}
