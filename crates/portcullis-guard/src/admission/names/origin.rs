//! The check of a request's page: exact bytes on a list, before anything is allocated.
//! Never: a pattern, a prefix, `null`, or `Referer` in place of `Origin`.

use std::sync::Arc;

use portcullis_model::Denial;

use crate::admission::handshake::{Cookies, Endpoint, Handshake, Line};
use crate::admission::names::app_origin::check_app;
use crate::admission::names::host::is_host;
use crate::disabled_guards::Danger;
use crate::error::GateError;

/// The requirement for a socket without an `Origin`.
///
/// Browsers always send one (RFC 6455 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WithoutOrigin {
    /// It is rejected.
    #[default]
    Reject,
    /// A bearer token in the request and no cookie: a native client.
    Token,
}

/// The pages that may connect.
#[derive(Clone)]
pub(crate) struct Origins {
    listed: Vec<Arc<str>>,
    without: WithoutOrigin,
    any: bool,
}

impl Origins {
    pub(crate) fn parse(
        listed: &[String],
        without: WithoutOrigin,
        danger: &Danger,
    ) -> Result<Self, GateError> {
        if listed.is_empty() && without == WithoutOrigin::Reject && !danger.any_origin {
            return Err(GateError::NoOrigin);
        }
        Self::parse_some(listed, without, danger)
    }

    /// Like [`Origins::parse`]; the list can be empty.
    pub(crate) fn parse_some(
        listed: &[String],
        without: WithoutOrigin,
        danger: &Danger,
    ) -> Result<Self, GateError> {
        for origin in listed {
            check_origin(origin).map_err(|why| GateError::Origin { seen: origin.clone(), why })?;
        }
        Ok(Self {
            listed: listed.iter().map(|origin| Arc::from(origin.as_str())).collect(),
            without,
            any: danger.any_origin,
        })
    }

    /// Whether the list has exactly these bytes.
    pub(crate) fn lists(&self, seen: &[u8]) -> bool {
        self.listed.iter().any(|origin| origin.as_bytes() == seen)
    }

    /// The origin of the requesting page, or none for a client that is not a page.
    pub(crate) fn check(
        &self,
        ask: &Handshake<'_>,
        cookies: Cookies,
    ) -> Result<Option<Arc<str>>, Denial> {
        match ask.line("origin") {
            Line::Many => Err(Denial::OriginForbidden),
            Line::One(seen) => match self.listed.iter().find(|one| one.as_bytes() == seen) {
                Some(origin) => Ok(Some(Arc::clone(origin))),
                None if self.any => Ok(std::str::from_utf8(seen).ok().map(Arc::from)),
                None => Err(Denial::OriginForbidden),
            },
            Line::None if self.any => Ok(None),
            Line::None => self.check_missing(ask, cookies).map(|()| self.of_own_page(ask)),
        }
    }

    /// The origin of a page that asks its own server with a GET: browsers leave it out, and say
    /// `same-origin` instead, so it is the listed one of the host that was asked.
    fn of_own_page(&self, ask: &Handshake<'_>) -> Option<Arc<str>> {
        let Line::One(b"same-origin") = ask.line("sec-fetch-site") else { return None };
        let Line::One(host) = ask.line("host") else { return None };
        let same = |origin: &&Arc<str>| {
            let authority = origin.split_once("://").map(|(_, authority)| authority.as_bytes());
            authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
        };
        self.listed.iter().find(same).cloned()
    }

    fn check_missing(&self, ask: &Handshake<'_>, cookies: Cookies) -> Result<(), Denial> {
        let passes = match ask.endpoint {
            // Navigation sends no origin, and a page is the same for everyone.
            Endpoint::Page => true,
            Endpoint::Api => match ask.line("sec-fetch-site") {
                Line::None => cookies == Cookies::None,
                Line::One(site) => site == b"same-origin",
                Line::Many => false,
            },
            Endpoint::SocketIo | Endpoint::Plain => self.is_native(ask, cookies),
            // Browsers send no origin with a GET to the page's own server (Fetch, section 3.2).
            Endpoint::PollingIo => match (ask.method, ask.line("sec-fetch-site")) {
                (_, Line::None) => self.is_native(ask, cookies),
                ("GET", Line::One(site)) => site == b"same-origin",
                (_, Line::One(_) | Line::Many) => false,
            },
        };
        if passes { Ok(()) } else { Err(Denial::OriginMissing) }
    }

    /// No browser: it brings a bearer token, which no page can make a browser add to a socket, and
    /// no cookie.
    fn is_native(&self, ask: &Handshake<'_>, cookies: Cookies) -> bool {
        match self.without {
            WithoutOrigin::Reject => false,
            WithoutOrigin::Token => {
                cookies == Cookies::None && ask.line("authorization") != Line::None
            }
        }
    }
}

/// Whether a text is an origin as browsers serialise it (HTML standard, "ASCII serialisation of an
/// origin"), or as web views of apps send it.
///
/// # Errors
/// The fault.
pub fn check_origin(text: &str) -> Result<(), &'static str> {
    if text == "null" {
        return Err("is sent by sandboxed frames of any site, so it does not identify a page");
    }
    if text.contains('*') {
        return Err("is a pattern");
    }
    let (host, default_port) = match text.split_once("://") {
        Some(("https", host)) => (host, ":443"),
        Some(("http", host)) => (host, ":80"),
        Some((scheme, name)) => return check_app(scheme, name),
        None => return Err("does not begin with https:// or http://"),
    };
    if host.ends_with(default_port) {
        return Err("names the default port, which browsers leave out");
    }
    if is_host(host) { Ok(()) } else { Err("has more than a lower-case host and a port") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authentication::credentials::credential::cookies;

    const OURS: &[u8] = b"https://myapp.com";

    fn origins(without: WithoutOrigin) -> Origins {
        let listed = ["https://myapp.com", "https://other.example:8443", "http://localhost:3000"];
        Origins::parse(&listed.map(String::from), without, &Danger::default()).unwrap()
    }

    fn check(
        origins: &Origins,
        endpoint: Endpoint,
        method: &str,
        headers: &[(&str, &[u8])],
    ) -> Result<Option<Arc<str>>, Denial> {
        let client = std::net::IpAddr::from([127, 0, 0, 1]);
        let ask = Handshake { client, endpoint, method, query: "", authority: None, headers };
        origins.check(&ask, cookies(&ask))
    }

    const ENDPOINTS: [Endpoint; 5] =
        [Endpoint::Page, Endpoint::Api, Endpoint::SocketIo, Endpoint::Plain, Endpoint::PollingIo];

    #[test]
    fn only_listed_origins_pass_at_every_endpoint() {
        let origins = origins(WithoutOrigin::Token);
        let refused = [
            // T-001, T-002.
            "https://evil.com",
            "null",
            "NULL",
            "",
            // T-003.
            "https://sub.myapp.com",
            "https://myapp.com.evil.com",
            "https://evilmyapp.com",
            "https://myapp.com-evil.com",
            "https://myappXcom",
            "https://myapp.co",
            "https://www.myapp.com.",
            "https://myapp.com.",
            "https://myapp.com/",
            "https://MYAPP.com",
            " https://myapp.com",
            "https://myapp.com\t",
            // T-004.
            "http://myapp.com",
            "ws://myapp.com",
            "wss://myapp.com",
            "file://",
            "chrome-extension://x",
            "//myapp.com",
            "myapp.com",
            // T-005.
            "https://myapp.com:443",
            "https://myapp.com:8443",
            "https://myapp.com:80",
            "https://myapp.com:0443",
            "https://other.example",
            "https://myapp.com, https://evil.com",
            "https://myapp.com https://evil.com",
        ];
        for endpoint in ENDPOINTS {
            for seen in refused {
                let headers: &[(&str, &[u8])] = &[
                    ("Origin", seen.as_bytes()),
                    // T-012, and nothing else makes up for a wrong origin.
                    ("Referer", b"https://myapp.com/"),
                    ("Sec-Fetch-Site", b"same-origin"),
                    ("Authorization", b"Bearer x"),
                ];
                let outcome = check(&origins, endpoint, "GET", headers);
                assert_eq!(outcome, Err(Denial::OriginForbidden), "{endpoint:?} {seen:?}");
            }
            for ours in [OURS, b"https://other.example:8443", b"http://localhost:3000"] {
                let origin = check(&origins, endpoint, "GET", &[("oRiGiN", ours)]).unwrap();
                assert_eq!(origin.unwrap().as_bytes(), ours);
            }
            let doubled = check(&origins, endpoint, "GET", &[("origin", OURS), ("Origin", OURS)]);
            assert_eq!(doubled, Err(Denial::OriginForbidden));
        }
    }

    #[test]
    fn t_007_t_008_t_012_missing_origin_is_decided_by_endpoint() {
        const BEARER: (&str, &[u8]) = ("Authorization", b"Bearer x");
        const COOKIE: (&str, &[u8]) = ("Cookie", b"a=b");
        const REFERER: (&str, &[u8]) = ("Referer", b"https://myapp.com/");
        const SAME: (&str, &[u8]) = ("Sec-Fetch-Site", b"same-origin");
        const SITE: (&str, &[u8]) = ("Sec-Fetch-Site", b"same-site");
        const CROSS: (&str, &[u8]) = ("Sec-Fetch-Site", b"cross-site");
        const NONE: (&str, &[u8]) = ("Sec-Fetch-Site", b"none");
        // The endpoints that admit: when a token suffices, and when an origin is required.
        type Case<'a> = (&'a str, &'a [(&'a str, &'a [u8])], &'a [Endpoint], &'a [Endpoint]);
        let (page, api, io, plain, polling) = (
            Endpoint::Page,
            Endpoint::Api,
            Endpoint::SocketIo,
            Endpoint::Plain,
            Endpoint::PollingIo,
        );
        let cases: [Case<'_>; 13] = [
            ("GET", &[], &[page, api], &[page, api]),
            ("GET", &[REFERER], &[page, api], &[page, api]),
            ("GET", &[COOKIE], &[page], &[page]),
            ("GET", &[BEARER], &[page, api, io, plain, polling], &[page, api]),
            ("GET", &[BEARER, COOKIE], &[page], &[page]),
            ("GET", &[BEARER, SAME], &[page, api, io, plain, polling], &[page, api, polling]),
            ("GET", &[SAME], &[page, api, polling], &[page, api, polling]),
            ("GET", &[SAME, COOKIE], &[page, api, polling], &[page, api, polling]),
            ("POST", &[SAME, COOKIE], &[page, api], &[page, api]),
            ("GET", &[SITE], &[page], &[page]),
            ("GET", &[CROSS], &[page], &[page]),
            ("GET", &[NONE], &[page], &[page]),
            ("GET", &[SAME, SAME], &[page], &[page]),
        ];
        for (method, headers, with_token, refusing) in cases {
            for (without, passing) in
                [(WithoutOrigin::Token, with_token), (WithoutOrigin::Reject, refusing)]
            {
                let origins = origins(without);
                for endpoint in ENDPOINTS {
                    let outcome = check(&origins, endpoint, method, headers);
                    let passes = passing.contains(&endpoint);
                    let expect = if passes { Ok(None) } else { Err(Denial::OriginMissing) };
                    assert_eq!(outcome, expect, "{without:?} {endpoint:?} {method} {headers:?}");
                }
            }
        }
    }

    #[test]
    fn t_002_t_011_list_that_weakens_the_check_is_rejected() {
        let refused = [
            "null",
            "*",
            "https://*",
            "https://*.myapp.com",
            "https://myapp.com/",
            "",
            "https://myapp.com/path",
            "https://MyApp.com",
            "https://myapp.com:443",
            "http://myapp.com:80",
            "https://user@myapp.com",
            "myapp.com",
            "wss://myapp.com",
            "https://",
            "https://myapp.com ",
            " https://myapp.com",
            "https://myapp.com?x",
            "https://myapp.com,https://b.com",
            "file://",
            "https://[::1]:443",
        ];
        for seen in refused {
            let listed = [String::from("https://myapp.com"), String::from(seen)];
            let outcome = Origins::parse(&listed, WithoutOrigin::Reject, &Danger::default());
            let named =
                matches!(outcome, Err(GateError::Origin { seen: text, .. }) if text == seen);
            assert!(named, "{seen:?}");
        }
        let none = |without, danger| Origins::parse(&[], without, &danger).err();
        let (refuse, guarded) = (WithoutOrigin::Reject, Danger::default());
        assert_eq!(none(refuse, guarded), Some(GateError::NoOrigin));
        assert_eq!(none(WithoutOrigin::Token, guarded), None);
        assert_eq!(none(refuse, Danger { any_origin: true, ..guarded }), None);
    }
}
