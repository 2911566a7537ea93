//! The class of a request's client, by its admission token.
//! Never: an identity; a token gives a faster rate and nothing else.

use std::sync::Arc;

use portcullis_model::{Limit, Now, Roles, Secret, UserId};

use crate::admission::admission_token::{self, AdmissionClaims};
use crate::admission::admit::Admission;
use crate::admission::handshake::{Handshake, Line};
use crate::capacity::client_class::ClientClass;
use crate::tables::rate::Rate;

impl Admission {
    /// An admission for a user who has just logged in: the value of [`ADMISSION_COOKIE`], or of the
    /// header `X-AdmissionClaims`.
    #[must_use]
    pub fn make_token(&self, user: &UserId, roles: Roles, now: Now) -> String {
        self.tokens.make(user, roles, now)
    }

    /// Replaces the keys of admission tokens: the first one makes tokens, all of them read tokens.
    pub fn replace_token_keys(&self, secrets: &[Arc<Secret<[u8; 32]>>]) {
        self.tokens.replace(secrets);
    }

    /// The class of a new socket. A token that is shown too often gives no class; one user can use
    /// up at most half of the rate of an address.
    pub(crate) fn class_of_socket(
        &self,
        admission: Option<AdmissionClaims>,
        now: Now,
    ) -> ClientClass {
        let rate = self.policy.load().options.connect_known_per_prefix.part(2);
        self.class_of(admission, Limit::ConnectKnownPerPrefix, &rate, now)
    }

    /// The class of a request; a user has the rate of an address.
    pub(crate) fn class_of_request(
        &self,
        admission: Option<AdmissionClaims>,
        now: Now,
    ) -> ClientClass {
        let rate = &self.policy.load().options.request_per_prefix;
        self.class_of(admission, Limit::RequestPerPrefix, rate, now)
    }

    fn class_of(
        &self,
        admission: Option<AdmissionClaims>,
        limit: Limit,
        rate: &Rate,
        now: Now,
    ) -> ClientClass {
        let Some(admission) = admission else { return ClientClass::Unauthenticated };
        let key = self.limits.rates.key(("admission", admission.alias));
        match self.limits.rates.take_own(limit, key, rate, now) {
            Ok(()) => admission.class,
            Err(_) => ClientClass::Unauthenticated,
        }
    }

    /// The valid admission token of a login link, for the cookie of later requests.
    ///
    /// None where the request has such a cookie already.
    #[must_use]
    pub fn token_of_link<'a>(&self, ask: &Handshake<'a>, now: Now) -> Option<&'a str> {
        let has_cookie = match ask.line("cookie") {
            Line::One(cookies) => admission_token::cookie(cookies).is_some(),
            Line::None => false,
            Line::Many => true,
        };
        let value = admission_token::parameter(ask).filter(|_| !has_cookie)?;
        self.tokens.read(value.as_bytes(), now).map(|_| value)
    }

    /// Whether a request has the cookie that this server gave to a user at a login of the last day.
    #[must_use]
    pub fn has_valid_cookie(&self, headers: &[(&str, &[u8])], now: Now) -> bool {
        let mut cookies = headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        let (Some((_, value)), None) = (cookies.next(), cookies.next()) else { return false };
        admission_token::cookie(value).is_some_and(|token| self.tokens.read(token, now).is_some())
    }

    /// The admission token that a request shows.
    pub(crate) fn shown(&self, ask: &Handshake<'_>, now: Now) -> Option<AdmissionClaims> {
        let value = match ask.line(admission_token::HEADER) {
            Line::One(value) => value,
            Line::Many => return None,
            Line::None => match ask.line("cookie") {
                Line::One(cookies) => match admission_token::cookie(cookies) {
                    Some(value) => value,
                    None => admission_token::parameter(ask)?.as_bytes(),
                },
                Line::None => admission_token::parameter(ask)?.as_bytes(),
                Line::Many => return None,
            },
        };
        self.tokens.read(value, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::admission_token::make_admission_token;
    use crate::admission::handshake::Endpoint;

    fn ann() -> UserId {
        UserId::parse("ann").unwrap()
    }

    #[test]
    fn token_of_a_former_key_is_read_until_the_key_is_removed() {
        let (former, newer) = (Arc::new(Secret::new([7; 32])), Arc::new(Secret::new([8; 32])));
        let options = crate::GateOptions {
            hosts: vec![String::from("a.example")],
            origins: vec![String::from("https://a.example")],
            admission_key: Some(former.clone()),
            rate_keys_max: 1024,
            ..crate::GateOptions::default()
        };
        let directory = crate::Directory::new(crate::DirectoryLimits::default());
        let gate = crate::Gate::build(options, Arc::new(directory)).unwrap();
        let now = Now::default();
        let make = || gate.admission.make_token(&ann(), Roles::user(), now);
        let reads = |text: &str| gate.admission.tokens.read(text.as_bytes(), now).is_some();
        let old = make();
        gate.admission.replace_token_keys(&[newer.clone(), former]);
        let new = make();
        assert!(reads(&old) && reads(&new) && old != new);
        gate.admission.replace_token_keys(&[newer]);
        assert!(!reads(&old) && reads(&new));
        gate.admission.replace_token_keys(&[]);
        assert!(reads(&new), "there is always a key");
    }

    #[test]
    fn token_in_a_link_works_for_pages_and_replaces_no_cookie() {
        let options = crate::GateOptions {
            hosts: vec![String::from("a.example")],
            origins: vec![String::from("https://a.example")],
            admission_key: Some(Arc::new(Secret::new([7; 32]))),
            rate_keys_max: 1024,
            ..crate::GateOptions::default()
        };
        let directory = crate::Directory::new(crate::DirectoryLimits::default());
        let gate = crate::Gate::build(options, Arc::new(directory)).unwrap();
        let now = Now::default();
        let made = make_admission_token(&Secret::new([7; 32]), &ann(), Roles::user(), 60, now);
        let query = format!("x=1&admission={made}");
        let forged = format!("admission={}A", &made[..made.len() - 1]);
        let own: &[(&str, &[u8])] = &[("Cookie", b"__Host-adm=other")];
        let cases = [
            (Endpoint::Page, query.as_str(), &[][..], true, true),
            (Endpoint::Api, query.as_str(), &[][..], false, false),
            (Endpoint::SocketIo, query.as_str(), &[][..], false, false),
            (Endpoint::Page, forged.as_str(), &[][..], false, false),
            (Endpoint::Page, query.as_str(), own, false, false),
        ];
        for (endpoint, query, headers, shown, cookie) in cases {
            let ask = Handshake {
                endpoint,
                method: "GET",
                query,
                authority: None,
                headers,
                client: std::net::IpAddr::from([127, 0, 0, 1]),
            };
            assert_eq!(gate.admission.shown(&ask, now).is_some(), shown, "{endpoint:?} {query}");
            assert_eq!(
                gate.admission.token_of_link(&ask, now).is_some(),
                cookie,
                "{endpoint:?} {query}"
            );
        }
    }
}
