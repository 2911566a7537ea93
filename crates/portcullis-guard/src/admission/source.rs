//! Distinguishes requests that a page of another site may have caused from all others.
//! Never: a permission; `origin.rs` decides which pages may connect.

use crate::admission::handshake::{Endpoint, Handshake, Line};

/// The facts in a request's headers about the page that caused it.
///
/// A page of another site can make its visitor's browser send requests, and the visitor must not be
/// blocked for them. So only [`Source::Attributable`] requests are charged to their address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Source {
    /// A listed page, this server's own page, the user or a program: charged to the address.
    #[default]
    Attributable,
    /// Unknown: an older browser, or one in plain text, sends the same headers for any page.
    Unmarked,
    /// A link of another site's page, followed to a page of this server.
    Navigation,
    /// A page of another site, as the browser says.
    CrossSite,
}

/// Content types that a form or a simple request can have (Fetch standard, section 2.2.2).
const SIMPLE_TYPES: [&[u8]; 3] =
    [b"application/x-www-form-urlencoded", b"multipart/form-data", b"text/plain"];

pub(crate) fn without_origin(ask: &Handshake<'_>) -> Source {
    match ask.line("sec-fetch-site") {
        // `none` is the user: an address that was typed, a bookmark.
        Line::One(b"same-origin" | b"none") => Source::Attributable,
        Line::One(_) if is_navigation(ask) => Source::Navigation,
        Line::One(_) | Line::Many => Source::CrossSite,
        Line::None if is_beyond_pages(ask) => Source::Attributable,
        Line::None => Source::Unmarked,
    }
}

fn is_navigation(ask: &Handshake<'_>) -> bool {
    ask.endpoint == Endpoint::Page
        && matches!(ask.method, "GET" | "HEAD")
        && ask.line("sec-fetch-mode") == Line::One(b"navigate")
}

/// Whether no page can make a browser send this to another site without asking first, by a
/// preflight or, for a WebSocket, by an `Origin`.
fn is_beyond_pages(ask: &Handshake<'_>) -> bool {
    let sends = |name| ask.line(name) != Line::None;
    let simple = matches!(ask.method, "GET" | "HEAD" | "POST");
    let form = match ask.line("content-type") {
        Line::None => true,
        Line::One(value) => {
            let media_type = value.split(|byte| *byte == b';').next().unwrap_or_default();
            let media_type = media_type.trim_ascii();
            SIMPLE_TYPES.iter().any(|simple| media_type.eq_ignore_ascii_case(simple))
        }
        Line::Many => false,
    };
    let named = ["authorization", "dpop", "x-admission", "upgrade"].into_iter().any(sends);
    named || !simple || !form
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use portcullis_model::{Denial, Now};

    use super::*;
    use crate::directory::space::DirectoryLimits;
    use crate::directory::tables::Directory;
    use crate::gate::Gate;
    use crate::gate_options::GateOptions;
    use crate::tables::rate::Rate;

    type Headers<'a> = &'a [(&'a str, &'a [u8])];

    const HOST: (&str, &[u8]) = ("Host", b"myapp.com");
    const OURS: (&str, &[u8]) = ("Origin", b"https://myapp.com");
    const EVIL: (&str, &[u8]) = ("Origin", b"https://evil.example");
    const CROSS: (&str, &[u8]) = ("Sec-Fetch-Site", b"cross-site");
    const SITE: (&str, &[u8]) = ("Sec-Fetch-Site", b"same-site");
    const SAME: (&str, &[u8]) = ("Sec-Fetch-Site", b"same-origin");
    const NONE: (&str, &[u8]) = ("Sec-Fetch-Site", b"none");
    const NAVIGATE: (&str, &[u8]) = ("Sec-Fetch-Mode", b"navigate");
    const NO_CORS: (&str, &[u8]) = ("Sec-Fetch-Mode", b"no-cors");
    const IMAGE: (&str, &[u8]) = ("Sec-Fetch-Dest", b"image");
    const UPGRADE: (&str, &[u8]) = ("Upgrade", b"websocket");
    const BEARER: (&str, &[u8]) = ("Authorization", b"Bearer x");
    const JSON: (&str, &[u8]) = ("Content-Type", b"application/json");
    const FORM: (&str, &[u8]) = ("Content-Type", b"text/plain; charset=utf-8");

    fn gate(options: GateOptions) -> Gate {
        let options = GateOptions {
            hosts: vec!["myapp.com".into()],
            origins: vec!["https://myapp.com".into()],
            rate_keys_max: 4096,
            ..options
        };
        Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap()
    }

    fn ask<'a>(endpoint: Endpoint, method: &'a str, headers: Headers<'a>) -> Handshake<'a> {
        let client = IpAddr::from([192, 0, 2, 1]);
        Handshake { client, endpoint, method, query: "", authority: None, headers }
    }

    #[test]
    fn source_follows_from_headers_that_no_page_can_choose() {
        use Source::{Attributable, CrossSite, Navigation, Unmarked};
        let gate = gate(GateOptions::default());
        let cases: [(Endpoint, &str, Headers<'_>, Source); 22] = [
            (Endpoint::Page, "GET", &[OURS], Attributable),
            (Endpoint::Plain, "GET", &[OURS, CROSS, UPGRADE], Attributable),
            (Endpoint::Page, "GET", &[SAME, NO_CORS], Attributable),
            (Endpoint::Page, "GET", &[NONE, NAVIGATE], Attributable),
            (Endpoint::Api, "GET", &[BEARER], Attributable),
            (Endpoint::Api, "POST", &[JSON], Attributable),
            (Endpoint::Api, "PUT", &[], Attributable),
            (Endpoint::Plain, "GET", &[UPGRADE], Attributable),
            // The headers of Chromium for an image, a script, a WebSocket, a form and a fetch.
            (Endpoint::Plain, "GET", &[CROSS, NO_CORS, IMAGE], CrossSite),
            (Endpoint::SocketIo, "GET", &[EVIL, UPGRADE], CrossSite),
            (Endpoint::Api, "POST", &[EVIL, CROSS, NAVIGATE, FORM], CrossSite),
            (Endpoint::Api, "POST", &[("Origin", b"null"), CROSS, NAVIGATE, FORM], CrossSite),
            (Endpoint::Api, "OPTIONS", &[EVIL], CrossSite),
            (Endpoint::Page, "GET", &[SITE, NO_CORS], CrossSite),
            (Endpoint::Plain, "GET", &[CROSS, NAVIGATE], CrossSite),
            (Endpoint::Page, "GET", &[CROSS, SAME, NAVIGATE], CrossSite),
            (Endpoint::Api, "POST", &[CROSS, JSON, BEARER], CrossSite),
            (Endpoint::Page, "GET", &[CROSS, NAVIGATE], Navigation),
            (Endpoint::Page, "GET", &[SITE, NAVIGATE], Navigation),
            // Older browsers, and plain text.
            (Endpoint::Page, "GET", &[], Unmarked),
            (Endpoint::Api, "POST", &[FORM], Unmarked),
            (Endpoint::Plain, "GET", &[], Unmarked),
        ];
        for (endpoint, method, headers, expect) in cases {
            assert_eq!(
                gate.admission.source(&ask(endpoint, method, headers)),
                expect,
                "{endpoint:?} {headers:?}"
            );
        }
    }

    #[test]
    fn requests_of_other_sites_pages_lock_out_no_visitor() {
        let one = Rate::per(5, 60_000);
        let gate = gate(GateOptions {
            connect_per_prefix: one,
            request_per_prefix: one,
            penalty_per_prefix: one,
            ..GateOptions::default()
        });
        let floods: [(Endpoint, &str, Headers<'_>); 8] = [
            (Endpoint::Plain, "GET", &[HOST, CROSS, NO_CORS, IMAGE]),
            (Endpoint::SocketIo, "GET", &[HOST, EVIL, UPGRADE]),
            (Endpoint::PollingIo, "GET", &[HOST, EVIL]),
            (Endpoint::PollingIo, "GET", &[HOST]),
            (Endpoint::Plain, "GET", &[HOST]),
            (Endpoint::Api, "POST", &[HOST, EVIL, FORM]),
            (Endpoint::Page, "GET", &[HOST, CROSS, NO_CORS]),
            (Endpoint::Page, "GET", &[HOST, CROSS, NAVIGATE]),
        ];
        for (endpoint, method, headers) in floods {
            for _ in 0..700 {
                let rejected = gate.admit(&ask(endpoint, method, headers), Now::default()).err();
                let limit = rejected.as_ref().and_then(Denial::limit);
                assert!(limit.is_none() || endpoint == Endpoint::Page, "{endpoint:?} {rejected:?}");
                if endpoint.is_socket() {
                    let again =
                        gate.admit_again(&ask(endpoint, method, headers), None, Now::default());
                    assert_eq!(again.err().and_then(|denial| denial.limit()), None, "{endpoint:?}");
                }
            }
        }
        // Navigation by the visitor is not rejected.
        for _ in 0..5 {
            let visit = ask(Endpoint::Page, "GET", &[HOST, NONE, NAVIGATE]);
            assert!(gate.admit(&visit, Now::default()).is_ok());
            let socket = ask(Endpoint::SocketIo, "GET", &[HOST, OURS, UPGRADE]);
            assert!(gate.admit(&socket, Now::default()).is_ok());
        }
    }

    #[test]
    fn pages_that_other_sites_cause_are_bounded_and_soon_served_again() {
        let rate = Rate::per(5, 60_000);
        let gate = gate(GateOptions { request_per_prefix: rate, ..GateOptions::default() });
        let at = |monotonic_ms| Now { monotonic_ms, unix_ms: 0 };
        let served = |ms| {
            let link = ask(Endpoint::Page, "GET", &[HOST, CROSS, NAVIGATE]);
            (0..700).filter(|_| gate.admit(&link, at(ms)).is_ok()).count()
        };
        assert_eq!((served(0), served(1), served(12_000)), (5, 0, 1));
    }
}
