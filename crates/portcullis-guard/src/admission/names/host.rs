//! Whether a request uses a name of this server: DNS rebinding and cache poisoning end here.
//! Never: a pattern, a suffix match, or a name reflected into an answer.

use portcullis_model::Denial;

use crate::admission::handshake::{Handshake, Line};
use crate::disabled_guards::Danger;
use crate::error::GateError;

/// Longest name with its port (RFC 1035 section 2.3.4, and `:65535`).
const HOST_MAX_BYTES: usize = 253 + 6;

/// The names this server answers to.
#[derive(Clone)]
pub(crate) struct Hosts {
    listed: Vec<String>,
    any: bool,
}

impl Hosts {
    /// The names of the server, and more names of its dashboard.
    pub(crate) fn parse(
        listed: &[String],
        dashboard: &[String],
        danger: &Danger,
    ) -> Result<Self, GateError> {
        if listed.is_empty() && !danger.any_host {
            return Err(GateError::NoHost);
        }
        let listed: Vec<_> = listed.iter().chain(dashboard).cloned().collect();
        match listed.iter().find(|host| !is_host(host)) {
            Some(host) => Err(GateError::Host(host.clone())),
            None => Ok(Self { listed, any: danger.any_host }),
        }
    }

    /// The first listed name that is the one of `Host`, whatever their ports.
    pub(crate) fn by_name(&self, ask: &Handshake<'_>) -> Result<&str, Denial> {
        let Line::One(host) = ask.line("host") else { return Err(Denial::Host) };
        let requested = bare(host).ok_or(Denial::Host)?;
        let same = |name: &str| bare(name.as_bytes()).is_some_and(|name| is_name(name, requested));
        let listed = self.listed.iter().find(|name| same(name)).ok_or(Denial::Host)?;
        let is_same = ask.authority.is_none_or(|authority| is_name(authority.as_bytes(), host));
        if is_same { Ok(listed) } else { Err(Denial::Host) }
    }

    /// One `Host`, on the list, and no other authority in the target (RFC 9112 section 3.2).
    pub(crate) fn check(&self, ask: &Handshake<'_>) -> Result<(), Denial> {
        let Line::One(host) = ask.line("host") else { return Err(Denial::Host) };
        let listed = self.any || self.listed.iter().any(|name| is_name(name.as_bytes(), host));
        if listed && ask.authority.is_none_or(|authority| is_name(authority.as_bytes(), host)) {
            Ok(())
        } else {
            Err(Denial::Host)
        }
    }
}

fn is_name(name: &[u8], host: &[u8]) -> bool {
    name.eq_ignore_ascii_case(host)
}

/// A host without its port; `None` when the text after the colon is not a port.
fn bare(host: &[u8]) -> Option<&[u8]> {
    let colon = host.iter().rposition(|byte| *byte == b':');
    // An IPv6 address is in brackets, with all its colons.
    let Some(colon) = colon.filter(|_| !host.ends_with(b"]")) else { return Some(host) };
    let (name, port) = host.split_at(colon);
    let port = std::str::from_utf8(port).ok()?.strip_prefix(':')?;
    is_port(port).then_some(name)
}

/// A lower-case name, IPv4 address or bracketed IPv6 address, and perhaps a port.
pub(crate) fn is_host(text: &str) -> bool {
    if text.len() > HOST_MAX_BYTES {
        return false;
    }
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        let port_sound = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return is_address(address) && port_sound;
    }
    let (name, port) = match text.split_once(':') {
        Some((name, port)) => (name, Some(port)),
        None => (text, None),
    };
    name.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_address(text: &str) -> bool {
    text.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.to_string() == text)
}

fn is_label(label: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty()
        && label.len() <= 63
        && label.bytes().all(plain)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0 && port.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::handshake::Endpoint;

    #[test]
    fn host_that_no_browser_sends_cannot_be_listed() {
        let long = format!("{}.com", "a".repeat(64));
        let cases = [
            ("myapp.com", true),
            ("myapp.com:8443", true),
            ("localhost:8443", true),
            ("127.0.0.1:8443", true),
            ("[::1]", true),
            ("[::1]:8443", true),
            ("xn--caf-dma.example", true),
            ("", false),
            ("MyApp.com", false),
            ("*.myapp.com", false),
            ("https://myapp.com", false),
            ("myapp.com/", false),
            ("myapp.com.", false),
            (".myapp.com", false),
            ("my app.com", false),
            ("user@myapp.com", false),
            ("myapp.com:", false),
            ("myapp.com:0", false),
            ("myapp.com:080", false),
            ("myapp.com:65536", false),
            ("myapp.com:1:2", false),
            ("-a.com", false),
            ("[::1", false),
            ("[", false),
            ("[]", false),
            ("[::1]x", false),
            ("[::1]:", false),
            ("[0:0:0:0:0:0:0:1]", false),
            ("caf\u{e9}.example", false),
            (long.as_str(), false),
        ];
        for (text, expect) in cases {
            assert_eq!(is_host(text), expect, "{text:?}");
            assert_eq!(
                Hosts::parse(&[String::from(text)], &[], &Danger::default()).is_ok(),
                expect
            );
        }
        assert_eq!(Hosts::parse(&[], &[], &Danger::default()).err(), Some(GateError::NoHost));
    }

    #[test]
    fn t_017_foreign_or_repeated_host_is_rejected() {
        let hosts = Hosts::parse(&["myapp.com".into()], &["[::1]:8443".into()], &Danger::default())
            .unwrap();
        let check = |headers: &[(&str, &[u8])], authority: Option<&str>| {
            let client = std::net::IpAddr::from([127, 0, 0, 1]);
            let endpoint = Endpoint::SocketIo;
            hosts.check(&Handshake {
                client,
                endpoint,
                method: "GET",
                query: "",
                authority,
                headers,
            })
        };
        type Case<'a> = (&'a [(&'a str, &'a [u8])], Option<&'a str>, bool);
        let cases: [Case<'_>; 13] = [
            (&[("Host", b"myapp.com")], None, true),
            (&[("host", b"MYAPP.com")], None, true),
            (&[("host", b"[::1]:8443")], None, true),
            (&[("host", b"myapp.com")], Some("myapp.com"), true),
            (&[("host", b"myapp.com")], Some("evil.com"), false),
            (&[("host", b"evil.com")], Some("myapp.com"), false),
            (&[("host", b"myapp.com"), ("HOST", b"myapp.com")], None, false),
            (&[("host", b"evil.com")], None, false),
            (&[("host", b"myapp.com:443")], None, false),
            (&[("host", b"myapp.com.")], None, false),
            (&[("host", b"")], None, false),
            (&[("x-forwarded-host", b"myapp.com")], None, false),
            (&[], None, false),
        ];
        for (headers, authority, expect) in cases {
            let expect = if expect { Ok(()) } else { Err(Denial::Host) };
            assert_eq!(check(headers, authority), expect, "{headers:?} {authority:?}");
        }
    }
}
