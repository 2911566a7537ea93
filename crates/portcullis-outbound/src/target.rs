//! The target of a request: a URL that was checked.
//! Never: a name or password in it, nor its query in any text.

use std::fmt;
use std::net::IpAddr;

use hyper::Uri;
use portcullis_model::Secret;
use rustls_pki_types::ServerName;
use url::{Host, Url};

use crate::address;
use crate::error::{OutboundError, URL_MAX_BYTES};
use crate::policy::Policy;

/// The target of a request: a URL that was checked.
///
/// `Display` and `Debug` show scheme, host, port and path. They omit the query,
/// which may hold a key. A fragment is dropped, because it is never sent.
#[derive(Clone)]
pub struct Target {
    scheme: Scheme,
    host: Host<String>,
    port: u16,
    authority: String,
    path: String,
    path_and_query: Secret<String>,
}

/// With or without TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Http,
    Https,
}

impl Target {
    /// Checks a URL: its form, its scheme, and its host if that is an address.
    ///
    /// A name's addresses are checked with each request, because they may change.
    ///
    /// # Errors
    /// [`OutboundError`] with the fault and the expected form of the URL.
    pub fn parse(text: &str, policy: &Policy) -> Result<Self, OutboundError> {
        if text.len() > URL_MAX_BYTES {
            return Err(OutboundError::UrlLong(text.len()));
        }
        let url = strict(text)?;
        let scheme = match url.scheme() {
            "https" => Scheme::Https,
            "http" => Scheme::Http,
            other => return Err(OutboundError::Scheme(String::from(other))),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutboundError::UserInfo);
        }
        let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
            return Err(OutboundError::UrlForm);
        };
        let name = host.to_string();
        let authority = url.port().map_or_else(|| name.clone(), |port| format!("{name}:{port}"));
        let path = String::from(url.path());
        let path_and_query = url.query().map_or_else(|| path.clone(), |it| format!("{path}?{it}"));
        if Uri::try_from(path_and_query.as_str()).is_err() {
            return Err(OutboundError::UrlForm);
        }
        let path_and_query = Secret::new(path_and_query);
        let host = host.to_owned();
        let target = Self { scheme, host, port, authority, path, path_and_query };
        target.check(policy)?;
        Ok(target)
    }

    /// Checks the policy again: the one at the request may be stricter.
    pub(crate) fn check(&self, policy: &Policy) -> Result<(), OutboundError> {
        if self.scheme == Scheme::Http && !(policy.private_allowed && self.names_loopback()) {
            return Err(OutboundError::Plain(self.host_text()));
        }
        if let Some(address) = self.literal()
            && let Some(range) = policy.rejected(address)
        {
            return Err(OutboundError::Private { host: self.host_text(), address, range });
        }
        if self.scheme == Scheme::Https {
            self.server_name()?;
        }
        Ok(())
    }

    /// Checks a host and port, for [`Client::connect`](crate::Client::connect).
    ///
    /// # Errors
    /// [`OutboundError`] with the fault, as for a URL.
    pub fn parse_host(host_and_port: &str, policy: &Policy) -> Result<Self, OutboundError> {
        let has_port = host_and_port.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
        });
        if !has_port || host_and_port.contains(['/', '?', '#', '@']) {
            return Err(OutboundError::UrlForm);
        }
        Self::parse(&format!("https://{host_and_port}/"), policy)
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The host as texts show it; an IPv6 address in brackets.
    pub(crate) fn host_text(&self) -> String {
        self.host.to_string()
    }

    /// The value of the `Host` header.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The target in the first line of the request.
    pub(crate) fn path_and_query(&self) -> &str {
        self.path_and_query.expose()
    }

    /// The address of the host, if the URL has one instead of a name.
    pub(crate) fn literal(&self) -> Option<IpAddr> {
        match &self.host {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(IpAddr::V4(*address)),
            Host::Ipv6(address) => Some(IpAddr::V6(*address)),
        }
    }

    /// The name that the certificate must be for.
    pub(crate) fn server_name(&self) -> Result<ServerName<'static>, OutboundError> {
        match &self.host {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|_| OutboundError::HostName(name.clone())),
            Host::Ipv4(address) => Ok(ServerName::from(IpAddr::V4(*address))),
            Host::Ipv6(address) => Ok(ServerName::from(IpAddr::V6(*address))),
        }
    }

    fn names_loopback(&self) -> bool {
        match &self.host {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(_) | Host::Ipv6(_) => self.literal().is_some_and(address::is_loopback),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(formatter, "{scheme}://{}:{}{}", self.host, self.port, self.path)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Target({self})")
    }
}

/// Parses a URL as browsers do, but rejects forms that they silently correct.
fn strict(text: &str) -> Result<Url, OutboundError> {
    if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return Err(OutboundError::UrlForm);
    }
    let url = Url::parse(text)?;
    // Browsers also correct `https:host` and `https:///host`.
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(OutboundError::UrlForm);
    };
    if !scheme.eq_ignore_ascii_case(url.scheme()) || rest.starts_with('/') {
        return Err(OutboundError::UrlForm);
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private() -> Policy {
        Policy { private_allowed: true, ..Policy::default() }
    }

    /// Expects the parsed URL, or the name of the error's variant.
    fn check(text: &str, policy: &Policy, expect: &str) {
        let found = match Target::parse(text, policy) {
            Ok(target) => target.to_string(),
            Err(error) => {
                let name = format!("{error:?}");
                let end = name.find([' ', '(']).unwrap_or(name.len());
                String::from(&name[..end])
            }
        };
        assert_eq!(found, expect, "{text:?}");
    }

    #[test]
    fn host_and_port_are_accepted_without_anything_else() {
        for (text, is_accepted) in [
            ("mail.example:587", true),
            ("8.8.8.8:465", true),
            ("[2606:4700::1111]:465", true),
            ("mail.example", false),
            ("mail.example:", false),
            (":587", false),
            ("10.0.0.1:587", false),
            ("mail.example:587/x", false),
            ("a@mail.example:587", false),
            ("mail.example:65536", false),
        ] {
            let found = Target::parse_host(text, &Policy::default());
            assert_eq!(found.is_ok(), is_accepted, "{text} {found:?}");
        }
    }

    #[test]
    fn url_is_accepted_in_one_plain_form_only() {
        let cases = [
            ("https://id.example.com", "https://id.example.com:443/"),
            ("HTTPS://ID.Example.com/A?b=c#d", "https://id.example.com:443/A"),
            ("https://id.example.com:8443/a/../b", "https://id.example.com:8443/b"),
            ("https://8.8.8.8/", "https://8.8.8.8:443/"),
            ("https://[2606:4700::1111]/x", "https://[2606:4700::1111]:443/x"),
            ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example:443/"),
            ("", "Url"),
            ("id.example.com", "Url"),
            ("https://", "Url"),
            ("https://a b/", "UrlForm"),
            (" https://id.example.com", "UrlForm"),
            ("https://id.example.com/\n", "UrlForm"),
            ("https://id.example.com\\@evil.example/", "UrlForm"),
            ("https:\\\\id.example.com/", "UrlForm"),
            ("https://b\u{fc}cher.example/", "UrlForm"),
            ("https://\u{2460}27.0.0.1/", "UrlForm"),
            ("https:id.example.com", "UrlForm"),
            ("https:/id.example.com", "UrlForm"),
            ("https:///id.example.com", "UrlForm"),
            ("https:id.example.com/?x=a://b", "UrlForm"),
            ("https://id.example.com:99999/", "Url"),
            ("https://[fe80::1%25eth0]/", "Url"),
            ("https://user@id.example.com/", "UserInfo"),
            ("https://user:secret@id.example.com/", "UserInfo"),
            ("https://:secret@id.example.com/", "UserInfo"),
            ("ftp://id.example.com/", "Scheme"),
            ("file:///etc/passwd", "UrlForm"),
            ("data:text/plain,x", "UrlForm"),
            ("ws://id.example.com/", "Scheme"),
            ("http://id.example.com/", "Plain"),
            ("http://8.8.8.8/", "Plain"),
        ];
        for (text, expect) in cases {
            check(text, &Policy::default(), expect);
        }
        let long = format!("https://id.example.com/{}", "a".repeat(URL_MAX_BYTES));
        check(&long, &Policy::default(), "UrlLong");
    }

    #[test]
    fn t_042_address_in_an_unusual_form_is_recognized() {
        let cases = [
            ("https://127.0.0.1/", "https://127.0.0.1:443/"),
            ("https://127.1/", "https://127.0.0.1:443/"),
            ("https://127.0.0.1./", "https://127.0.0.1:443/"),
            ("https://2130706433/", "https://127.0.0.1:443/"),
            ("https://0x7f000001/", "https://127.0.0.1:443/"),
            ("https://0x7f.1/", "https://127.0.0.1:443/"),
            ("https://0177.0.0.1/", "https://127.0.0.1:443/"),
            ("https://0/", "https://0.0.0.0:443/"),
            ("https://%31%32%37.0.0.1/", "https://127.0.0.1:443/"),
            ("https://169.254.169.254/latest/", "https://169.254.169.254:443/latest/"),
            ("https://2852039166/", "https://169.254.169.254:443/"),
            ("https://[::1]/", "https://[::1]:443/"),
            ("https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]:443/"),
            ("https://[::ffff:a9fe:a9fe]/", "https://[::ffff:a9fe:a9fe]:443/"),
            ("https://[64:ff9b::10.0.0.1]/", "https://[64:ff9b::a00:1]:443/"),
            ("https://[2002:7f00:1::]/", "https://[2002:7f00:1::]:443/"),
            ("https://[fd00:ec2::254]/", "https://[fd00:ec2::254]:443/"),
        ];
        for (text, seen) in cases {
            check(text, &Policy::default(), "Private");
            check(text, &private(), seen);
        }
    }

    #[test]
    fn t_042_link_local_address_is_rejected_although_private_ones_are_allowed() {
        let policy = Policy { link_local_allowed: false, ..private() };
        for text in [
            "https://169.254.169.254/latest/",
            "https://2852039166/",
            "https://[::ffff:a9fe:a9fe]/",
            "https://[fe80::1]/",
            "https://168.63.129.16/",
        ] {
            check(text, &policy, "Private");
        }
        check("https://10.0.0.1/", &policy, "https://10.0.0.1:443/");
        check("http://127.0.0.1/", &policy, "http://127.0.0.1:80/");
    }

    #[test]
    fn plain_http_needs_loopback_and_permission() {
        let cases = [
            ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
            ("http://127.1/", "http://127.0.0.1:80/"),
            ("http://[::1]/", "http://[::1]:80/"),
            ("http://localhost:1/", "http://localhost:1/"),
            ("http://LOCALHOST/", "http://localhost:80/"),
            ("http://localhost./", "Plain"),
            ("http://localhost.example.com/", "Plain"),
            ("http://10.0.0.1/", "Plain"),
            ("http://0.0.0.0/", "Plain"),
            ("http://id.example.com/", "Plain"),
        ];
        for (text, expect) in cases {
            check(text, &private(), expect);
            check(text, &Policy::default(), "Plain");
        }
    }

    #[test]
    fn text_of_a_target_omits_the_query() {
        let target = Target::parse("https://a.example/x?key=secret#y", &Policy::default()).unwrap();
        assert_eq!(target.path_and_query(), "/x?key=secret");
        assert_eq!(target.authority(), "a.example");
        assert_eq!(format!("{target} {target:?}").matches("secret").count(), 0);
    }
}
