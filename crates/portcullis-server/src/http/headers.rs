//! Security headers and CORS on every response.
//! Never: a header that echoes the request, except an origin that is on the allowlist.

use portcullis_guard::{GateOptions, REPORT_PATH, is_app_origin};

use crate::http::api::ResponseKind;
use crate::setup::options::{Credentials, Options, StrictTransport};

/// How long a browser may remember a preflight answer, in seconds.
const PREFLIGHT_MAX_AGE: &str = "600";

/// The policy of every response that is not a page: no resources, forms or scripts.
pub(crate) const API_POLICY: &str = "default-src 'none'; base-uri 'none'; form-action 'none'; \
                                     frame-ancestors 'none'; sandbox";

/// The endpoint of reports about the policy of a page; `report-to` names it.
const REPORTING_ENDPOINTS: &str = "csp=\"/csp-report\"";

/// The security headers of all responses, built from the options in force.
pub(crate) struct SecurityHeaders {
    /// Whether pages of other origins may send cookies (CORS), for `/auth/refresh`.
    credentials: bool,
    page_policy: String,
    dashboard_policy: String,
    strict_transport: Option<String>,
    /// Whether a proxy in front of this server terminates TLS.
    pub(crate) is_behind_tls: bool,
}

/// A header and its value.
pub(crate) type Header<'a> = (&'a str, &'a str);

impl SecurityHeaders {
    /// Builds the headers from the configured origins, never from a request. The page of this
    /// server may open sockets only to names that are both an origin and a host.
    pub(crate) fn new(options: &Options, gate: &GateOptions) -> Self {
        let sockets = sockets_of(&gate.origins, &gate.hosts);
        let own = &gate.dashboard;
        let dashboard_sockets = match own.hosts.is_empty() {
            true => sockets.clone(),
            false => sockets_of(&own.origins, &own.hosts),
        };
        // Origins of apps do not show whether a proxy terminates TLS.
        let mut pages = gate.origins.iter().filter(|origin| !is_app_origin(origin)).peekable();
        let any_page = pages.peek().is_some();
        let all_https = pages.all(|origin| origin.starts_with("https://"));
        let is_behind_tls = options.tls.is_none() && any_page && all_https;
        Self {
            credentials: options.credentials == Credentials::Allowed,
            page_policy: page_policy(&sockets),
            dashboard_policy: page_policy(&dashboard_sockets),
            strict_transport: options.hsts.map(strict_transport),
            is_behind_tls,
        }
    }

    /// The header `Strict-Transport-Security`, only for responses over TLS (RFC 6797 section 7.2).
    pub(crate) fn strict_transport(&self) -> Option<Header<'_>> {
        self.strict_transport.as_deref().map(|value| ("Strict-Transport-Security", value))
    }

    /// Adds the headers of every response of this kind.
    pub(crate) fn add<'a>(
        &'a self,
        headers: &mut Vec<Header<'a>>,
        kind: ResponseKind,
        origin: Option<&'a str>,
    ) {
        headers.push(("X-Content-Type-Options", "nosniff"));
        headers.push(("X-Frame-Options", "DENY"));
        headers.push(("Referrer-Policy", "no-referrer"));
        headers.push((
            "Permissions-Policy",
            "geolocation=(), camera=(), microphone=(), interest-cohort=()",
        ));
        headers.push(("Cross-Origin-Opener-Policy", "same-origin"));
        headers.push(("Vary", "Origin"));
        match kind {
            ResponseKind::Page | ResponseKind::Dashboard => {
                let policy = match kind {
                    ResponseKind::Dashboard => &self.dashboard_policy,
                    _ => &self.page_policy,
                };
                headers.push(("Content-Security-Policy", policy));
                headers.push(("Reporting-Endpoints", REPORTING_ENDPOINTS));
                headers.push(("Cross-Origin-Embedder-Policy", "require-corp"));
                headers.push(("Cross-Origin-Resource-Policy", "same-origin"));
                headers.push(("Cache-Control", "no-cache"));
            }
            ResponseKind::Api | ResponseKind::Empty => {
                headers.push(("Content-Security-Policy", API_POLICY));
                // A browser closes the connection when it blocks a response from a page.
                let open = origin.is_some() || kind == ResponseKind::Empty;
                let resources = if open { "cross-origin" } else { "same-origin" };
                headers.push(("Cross-Origin-Resource-Policy", resources));
                headers.push(("Cache-Control", "no-store"));
            }
        }
        if let Some(origin) = origin {
            headers.push(("Access-Control-Allow-Origin", origin));
            headers.push(("Access-Control-Expose-Headers", "DPoP-Nonce, Retry-After"));
            if self.credentials {
                headers.push(("Access-Control-Allow-Credentials", "true"));
            }
        }
    }
}

/// The sources of sockets of a page: names that are both an origin and a host.
fn sockets_of(origins: &[String], hosts: &[String]) -> String {
    let mut sockets = String::new();
    for origin in origins {
        let Some((scheme, host)) = origin.split_once("://") else { continue };
        let scheme = match scheme {
            "https" => "wss",
            "http" => "ws",
            // The scheme of an app: no page of this server has it.
            _ => continue,
        };
        if hosts.iter().any(|own| own == host) {
            sockets.push_str(&format!(" {scheme}://{host}"));
        }
    }
    sockets
}

/// The policy of a page that opens these sockets.
fn page_policy(sockets: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; \
         connect-src 'self'{sockets}; img-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'; report-uri {REPORT_PATH}; report-to csp"
    )
}

fn strict_transport(hsts: StrictTransport) -> String {
    let mut value = format!("max-age={}", hsts.max_age_s);
    for (directive, is_set) in
        [("; includeSubDomains", hsts.include_subdomains), ("; preload", hsts.preload)]
    {
        if is_set {
            value.push_str(directive);
        }
    }
    value
}

/// Adds the permitted methods and headers to the response of a preflight.
pub(crate) fn add_preflight(headers: &mut Vec<Header<'_>>) {
    headers.push(("Access-Control-Allow-Methods", "GET, POST"));
    headers
        .push(("Access-Control-Allow-Headers", "content-type, authorization, dpop, x-admission"));
    headers.push(("Access-Control-Max-Age", PREFLIGHT_MAX_AGE));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(origins: &[&str], hosts: &[&str]) -> GateOptions {
        let owned = |list: &[&str]| list.iter().copied().map(String::from).collect();
        GateOptions { origins: owned(origins), hosts: owned(hosts), ..GateOptions::default() }
    }

    fn lines(security: &SecurityHeaders, kind: ResponseKind, origin: Option<&str>) -> String {
        let mut headers = Vec::new();
        security.add(&mut headers, kind, origin);
        let lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        lines.join("\n")
    }

    #[test]
    fn page_policy_lists_sockets_under_own_origins_only() {
        // Origins, hosts, the sources of `connect-src`.
        type Names<'a> = &'a [&'a str];
        let cases: [(Names<'_>, Names<'_>, &str); 5] = [
            (&["https://chat.example:8443"], &["chat.example:8443"], " wss://chat.example:8443"),
            // Behind a proxy: neither the inner port nor the loopback names.
            (
                &["https://chat.example"],
                &["127.0.0.1:8080", "chat.example", "chat.example:8080", "localhost:8080"],
                " wss://chat.example",
            ),
            // A page that another server has.
            (
                &["https://app.example", "https://chat.example"],
                &["chat.example"],
                " wss://chat.example",
            ),
            (&["http://127.0.0.1:3000"], &["127.0.0.1:3000"], " ws://127.0.0.1:3000"),
            (&[], &["chat.example"], ""),
        ];
        for (origins, hosts, expect) in cases {
            let security = SecurityHeaders::new(&Options::default(), &gate(origins, hosts));
            let page = lines(&security, ResponseKind::Page, None);
            assert!(page.contains(&format!("connect-src 'self'{expect};")), "{page}");
            assert!(!page.contains("unsafe"), "{page}");
            assert!(
                page.contains(&format!("Reporting-Endpoints: csp=\"{REPORT_PATH}\"")),
                "{page}"
            );
        }
    }

    #[test]
    fn dashboard_with_a_host_of_its_own_opens_sockets_to_no_other() {
        let mut options = gate(&["https://chat.example"], &["chat.example"]);
        for own in [false, true] {
            if own {
                let of = |text: &str| vec![String::from(text)];
                options.dashboard.origins = of("https://admin.example");
                options.dashboard.hosts = of("admin.example");
            }
            let security = SecurityHeaders::new(&Options::default(), &options);
            let page = lines(&security, ResponseKind::Page, None);
            assert!(page.contains("connect-src 'self' wss://chat.example;"), "{page}");
            let dashboard = lines(&security, ResponseKind::Dashboard, None);
            let host = if own { "admin.example" } else { "chat.example" };
            assert!(dashboard.contains(&format!("connect-src 'self' wss://{host};")));
        }
    }

    #[test]
    fn cors_headers_need_an_allowed_origin() {
        let security = SecurityHeaders::new(&Options::default(), &gate(&[], &[]));
        let plain = lines(&security, ResponseKind::Api, None);
        assert!(!plain.contains("Access-Control"), "{plain}");
        let allowed = lines(&security, ResponseKind::Api, Some("https://a.example"));
        assert!(allowed.contains("Access-Control-Allow-Origin: https://a.example"));
    }

    #[test]
    fn strict_transport_header_follows_the_configuration() {
        let base = StrictTransport::default();
        let cases = [
            (Some(base), Some("max-age=63072000; includeSubDomains")),
            (
                Some(StrictTransport { preload: true, ..base }),
                Some("max-age=63072000; includeSubDomains; preload"),
            ),
            (
                Some(StrictTransport { max_age_s: 0, include_subdomains: false, preload: false }),
                Some("max-age=0"),
            ),
            (None, None),
        ];
        for (hsts, expect) in cases {
            let options = Options { hsts, ..Options::default() };
            let security = SecurityHeaders::new(&options, &gate(&[], &[]));
            assert_eq!(security.strict_transport().map(|(_, value)| value), expect);
        }
    }

    #[test]
    fn server_is_behind_tls_when_every_origin_is_https() {
        let cases: [(&[&str], bool); 6] = [
            (&["https://chat.example", "https://app.example"], true),
            (&["https://chat.example", "http://localhost", "capacitor://localhost"], true),
            (&["https://localhost", "tauri://localhost"], false),
            (&["https://chat.example", "http://127.0.0.1:3000"], false),
            (&["http://127.0.0.1:3000"], false),
            (&[], false),
        ];
        for (origins, expect) in cases {
            let security = SecurityHeaders::new(&Options::default(), &gate(origins, &[]));
            assert_eq!(security.is_behind_tls, expect, "{origins:?}");
        }
    }
}
