//! Security headers and CORS on every response.
//! Never: a header that echoes the request, except an origin that is on the allowlist.

use crate::api::ResponseKind;
use crate::options::Credentials;

/// How long a browser remembers to use HTTPS only: two years, in seconds.
const HSTS: &str = "max-age=63072000; includeSubDomains";
/// How long a browser may remember a preflight answer, in seconds.
const PREFLIGHT_MAX_AGE: &str = "600";

/// What a response over TLS carries as well, and one in plain text must not (RFC 6797 7.2).
pub(crate) const STRICT_TRANSPORT: Header<'static> = ("Strict-Transport-Security", HSTS);

/// The headers of one response, built from what is fixed for this server.
pub(crate) struct SecurityHeaders {
    /// Whether pages of other origins may send cookies along (CORS), for `/auth/refresh`.
    credentials: bool,
    page_policy: String,
}

/// A header and its value.
pub(crate) type Header<'a> = (&'a str, &'a str);

impl SecurityHeaders {
    /// `hosts` are the names this server answers to; pages may open sockets to those only.
    pub(crate) fn new(tls: bool, hosts: &[String], credentials: Credentials) -> Self {
        let scheme = if tls { "wss" } else { "ws" };
        let mut sockets = String::new();
        for host in hosts {
            sockets.push_str(&format!(" {scheme}://{host}"));
        }
        let page_policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; \
             connect-src 'self'{sockets}; img-src 'self'; base-uri 'none'; form-action 'self'; \
             frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; \
             trusted-types 'none'"
        );
        Self { credentials: credentials == Credentials::Allowed, page_policy }
    }

    /// Adds the headers every response of the kind carries.
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
            ResponseKind::Page => {
                headers.push(("Content-Security-Policy", &self.page_policy));
                headers.push(("Cross-Origin-Embedder-Policy", "require-corp"));
                headers.push(("Cross-Origin-Resource-Policy", "same-origin"));
                headers.push(("Cache-Control", "no-cache"));
            }
            ResponseKind::Api | ResponseKind::Empty => {
                headers.push((
                    "Content-Security-Policy",
                    "default-src 'none'; frame-ancestors 'none'; sandbox",
                ));
                // A browser closes the connection of an answer that it keeps from a page.
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

/// Adds what an allowed page may ask for, to the answer of its preflight.
pub(crate) fn add_preflight(headers: &mut Vec<Header<'_>>) {
    headers.push(("Access-Control-Allow-Methods", "GET, POST"));
    headers.push(("Access-Control-Allow-Headers", "content-type, authorization, dpop"));
    headers.push(("Access-Control-Max-Age", PREFLIGHT_MAX_AGE));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tls: bool, kind: ResponseKind, origin: Option<&str>) -> Vec<String> {
        let security =
            SecurityHeaders::new(tls, &[String::from("chat.example:8443")], Credentials::Kept);
        let mut headers = Vec::new();
        security.add(&mut headers, kind, origin);
        headers.iter().map(|(name, value)| format!("{name}: {value}")).collect()
    }

    #[test]
    fn pages_may_open_sockets_to_this_server_only() {
        let page = names(true, ResponseKind::Page, None).join("\n");
        assert!(page.contains("connect-src 'self' wss://chat.example:8443;"), "{page}");
        assert!(!page.contains("unsafe"), "{page}");
    }

    #[test]
    fn no_cors_without_an_allowed_origin() {
        let plain = names(true, ResponseKind::Api, None).join("\n");
        assert!(!plain.contains("Access-Control"), "{plain}");
        let allowed = names(true, ResponseKind::Api, Some("https://a.example")).join("\n");
        assert!(allowed.contains("Access-Control-Allow-Origin: https://a.example"));
    }
}
