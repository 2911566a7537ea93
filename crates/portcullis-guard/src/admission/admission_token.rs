//! Admission tokens: a cookie that shows that a client returns, and gives it a faster rate.
//! Never: an identity; a token names no user, and a stolen one only gives a faster rate.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use portcullis_model::{Now, Role, Roles, Secret, UserId};

use crate::admission::handshake::{Endpoint, Handshake};
use crate::capacity::client_class::ClientClass;

/// The cookie. `__Host-` pins it to this host (RFC 6265bis section 4.1.3.2).
pub const ADMISSION_COOKIE: &str = "__Host-adm";
/// The same for clients without cookies.
pub(crate) const HEADER: &str = "x-admission";
/// The same in the query of a login link, which opens the page and nothing else.
const PARAMETER: &str = "admission=";
/// How long a token is valid, in seconds: a day from the last login.
pub const ADMISSION_LIFE_S: i64 = 24 * 60 * 60;

const VERSION: u8 = 1;
/// Version, flags, alias of the user, expiry.
const FACTS_BYTES: usize = 1 + 1 + 8 + 8;
const MAC_BYTES: usize = 16;
const IS_ADMIN: u8 = 1;

/// Makes admission tokens with the newest key, and reads tokens of every key.
pub(crate) struct AdmissionTokens {
    /// The newest first; never empty.
    keys: RwLock<Vec<hmac::Key>>,
}

/// The claims of an admission token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdmissionClaims {
    pub(crate) class: ClientClass,
    /// Represents the user in the limits; it does not reveal the id.
    pub(crate) alias: u64,
}

impl AdmissionClaims {
    /// As a trace records it.
    pub(crate) fn traced(self) -> (u64, ClientClass) {
        (self.alias, self.class)
    }
}

impl AdmissionTokens {
    pub(crate) fn new(secret: &Secret<[u8; 32]>) -> Self {
        Self { keys: RwLock::new(vec![key_of(secret)]) }
    }

    pub(crate) fn make(&self, user: &UserId, roles: Roles, now: Now) -> String {
        let keys = self.keys.read();
        keys.first().map_or_else(String::new, |key| make(key, user, roles, ADMISSION_LIFE_S, now))
    }

    /// Replaces the keys: the first one makes tokens, all of them read tokens.
    pub(crate) fn replace(&self, secrets: &[Arc<Secret<[u8; 32]>>]) {
        let keys: Vec<_> = secrets.iter().map(|secret| key_of(secret)).collect();
        if !keys.is_empty() {
            *self.keys.write() = keys;
        }
    }

    /// Reads a token; with an invalid one the client is unauthenticated.
    pub(crate) fn read(&self, text: &[u8], now: Now) -> Option<AdmissionClaims> {
        self.keys.read().iter().find_map(|key| read(key, text, now))
    }
}

fn key_of(secret: &Secret<[u8; 32]>) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose())
}

fn make(key: &hmac::Key, user: &UserId, roles: Roles, life_s: i64, now: Now) -> String {
    let flags = if roles.contains(Role::Admin) { IS_ADMIN } else { 0 };
    let alias = hmac::sign(key, format!("alias {user}").as_bytes());
    let ends = now.unix_s().saturating_add(life_s);
    let mut bytes = vec![VERSION, flags];
    bytes.extend(alias.as_ref().iter().take(8));
    bytes.extend(ends.to_be_bytes());
    let mac = hmac::sign(key, &bytes);
    bytes.extend(mac.as_ref().iter().take(MAC_BYTES));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read(key: &hmac::Key, text: &[u8], now: Now) -> Option<AdmissionClaims> {
    let mut bytes = [0; FACTS_BYTES + MAC_BYTES];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    let (facts, mac) = bytes.get(..length)?.split_at_checked(FACTS_BYTES)?;
    let expect = hmac::sign(key, facts);
    let expect = expect.as_ref().get(..MAC_BYTES)?;
    aws_lc_rs::constant_time::verify_slices_are_equal(expect, mac).ok()?;
    let [version, flags, rest @ ..] = facts.first_chunk::<FACTS_BYTES>()?;
    let (alias, ends) = rest.split_first_chunk::<8>()?;
    let ends = i64::from_be_bytes(*ends.first_chunk()?);
    let class = if flags & IS_ADMIN != 0 { ClientClass::Admin } else { ClientClass::Returning };
    let good = *version == VERSION && now.unix_s() < ends;
    good.then_some(AdmissionClaims { class, alias: u64::from_be_bytes(*alias) })
}

/// The token in a login link, where a page is requested.
pub(crate) fn parameter<'a>(ask: &Handshake<'a>) -> Option<&'a str> {
    match ask.endpoint {
        Endpoint::Page => ask.query.split('&').find_map(|pair| pair.strip_prefix(PARAMETER)),
        Endpoint::Api | Endpoint::SocketIo | Endpoint::Plain | Endpoint::PollingIo => None,
    }
}

/// Makes an admission token outside the server, with the key of the server.
///
/// It is valid for `life_s` seconds, at most [`ADMISSION_LIFE_S`].
#[must_use]
pub fn make_admission_token(
    key: &Secret<[u8; 32]>,
    user: &UserId,
    roles: Roles,
    life_s: i64,
    now: Now,
) -> String {
    make(&key_of(key), user, roles, life_s.min(ADMISSION_LIFE_S), now)
}

/// The value of the cookie; a cookie that is sent twice has none.
pub(crate) fn cookie(header: &[u8]) -> Option<&[u8]> {
    let pairs = header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let mut values = pairs.filter_map(|pair| {
        pair.strip_prefix(ADMISSION_COOKIE.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
    });
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// A random key for a process without a configured one; its tokens end with the process.
pub(crate) fn fresh_key() -> Option<Secret<[u8; 32]>> {
    use aws_lc_rs::rand::{SecureRandom, SystemRandom};
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).ok()?;
    Some(Secret::new(key))
}

/// In an `Arc`, so that clones of the options hold no copy of the key.
pub(crate) type AdmissionKey = Arc<Secret<[u8; 32]>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn admissions() -> AdmissionTokens {
        AdmissionTokens::new(&Secret::new([7; 32]))
    }

    fn ann() -> UserId {
        UserId::parse("ann").unwrap()
    }

    #[test]
    fn admission_token_gives_its_class_for_a_day() {
        let (admissions, now) = (admissions(), Now { unix_ms: 1_000_000, monotonic_ms: 0 });
        let later = |s: i64| Now { unix_ms: now.unix_ms + s * 1000, ..now };
        let text = admissions.make(&ann(), Roles::user(), now);
        let read = admissions.read(text.as_bytes(), now).unwrap();
        assert_eq!(read.class, ClientClass::Returning);
        assert_eq!(admissions.read(text.as_bytes(), later(ADMISSION_LIFE_S - 1)), Some(read));
        assert_eq!(admissions.read(text.as_bytes(), later(ADMISSION_LIFE_S)), None);
        let admin = admissions.make(&ann(), Roles::user().with(Role::Admin), now);
        let admin = admissions.read(admin.as_bytes(), now).unwrap();
        assert_eq!((admin.class, admin.alias), (ClientClass::Admin, read.alias));
        let bob = admissions.make(&UserId::parse("bob").unwrap(), Roles::user(), now);
        assert_ne!(admissions.read(bob.as_bytes(), now).unwrap().alias, read.alias);
        assert!(!text.contains("ann") && text.len() < 64, "{text}");
    }

    #[test]
    fn changed_admission_token_is_not_read() {
        let (admissions, now) = (admissions(), Now::default());
        let text = admissions.make(&ann(), Roles::user(), now);
        let other = AdmissionTokens::new(&Secret::new([8; 32]));
        assert_eq!(other.read(text.as_bytes(), now), None);
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(admissions.read(&bytes, now), None, "{at}");
        }
        for cut in 0..text.len() {
            assert_eq!(admissions.read(&text.as_bytes()[..cut], now), None);
        }
        let long = format!("{text}AAAA");
        for bytes in [long.as_bytes(), b"", b"=", &[0xff; 46]] {
            assert_eq!(admissions.read(bytes, now), None);
        }
    }

    #[test]
    fn cookie_sent_twice_has_no_value() {
        let cases: [(&str, Option<&str>); 7] = [
            ("__Host-adm=x", Some("x")),
            ("a=b; __Host-adm=x; c=d", Some("x")),
            ("__Host-adm=x; __Host-adm=y", None),
            ("__Host-admin=x", None),
            ("x__Host-adm=x", None),
            ("__host-adm=x", None),
            ("", None),
        ];
        for (header, expect) in cases {
            assert_eq!(cookie(header.as_bytes()), expect.map(str::as_bytes), "{header}");
        }
    }
}
