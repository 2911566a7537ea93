//! The names of the private listener in `Host` (T-017).
//! Never: a response with details under a name that an attacker's DNS can point here.

use std::net::IpAddr;

use portcullis_wire::http1::{FieldValue, Head};

/// The status and the text of a rejected request.
pub(crate) type Rejection = (u16, &'static str);

const FOREIGN: Rejection = (
    421,
    "this Host is not allowed here: use an IP address, localhost, or a name that is listed in \
     listen.private_hosts",
);
const NO_HOST: Rejection = (400, "the request needs exactly one Host header");

/// Checks the `Host` of a request for more details than probes get.
///
/// A page in a browser of this network can have its own name resolve to this listener. It cannot
/// make the browser send an IP address, `localhost` or an operator's name as `Host`.
pub(crate) fn check_host(head: &Head<'_>, allowed: &[String]) -> Result<(), Rejection> {
    let host = match (head.authority, head.header("host")) {
        (Some(authority), _) => authority,
        (None, FieldValue::One(host)) => std::str::from_utf8(host).map_err(|_| NO_HOST)?,
        (None, FieldValue::None | FieldValue::Many) => return Err(NO_HOST),
    };
    let name = without_port(host);
    let is_address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().is_ok();
    let is_listed =
        |listed: &String| listed.eq_ignore_ascii_case(host) || listed.eq_ignore_ascii_case(name);
    let is_own = name.eq_ignore_ascii_case("localhost");
    if is_address || is_own || allowed.iter().any(is_listed) { Ok(()) } else { Err(FOREIGN) }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of a bare IPv6 address separate no port.
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { name } else { host }
        }
        Some(_) | None => host,
    }
}

#[cfg(test)]
mod tests {
    use portcullis_wire::http1::{HeadLimits, parse_head};

    use super::*;

    fn status(line: &str, hosts: &[&str]) -> u16 {
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let text = format!("GET {line} HTTP/1.1\r\n{hosts}\r\n");
        let limits = HeadLimits { head_max_bytes: 4096, headers_max: 8, target_max_bytes: 1024 };
        let head = parse_head(text.as_bytes(), &limits).unwrap().unwrap();
        let allowed = [String::from("metrics.internal"), String::from("other.internal:9443")];
        check_host(&head, &allowed).map_or_else(|(status, _)| status, |()| 200)
    }

    #[test]
    fn t017_foreign_names_are_rejected_and_addresses_and_listed_names_are_not() {
        let cases = [
            ("127.0.0.1", 200),
            ("127.0.0.1:9443", 200),
            ("10.1.2.3:9443", 200),
            ("[::1]:9443", 200),
            ("[2001:db8::1]", 200),
            ("localhost", 200),
            ("LOCALHOST:9443", 200),
            ("metrics.internal", 200),
            ("Metrics.Internal:9443", 200),
            ("other.internal:9443", 200),
            ("other.internal:1", 421),
            ("evil.example", 421),
            ("evil.example:9443", 421),
            ("localhost.evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("metrics.internal.evil.example", 421),
            ("localhost:9443:1", 421),
            ("", 421),
        ];
        for (host, expect) in cases {
            assert_eq!(status("/metrics", &[host]), expect, "{host:?}");
        }
        assert_eq!(status("/metrics", &[]), 400);
        assert_eq!(status("/metrics", &["localhost", "evil.example"]), 400);
        assert_eq!(status("http://evil.example/metrics", &["localhost"]), 421);
    }
}
