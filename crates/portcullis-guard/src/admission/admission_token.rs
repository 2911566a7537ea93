//! Who has been here before: a cookie that opens a faster lane, and no door.
//! Never: an identity; it names nobody, and a stolen one buys a place in a queue.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use portcullis_model::{Limit, Now, Role, Roles, Secret, UserId};

use crate::admission::handshake::{Door, Handshake, Line};
use crate::gate::Gate;
use crate::limits::attempt::Lane;
use crate::limits::capacity::Class;
use crate::limits::rate::Rate;

/// The cookie. `__Host-` pins it to this host (RFC 6265bis section 4.1.3.2).
pub const ADMISSION_COOKIE: &str = "__Host-adm";
/// The same for clients without cookies.
const HEADER: &str = "x-admission";
/// The same in the query of a login link, which opens the page and nothing else.
const PARAMETER: &str = "admission=";
/// How long one lasts, in seconds: a day after the last log-in.
pub const ADMISSION_LIFE_S: i64 = 24 * 60 * 60;

const VERSION: u8 = 1;
/// Version, flags, the user's alias, the end.
const FACTS_BYTES: usize = 1 + 1 + 8 + 8;
const MAC_BYTES: usize = 16;
const IS_ADMIN: u8 = 1;

/// Makes admissions under the newest key, and reads those of every key.
pub(crate) struct Admissions {
    /// The newest first; never empty.
    keys: RwLock<Vec<hmac::Key>>,
}

/// What an admission says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Admission {
    pub(crate) class: Class,
    /// Stands for the user in the limits; nobody can tell whom.
    pub(crate) alias: u64,
}

impl Admission {
    /// As it stands in a trace.
    pub(crate) fn traced(self) -> (u64, Lane) {
        (self.alias, self.class.into())
    }
}

impl Admissions {
    pub(crate) fn new(secret: &Secret<[u8; 32]>) -> Self {
        Self { keys: RwLock::new(vec![key_of(secret)]) }
    }

    fn make(&self, user: &UserId, roles: Roles, now: Now) -> String {
        let keys = self.keys.read();
        keys.first().map_or_else(String::new, |key| make(key, user, roles, now))
    }

    /// Reads one; whatever is wrong with it, its bearer is a stranger.
    fn read(&self, text: &[u8], now: Now) -> Option<Admission> {
        self.keys.read().iter().find_map(|key| read(key, text, now))
    }
}

fn key_of(secret: &Secret<[u8; 32]>) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.expose())
}

fn make(key: &hmac::Key, user: &UserId, roles: Roles, now: Now) -> String {
    let flags = if roles.contains(Role::Admin) { IS_ADMIN } else { 0 };
    let alias = hmac::sign(key, format!("alias {user}").as_bytes());
    let ends = now.unix_s().saturating_add(ADMISSION_LIFE_S);
    let mut bytes = vec![VERSION, flags];
    bytes.extend(alias.as_ref().iter().take(8));
    bytes.extend(ends.to_be_bytes());
    let mac = hmac::sign(key, &bytes);
    bytes.extend(mac.as_ref().iter().take(MAC_BYTES));
    URL_SAFE_NO_PAD.encode(bytes)
}

fn read(key: &hmac::Key, text: &[u8], now: Now) -> Option<Admission> {
    let mut bytes = [0; FACTS_BYTES + MAC_BYTES];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    let (facts, mac) = bytes.get(..length)?.split_at_checked(FACTS_BYTES)?;
    let expect = hmac::sign(key, facts);
    let expect = expect.as_ref().get(..MAC_BYTES)?;
    aws_lc_rs::constant_time::verify_slices_are_equal(expect, mac).ok()?;
    let [version, flags, rest @ ..] = facts.first_chunk::<FACTS_BYTES>()?;
    let (alias, ends) = rest.split_first_chunk::<8>()?;
    let ends = i64::from_be_bytes(*ends.first_chunk()?);
    let class = if flags & IS_ADMIN != 0 { Class::Admin } else { Class::Known };
    let good = *version == VERSION && now.unix_s() < ends;
    good.then_some(Admission { class, alias: u64::from_be_bytes(*alias) })
}

impl Gate {
    /// An admission for a user who has just logged in: the value of [`ADMISSION_COOKIE`], or of the
    /// header `X-Admission`.
    #[must_use]
    pub fn admission(&self, user: &UserId, roles: Roles, now: Now) -> String {
        self.admissions.make(user, roles, now)
    }

    /// Takes other keys of admissions: the first makes them, and all read them.
    pub fn replace_admission_keys(&self, secrets: &[Arc<Secret<[u8; 32]>>]) {
        let keys: Vec<_> = secrets.iter().map(|secret| key_of(secret)).collect();
        if !keys.is_empty() {
            *self.admissions.keys.write() = keys;
        }
    }

    /// Which lane a socket may take. Whoever shows the same admission too often is a stranger; one
    /// user can use up half of what an address may at most.
    pub(crate) fn class_of_socket(&self, admission: Option<Admission>, now: Now) -> Class {
        let rate = self.options.connect_known_per_prefix.part(2);
        self.class_of(admission, Limit::ConnectKnownPerPrefix, &rate, now)
    }

    /// The same of a request: an address and a user may send as many.
    pub(crate) fn class_of_request(&self, admission: Option<Admission>, now: Now) -> Class {
        let rate = &self.options.request_per_prefix;
        self.class_of(admission, Limit::RequestPerPrefix, rate, now)
    }

    fn class_of(&self, admission: Option<Admission>, limit: Limit, rate: &Rate, now: Now) -> Class {
        let Some(admission) = admission else { return Class::Stranger };
        let key = self.rates.key(("admission", admission.alias));
        match self.rates.take_own(limit, key, rate, now) {
            Ok(()) => admission.class,
            Err(_) => Class::Stranger,
        }
    }

    /// The valid admission of a login link, for the cookie that further requests of the page show.
    /// Nothing where the request has a cookie of its own.
    #[must_use]
    pub fn admission_of_link<'a>(&self, ask: &Handshake<'a>, now: Now) -> Option<&'a str> {
        let has_cookie = match ask.line("cookie") {
            Line::One(cookies) => cookie(cookies).is_some(),
            Line::None => false,
            Line::Many => true,
        };
        let value = parameter(ask).filter(|_| !has_cookie)?;
        self.admissions.read(value.as_bytes(), now).map(|_| value)
    }

    /// The admission a request shows.
    pub(crate) fn shown(&self, ask: &Handshake<'_>, now: Now) -> Option<Admission> {
        let value = match ask.line(HEADER) {
            Line::One(value) => value,
            Line::Many => return None,
            Line::None => match ask.line("cookie") {
                Line::One(cookies) => match cookie(cookies) {
                    Some(value) => value,
                    None => parameter(ask)?.as_bytes(),
                },
                Line::None => parameter(ask)?.as_bytes(),
                Line::Many => return None,
            },
        };
        self.admissions.read(value, now)
    }
}

/// The admission of a login link, where a page is requested.
fn parameter<'a>(ask: &Handshake<'a>) -> Option<&'a str> {
    match ask.door {
        Door::Page => ask.query.split('&').find_map(|pair| pair.strip_prefix(PARAMETER)),
        Door::Api | Door::SocketIo | Door::Plain | Door::PollingIo => None,
    }
}

/// An admission made beside the server, with the key the server has.
#[must_use]
pub fn make_admission(key: &Secret<[u8; 32]>, user: &UserId, roles: Roles, now: Now) -> String {
    make(&key_of(key), user, roles, now)
}

/// The one value of the cookie; two have none that anybody agrees on.
fn cookie(header: &[u8]) -> Option<&[u8]> {
    let pairs = header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let mut values = pairs.filter_map(|pair| {
        pair.strip_prefix(ADMISSION_COOKIE.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
    });
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// The key of a process that was given none: its admissions end with it.
pub(crate) fn fresh_key() -> Option<Secret<[u8; 32]>> {
    use aws_lc_rs::rand::{SecureRandom, SystemRandom};
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key).ok()?;
    Some(Secret::new(key))
}

/// Kept behind an `Arc` so that options can be cloned without copies of the key.
pub(crate) type AdmissionKey = Arc<Secret<[u8; 32]>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn admissions() -> Admissions {
        Admissions::new(&Secret::new([7; 32]))
    }

    fn ann() -> UserId {
        UserId::parse("ann").unwrap()
    }

    #[test]
    fn an_admission_says_its_lane_for_a_day() {
        let (admissions, now) = (admissions(), Now { unix_ms: 1_000_000, monotonic_ms: 0 });
        let later = |s: i64| Now { unix_ms: now.unix_ms + s * 1000, ..now };
        let text = admissions.make(&ann(), Roles::user(), now);
        let read = admissions.read(text.as_bytes(), now).unwrap();
        assert_eq!(read.class, Class::Known);
        assert_eq!(admissions.read(text.as_bytes(), later(ADMISSION_LIFE_S - 1)), Some(read));
        assert_eq!(admissions.read(text.as_bytes(), later(ADMISSION_LIFE_S)), None);
        let admin = admissions.make(&ann(), Roles::user().with(Role::Admin), now);
        let admin = admissions.read(admin.as_bytes(), now).unwrap();
        assert_eq!((admin.class, admin.alias), (Class::Admin, read.alias));
        let bob = admissions.make(&UserId::parse("bob").unwrap(), Roles::user(), now);
        assert_ne!(admissions.read(bob.as_bytes(), now).unwrap().alias, read.alias);
        assert!(!text.contains("ann") && text.len() < 64, "{text}");
    }

    #[test]
    fn whatever_is_changed_makes_a_stranger() {
        let (admissions, now) = (admissions(), Now::default());
        let text = admissions.make(&ann(), Roles::user(), now);
        let other = Admissions::new(&Secret::new([8; 32]));
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
    fn admission_of_a_former_key_is_read_until_that_key_is_taken_away() {
        let (former, newer) = (Arc::new(Secret::new([7; 32])), Arc::new(Secret::new([8; 32])));
        let options = crate::GateOptions {
            hosts: vec![String::from("a.example")],
            origins: vec![String::from("https://a.example")],
            admission_key: Some(former.clone()),
            rate_keys_max: 1024,
            ..crate::GateOptions::default()
        };
        let directory = crate::Directory::new(crate::DirectoryLimits::default());
        let gate = Gate::build(options, Arc::new(directory)).unwrap();
        let now = Now::default();
        let make = || gate.admission(&ann(), Roles::user(), now);
        let reads = |text: &str| gate.admissions.read(text.as_bytes(), now).is_some();
        let old = make();
        gate.replace_admission_keys(&[newer.clone(), former]);
        let new = make();
        assert!(reads(&old) && reads(&new) && old != new);
        gate.replace_admission_keys(&[newer]);
        assert!(!reads(&old) && reads(&new));
        gate.replace_admission_keys(&[]);
        assert!(reads(&new), "there is always a key");
    }

    #[test]
    fn admission_in_a_link_opens_pages_alone_and_replaces_no_cookie() {
        let options = crate::GateOptions {
            hosts: vec![String::from("a.example")],
            origins: vec![String::from("https://a.example")],
            admission_key: Some(Arc::new(Secret::new([7; 32]))),
            rate_keys_max: 1024,
            ..crate::GateOptions::default()
        };
        let directory = crate::Directory::new(crate::DirectoryLimits::default());
        let gate = Gate::build(options, Arc::new(directory)).unwrap();
        let now = Now::default();
        let made = make_admission(&Secret::new([7; 32]), &ann(), Roles::user(), now);
        let query = format!("x=1&admission={made}");
        let forged = format!("admission={}A", &made[..made.len() - 1]);
        let own: &[(&str, &[u8])] = &[("Cookie", b"__Host-adm=other")];
        let cases = [
            (Door::Page, query.as_str(), &[][..], true, true),
            (Door::Api, query.as_str(), &[][..], false, false),
            (Door::SocketIo, query.as_str(), &[][..], false, false),
            (Door::Page, forged.as_str(), &[][..], false, false),
            (Door::Page, query.as_str(), own, false, false),
        ];
        for (door, query, headers, shown, cookie) in cases {
            let ask = Handshake {
                door,
                method: "GET",
                query,
                authority: None,
                headers,
                client: std::net::IpAddr::from([127, 0, 0, 1]),
            };
            assert_eq!(gate.shown(&ask, now).is_some(), shown, "{door:?} {query}");
            assert_eq!(gate.admission_of_link(&ask, now).is_some(), cookie, "{door:?} {query}");
        }
    }

    #[test]
    fn the_cookie_is_found_once() {
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
