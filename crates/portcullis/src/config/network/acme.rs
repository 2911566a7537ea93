//! ACME in `[tls]`: the authority, the account and the challenge (RFC 8555).
//! Never: a request to the authority.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use toml::Value;

use crate::config::network::origin::{is_local, name};
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;

/// The directory of Let's Encrypt.
pub(crate) const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// The directory of Let's Encrypt for tests, whose certificates no client trusts.
pub(crate) const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// Most names of a certificate; Let's Encrypt accepts as many.
const NAMES_MAX: usize = portcullis_server::CHALLENGES_MAX;
/// The longest name of a host (RFC 1035 section 2.3.4).
const NAME_MAX_BYTES: usize = 253;
/// The last labels of names that public authorities never certify (RFC 6761, RFC 7686, RFC 8375).
const PRIVATE_ENDINGS: [&str; 9] =
    ["local", "internal", "lan", "home.arpa", "test", "invalid", "onion", "intranet", "private"];

/// How the authority validates that this server controls a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AcmeChallenge {
    /// A request in plain text to `listen.redirect` (RFC 8555 section 8.3).
    Http,
    /// A TLS handshake with `listen.public` (RFC 8737).
    TlsAlpn,
}

/// The words for [`AcmeChallenge`].
const CHALLENGES: [(&str, AcmeChallenge); 2] =
    [("http-01", AcmeChallenge::Http), ("tls-alpn-01", AcmeChallenge::TlsAlpn)];

impl AcmeChallenge {
    pub(crate) fn name(self) -> &'static str {
        CHALLENGES.iter().find(|(_, one)| *one == self).map_or("http-01", |(name, _)| name)
    }
}

/// The authority, the account and the challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AcmeSettings {
    /// The URL of the authority's directory.
    pub(crate) directory: String,
    /// The address to which the authority writes.
    pub(crate) email: Option<String>,
    pub(crate) challenge: AcmeChallenge,
    /// Authorities that certify the directory itself, in place of those of the system.
    pub(crate) authorities: Option<PathBuf>,
}

impl AcmeSettings {
    /// The keys in force.
    pub(crate) fn summary(&self) -> impl Iterator<Item = (&'static str, Value)> {
        let directory = match self.directory.as_str() {
            STAGING => ("acme_staging", true.into()),
            directory => ("acme_directory", directory.into()),
        };
        let email = self.email.iter().map(|email| ("acme_email", email.as_str().into()));
        let authorities = self.authorities.iter();
        let authorities =
            authorities.map(|path| ("acme_ca_file", path.display().to_string().into()));
        let always = [directory, ("acme_challenge", self.challenge.name().into())];
        let agreed = ("acme_terms_agreed", true.into());
        always.into_iter().chain([agreed]).chain(email).chain(authorities)
    }
}

/// The keys of `[tls]` for `mode = "acme"`, as they are written.
pub(crate) struct AcmeKeys {
    pub(crate) email: Option<String>,
    pub(crate) directory: Option<String>,
    pub(crate) staging: Option<bool>,
    pub(crate) challenge: Option<String>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) terms_agreed: Option<bool>,
}

impl AcmeKeys {
    /// The first key that is set.
    pub(crate) fn first_set(&self) -> Option<&'static str> {
        let set = [
            ("tls.acme_email", self.email.is_some()),
            ("tls.acme_directory", self.directory.is_some()),
            ("tls.acme_staging", self.staging.is_some()),
            ("tls.acme_challenge", self.challenge.is_some()),
            ("tls.acme_ca_file", self.ca_file.is_some()),
            ("tls.acme_terms_agreed", self.terms_agreed.is_some()),
        ];
        set.into_iter().find(|(_, is_set)| *is_set).map(|(key, _)| key)
    }

    /// `redirect` is the address of `listen.redirect`.
    pub(crate) fn read(
        self,
        profile: Profile,
        redirect: Option<SocketAddr>,
    ) -> Result<AcmeSettings, ConfigError> {
        let challenge = self.challenge(redirect)?;
        if profile == Profile::Development {
            let why = "an authority cannot reach a server that listens on this machine only";
            let mend = "remove it, or use the production profile";
            return Err(ConfigError::refused("tls.mode", "\"acme\"", why, mend));
        }
        if self.terms_agreed != Some(true) {
            let why = "an authority issues certificates only to operators who agree to its terms";
            let mend = "read the terms of the authority, then write acme_terms_agreed = true";
            let seen = self.terms_agreed.map_or("not set", |_| "false");
            return Err(ConfigError::refused("tls.acme_terms_agreed", seen, why, mend));
        }
        Ok(AcmeSettings {
            challenge,
            email: self.email.map(email).transpose()?,
            directory: directory(self.directory, self.staging)?,
            authorities: self.ca_file,
        })
    }

    fn challenge(&self, redirect: Option<SocketAddr>) -> Result<AcmeChallenge, ConfigError> {
        const KEY: &str = "tls.acme_challenge";
        let mend = "write \"http-01\" or \"tls-alpn-01\"";
        let challenge = match (self.challenge.as_deref(), redirect) {
            (None, Some(_)) => AcmeChallenge::Http,
            (None, None) => AcmeChallenge::TlsAlpn,
            (Some(word), _) => CHALLENGES
                .iter()
                .find(|(name, _)| *name == word)
                .map(|(_, challenge)| *challenge)
                .ok_or_else(|| ConfigError::no_such_choice(KEY, word, mend))?,
        };
        if challenge == AcmeChallenge::Http && redirect.is_none() {
            let why = "the authority connects in plain text, and no listener accepts that";
            let mend = "set listen.redirect, which the authority has to reach at port 80, or \
                        write \"tls-alpn-01\"";
            return Err(ConfigError::refused(KEY, "\"http-01\"", why, mend));
        }
        Ok(challenge)
    }
}

fn directory(named: Option<String>, staging: Option<bool>) -> Result<String, ConfigError> {
    const KEY: &str = "tls.acme_directory";
    match (named, staging) {
        (Some(named), Some(true)) => {
            let why = "acme_staging names another directory";
            Err(ConfigError::refused(KEY, format!("{named:?}"), why, "remove one of both"))
        }
        (Some(named), _) if !named.starts_with("https://") => {
            let why = "the authority cannot be recognized without TLS";
            let mend = "write its URL with https://";
            Err(ConfigError::refused(KEY, format!("{named:?}"), why, mend))
        }
        (Some(named), _) => Ok(named),
        (None, Some(true)) => Ok(String::from(STAGING)),
        (None, _) => Ok(String::from(PRODUCTION)),
    }
}

fn email(text: String) -> Result<String, ConfigError> {
    let is_plain = text.len() <= 254 && text.bytes().all(|byte| byte.is_ascii_graphic());
    let parts = text.split_once('@');
    let has_parts = parts.is_some_and(|(user, host)| {
        !user.is_empty() && !host.is_empty() && !host.contains('@') && !user.contains(':')
    });
    if is_plain && has_parts {
        return Ok(text);
    }
    let mend = "write one address, like \"operator@example.com\"";
    Err(ConfigError::refused("tls.acme_email", format!("{text:?}"), "it is not an address", mend))
}

/// The names of the certificate: those of these hosts, without ports.
///
/// # Errors
/// A name that an authority cannot validate.
pub(crate) fn certificate_names<'a>(
    acme: &AcmeSettings,
    hosts: impl Iterator<Item = &'a String>,
) -> Result<Vec<String>, ConfigError> {
    let mut names: Vec<String> = hosts.map(|host| name(host).to_ascii_lowercase()).collect();
    names.sort_unstable();
    names.dedup();
    let key = "tls.mode";
    for name in &names {
        if let Some(why) = fault(name, acme) {
            let mend = "set listen.hosts to the public names of this server, or write mode = \
                        \"files\"";
            return Err(ConfigError::refused(
                key,
                "\"acme\"",
                format!("{name:?} is a host, and {why}"),
                mend,
            ));
        }
    }
    if names.len() > NAMES_MAX {
        let why = format!("the server has {} names, more than {NAMES_MAX}", names.len());
        return Err(ConfigError::refused(key, "\"acme\"", why, "list fewer hosts"));
    }
    Ok(names)
}

/// Why an authority cannot validate a name.
fn fault(name: &str, acme: &AcmeSettings) -> Option<&'static str> {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if name.contains('*') {
        return Some("a pattern needs a challenge over DNS, which the server does not have");
    }
    if bare.parse::<IpAddr>().is_ok() {
        return Some("an address is not a name");
    }
    if is_local(name) {
        return Some("it is the name of this machine only");
    }
    let label = |label: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > NAME_MAX_BYTES || !name.split('.').all(label) {
        return Some("it is not a name of DNS");
    }
    // A private authority decides itself about the names of its network.
    if acme.authorities.is_some() {
        return None;
    }
    let ends = |ending: &&str| {
        name.strip_suffix(*ending).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    if !name.contains('.') || PRIVATE_ENDINGS.iter().any(ends) {
        return Some("it is not a public name; a private authority needs acme_ca_file");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::read;
    use crate::config::{Settings, TlsSettings};

    const AGREED: &str = "acme_terms_agreed = true\n";

    fn configuration(tls: &str, more: &str) -> Result<Settings, String> {
        let origin = if more.contains("[origin]") {
            ""
        } else {
            "[origin]\nallowed = [\"https://chat.example\"]\n"
        };
        let text = format!("profile = \"production\"\n[tls]\nmode = \"acme\"\n{tls}{more}{origin}");
        read(&text).map_err(|error| error.to_string())
    }

    fn acme(tls: &str, more: &str) -> AcmeSettings {
        match configuration(tls, more).unwrap().tls {
            TlsSettings::Acme(acme) => acme,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn challenge_follows_the_listener_unless_it_is_named() {
        let redirect = "[listen]\nredirect = \"0.0.0.0:80\"\n";
        for (line, more, expect) in [
            ("", "", AcmeChallenge::TlsAlpn),
            ("", redirect, AcmeChallenge::Http),
            ("acme_challenge = \"tls-alpn-01\"\n", redirect, AcmeChallenge::TlsAlpn),
            ("acme_challenge = \"http-01\"\n", redirect, AcmeChallenge::Http),
        ] {
            assert_eq!(acme(&format!("{AGREED}{line}"), more).challenge, expect, "{line} {more}");
        }
    }

    #[test]
    fn directory_is_that_of_lets_encrypt_unless_it_is_named() {
        for (line, expect) in [
            ("", PRODUCTION),
            ("acme_staging = false\n", PRODUCTION),
            ("acme_staging = true\n", STAGING),
            ("acme_directory = \"https://ca.internal/acme/acme/directory\"\n", {
                "https://ca.internal/acme/acme/directory"
            }),
        ] {
            assert_eq!(acme(&format!("{AGREED}{line}"), "").directory, expect, "{line}");
        }
    }

    #[test]
    fn invalid_keys_are_rejected_with_the_reason() {
        for (tls, expect) in [
            ("", "agree to its terms"),
            ("acme_terms_agreed = false\n", "agree to its terms"),
            ("acme_terms_agreed = true\nacme_challenge = \"http-01\"\n", "listen.redirect"),
            ("acme_terms_agreed = true\nacme_challenge = \"dns-01\"\n", "tls-alpn-01"),
            ("acme_terms_agreed = true\nacme_directory = \"http://a.example/\"\n", "without TLS"),
            (
                "acme_terms_agreed = true\nacme_directory = \"https://a.example/\"\n\
                 acme_staging = true\n",
                "remove one",
            ),
            ("acme_terms_agreed = true\nacme_email = \"operator\"\n", "not an address"),
            ("acme_terms_agreed = true\nacme_email = \"a b@c.example\"\n", "not an address"),
            ("acme_terms_agreed = true\ncertificate_file = \"a.pem\"\n", "uses no certificate"),
        ] {
            let error = configuration(tls, "").err().unwrap_or_default();
            assert!(error.contains(expect), "{tls}: {error}");
        }
        let text = "[tls]\nmode = \"acme\"\nacme_terms_agreed = true\n";
        assert!(read(text).err().unwrap().to_string().contains("production profile"));
        for mode in ["off", "files"] {
            let text = format!(
                "profile = \"production\"\n[tls]\nmode = {mode:?}\nacme_staging = true\n\
                 [origin]\nallowed = [\"https://chat.example\"]\n"
            );
            let error = read(&text).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("tls.acme_staging"), "{mode}: {error}");
        }
    }

    #[test]
    fn names_are_those_of_the_server_and_of_the_dashboard() {
        let more = "[admin]\nhost = \"admin.chat.example\"\n[listen]\npublic = \"127.0.0.1:8443\"\n\
                    hosts = [\"chat.example:8443\", \"eu.chat.example\"]\n";
        let settings = configuration(AGREED, more).unwrap();
        let names = settings.acme_names().unwrap();
        assert_eq!(names, ["admin.chat.example", "chat.example", "eu.chat.example"]);
    }

    #[test]
    fn names_that_an_authority_cannot_validate_are_rejected() {
        for (host, public, private) in [
            ("chat.example", None, None),
            ("192.0.2.1", Some("an address"), Some("an address")),
            ("[2001:db8::1]", Some("an address"), Some("an address")),
            ("localhost", Some("this machine"), Some("this machine")),
            ("chat.localhost", Some("this machine"), Some("this machine")),
            ("chat.local", Some("not a public name"), None),
            ("chat.internal:8443", Some("not a public name"), None),
            ("chat", Some("not a public name"), None),
            ("mylocal.example", None, None),
            ("a..example", Some("name of DNS"), Some("name of DNS")),
            ("-a.example", Some("name of DNS"), Some("name of DNS")),
        ] {
            for (ca, expect) in [("", public), ("acme_ca_file = \"ca.pem\"\n", private)] {
                let more = format!("[listen]\nhosts = [{host:?}]\n");
                let read = configuration(&format!("{AGREED}{ca}"), &more);
                let error = read.err().unwrap_or_default();
                assert_eq!(error.is_empty(), expect.is_none(), "{host} {ca}: {error}");
                assert!(error.contains(expect.unwrap_or_default()), "{host} {ca}: {error}");
            }
        }
        let pattern = configuration(AGREED, "[listen]\nhosts = [\"*.chat.example\"]\n");
        assert!(pattern.err().unwrap().contains("pattern"));
    }
}
