//! Plain text: a request for a page is redirected to TLS, every other request is rejected.
//! Never: a redirect to a name that is not listed.

use portcullis_model::{Denial, Now};

use crate::admission::admit::Admission;
use crate::admission::handshake::{Handshake, Line};
use crate::admission::source::Source;
use crate::authentication::credentials::credential;

impl Admission {
    /// The listed name, with its port, to which a plain-text request for a page is redirected.
    ///
    /// The request is counted. Programs are not redirected: one that sends a credential has exposed
    /// it on the network, and has to notice (ASVS 5.0, 4.1.2).
    ///
    /// # Errors
    /// The [`Denial`] of the first guard that rejects it; [`Denial::PlainText`] unless a page is
    /// requested.
    pub fn redirect(&self, request: &Handshake<'_>, now: Now) -> Result<String, Denial> {
        match self.source(request) {
            Source::Attributable => {
                let admission = self.shown(request, now);
                self.count_request(request.client, admission, now)?;
            }
            Source::Unmarked | Source::Navigation => self.count_anywhere(request.client, now)?,
            Source::CrossSite => return Err(Denial::PlainText),
        }
        let name = String::from(self.policy.load().hosts.by_name(request)?);
        credential::reject_in_query(request.query)?;
        let credential = request.line("authorization") != Line::None;
        let page = matches!(request.method, "GET" | "HEAD") && request.line("origin") == Line::None;
        if page && !credential { Ok(name) } else { Err(Denial::PlainText) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::Arc;

    use portcullis_model::{BlockScope, Limit};

    use super::*;
    use crate::admission::handshake::Endpoint;
    use crate::directory::block_rules::BlockedNetwork;
    use crate::directory::blocks::BlockFacts;
    use crate::directory::space::DirectoryLimits;
    use crate::directory::tables::Directory;
    use crate::gate::Gate;
    use crate::gate_options::GateOptions;
    use crate::load::state::LoadState;
    use crate::tables::rate::Rate;

    type Headers<'a> = &'a [(&'a str, &'a [u8])];

    fn gate(request_per_prefix: Rate) -> Gate {
        let hosts = ["myapp.com", "myapp.com:8443", "other.example:8443", "[::1]:8443"];
        let options = GateOptions {
            hosts: hosts.map(String::from).to_vec(),
            origins: vec!["https://myapp.com".into()],
            rate_keys_max: 4096,
            request_per_prefix,
            ..GateOptions::default()
        };
        Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap()
    }

    fn request<'a>(method: &'a str, query: &'a str, headers: Headers<'a>) -> Handshake<'a> {
        let client = IpAddr::from([192, 0, 2, 1]);
        Handshake { client, endpoint: Endpoint::Page, method, query, authority: None, headers }
    }

    #[test]
    fn t_101_page_is_redirected_to_a_listed_name_from_any_port() {
        let gate = gate(Rate::per(1_000, 1_000));
        let named = |host: &str| {
            let headers: Headers<'_> = &[("Host", host.as_bytes())];
            gate.admission.redirect(&request("GET", "", headers), Now::default())
        };
        for (host, expect) in [
            ("myapp.com", "myapp.com"),
            ("MyApp.com:80", "myapp.com"),
            ("other.example", "other.example:8443"),
            ("other.example:8080", "other.example:8443"),
            ("[::1]", "[::1]:8443"),
            ("[::1]:80", "[::1]:8443"),
        ] {
            assert_eq!(named(host).as_deref(), Ok(expect), "{host}");
        }
        for host in [
            "",
            "evil.com",
            "myapp.com.evil.com",
            "myapp.com.",
            "myapp.com:",
            "myapp.com:x",
            "myapp.com:80:80",
            "myapp.com@evil.com",
            "myapp.com/evil.com",
            "myapp.com:80@evil.com",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]:80]",
        ] {
            assert_eq!(named(host), Err(Denial::Host), "{host}");
        }
        let twice: Headers<'_> = &[("Host", b"myapp.com"), ("host", b"myapp.com")];
        assert_eq!(
            gate.admission.redirect(&request("GET", "", twice), Now::default()),
            Err(Denial::Host)
        );
        assert_eq!(
            gate.admission.redirect(&request("GET", "", &[]), Now::default()),
            Err(Denial::Host)
        );
        let mut absolute = request("GET", "", &[("Host", b"myapp.com")]);
        absolute.authority = Some("evil.com");
        assert_eq!(gate.admission.redirect(&absolute, Now::default()), Err(Denial::Host));
    }

    #[test]
    fn t_101_programs_and_credentials_are_rejected() {
        let gate = gate(Rate::per(1_000, 1_000));
        let host = ("Host", b"myapp.com".as_slice());
        let redirect = |method, query, headers: Headers<'_>| {
            gate.admission.redirect(&request(method, query, headers), Now::default()).err()
        };
        for method in ["POST", "PUT", "OPTIONS", "get", "head"] {
            assert_eq!(redirect(method, "", &[host]), Some(Denial::PlainText), "{method}");
        }
        let bearer = ("authorization", b"Bearer x".as_slice());
        assert_eq!(redirect("GET", "", &[host, bearer]), Some(Denial::PlainText));
        assert_eq!(redirect("GET", "", &[host, bearer, bearer]), Some(Denial::PlainText));
        let origin = ("origin", b"https://myapp.com".as_slice());
        assert_eq!(redirect("GET", "", &[host, origin]), Some(Denial::PlainText));
        assert_eq!(redirect("GET", "token=x", &[host]), Some(Denial::TokenInUrl));
    }

    // RFC 8555 section 8.3: the addresses of an authority are not known before.
    #[test]
    fn validation_is_counted_and_passes_blocks_penalties_and_overload() {
        let options = GateOptions {
            hosts: vec!["myapp.com".into()],
            origins: vec!["https://myapp.com".into()],
            rate_keys_max: 4096,
            request_per_prefix: Rate::per(3, 60_000),
            load: Some(LoadState::Critical),
            ..GateOptions::default()
        };
        let gate =
            Gate::build(options, Arc::new(Directory::new(DirectoryLimits::default()))).unwrap();
        let (client, now) = (IpAddr::from([192, 0, 2, 1]), Now::default());
        let network = BlockedNetwork::parse("192.0.2.0/24").unwrap();
        let block = BlockFacts { network, scope: BlockScope::All, until_unix_ms: i64::MAX };
        gate.directory().blocks().put(block, now);
        for _ in 0..1_000 {
            gate.admission().count_violation(Some(client), None, now);
        }
        let headers: Headers<'_> = &[("Host", b"myapp.com")];
        let redirect = gate.admission.redirect(&request("GET", "", headers), now);
        assert_eq!(redirect, Err(Denial::NetworkBlocked));
        let validate = || gate.admission().count_validation(client, now).err();
        assert_eq!([validate(), validate(), validate()], [None, None, None]);
        let limit = Limit::RequestPerPrefix;
        assert!(matches!(validate(), Some(Denial::Limit { limit: found, .. }) if found == limit));
    }

    #[test]
    fn redirected_request_is_counted() {
        let gate = gate(Rate::per(3, 60_000));
        let headers: Headers<'_> = &[("Host", b"myapp.com")];
        let redirect =
            || gate.admission.redirect(&request("GET", "", headers), Now::default()).err();
        assert_eq!([redirect(), redirect(), redirect()], [None, None, None]);
        let limit = Limit::RequestPerPrefix;
        assert!(matches!(redirect(), Some(Denial::Limit { limit: found, .. }) if found == limit));
    }
}
