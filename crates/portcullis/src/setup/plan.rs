//! The answers of an operator about a new server, and their checks.
//! Never: a rule of its own where the configuration has one; its reader checks the answers.

use std::path::{Path, PathBuf};

use anyhow::Result;
use ipnet::IpNet;
use portcullis_model::Now;

use super::arguments::{InitArguments, LoginArguments, TlsArguments};
use super::text::render;
use crate::config::{ConfigError, Settings, Sources, Warning};
use crate::tls::server_config::Tls;

/// The files that the documentation names.
pub(super) const CERTIFICATE: &str = "/etc/portcullis/tls.crt";
pub(super) const KEY: &str = "/etc/portcullis/tls.key";
/// A proxy on this machine.
pub(super) const LOOPBACK: &str = "127.0.0.1";
pub(super) const ALGORITHM: &str = "RS256";

/// What an operator answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// The name of the server.
    pub(super) domain: String,
    /// Pages that can connect, beside those of the server.
    pub(super) origins: Vec<String>,
    pub(super) login: Login,
    pub(super) tls: TlsPlan,
    pub(super) admin_host: Option<String>,
}

/// How users sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Login {
    Own,
    Issuer(IssuerPlan),
}

/// The issuer of tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IssuerPlan {
    pub(super) issuer: String,
    pub(super) jwks_url: String,
    pub(super) audience: String,
    pub(super) algorithm: String,
}

/// Where TLS ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TlsPlan {
    Acme(AcmePlan),
    Files {
        certificate: PathBuf,
        key: PathBuf,
        /// Proxies that forward connections, also on other machines.
        proxies: Vec<String>,
    },
    /// At proxies on this machine.
    Proxy(Vec<String>),
}

/// A certificate that the server gets itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct AcmePlan {
    pub(super) email: Option<String>,
    pub(super) is_staging: bool,
    /// Proxies that forward connections, also on other machines.
    pub(super) proxies: Vec<String>,
}

/// The words of `--login`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoginKind {
    Own,
    Issuer,
}

impl LoginKind {
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        match text {
            "own" => Ok(Self::Own),
            "issuer" => Ok(Self::Issuer),
            _ => Err(ConfigError::no_such_choice("--login", text, "write own or issuer")),
        }
    }
}

/// The words of `--tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TlsKind {
    Acme,
    Files,
    Proxy,
}

impl TlsKind {
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        match text {
            "files" => Ok(Self::Files),
            "proxy" => Ok(Self::Proxy),
            "acme" => Ok(Self::Acme),
            _ => Err(ConfigError::no_such_choice("--tls", text, "write acme, files or proxy")),
        }
    }
}

impl Plan {
    /// The plan for a server behind a proxy, until more is answered.
    pub(super) fn new(domain: &str) -> Result<Self, ConfigError> {
        let refused = |why: &str| {
            let mend = "write its name only, such as chat.example";
            Err(ConfigError::refused("--domain", format!("{domain:?}"), why, mend))
        };
        if domain.contains('/') {
            return refused("it is an address of a page, and not the name of a server");
        }
        if domain.contains(':') {
            return refused("it has a port, or is an address, and not a name");
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        if !domain.bytes().all(is_plain) {
            return refused("a name has letters, digits, hyphens and dots; write others as xn--…");
        }
        if !domain.contains('.') || domain.parse::<std::net::IpAddr>().is_ok() {
            return refused("certificates and browsers need a complete name");
        }
        Ok(Self {
            domain: domain.trim_end_matches('.').to_ascii_lowercase(),
            origins: Vec::new(),
            login: Login::Own,
            tls: TlsPlan::Proxy(vec![String::from(LOOPBACK)]),
            admin_host: None,
        })
    }

    /// The plan from the command line alone.
    pub(super) fn from_arguments(arguments: &InitArguments) -> Result<Self, ConfigError> {
        let Some(domain) = &arguments.domain else {
            let why = "standard input is not a terminal, so no question can be answered";
            let mend = "name the server, such as --domain chat.example; see portcullis init --help";
            return Err(ConfigError::refused("--domain", "missing", why, mend));
        };
        let mut plan = Self::new(domain)?;
        plan.set_origins(&arguments.origin);
        plan.login = Login::from_arguments(&arguments.login)?;
        plan.tls = TlsPlan::from_arguments(&arguments.tls)?;
        plan.admin_host.clone_from(&arguments.admin_host);
        Ok(plan)
    }

    /// The origin of the pages of this server.
    pub(super) fn own_origin(&self) -> String {
        format!("https://{}", self.domain)
    }

    pub(super) fn set_origins(&mut self, origins: &[String]) {
        let own = self.own_origin();
        let mut seen = Vec::new();
        for origin in origins.iter().map(|origin| origin.trim_end_matches('/')) {
            if origin != own && !seen.iter().any(|other| other == origin) {
                seen.push(String::from(origin));
            }
        }
        self.origins = seen;
    }

    /// Checks the file of the plan as `portcullis check` does, except for the data and addresses.
    pub(super) fn check(&self, now: Now) -> Result<Vec<Warning>> {
        let text = render(self);
        let settings =
            Settings::read_text(Path::new("portcullis.toml"), &text, &Sources::default())?;
        Ok(Tls::inspect(&settings, now)?)
    }
}

impl Login {
    pub(super) fn from_arguments(arguments: &LoginArguments) -> Result<Self, ConfigError> {
        let LoginArguments { login, issuer, jwks_url, audience, algorithm } = arguments;
        let kind =
            login.unwrap_or(if issuer.is_some() { LoginKind::Issuer } else { LoginKind::Own });
        let of_issuer = [
            ("--issuer", issuer),
            ("--jwks-url", jwks_url),
            ("--audience", audience),
            ("--algorithm", algorithm),
        ];
        match kind {
            LoginKind::Own => match of_issuer.into_iter().find(|(_, value)| value.is_some()) {
                Some((flag, _)) => {
                    let why = "accounts of this server have no issuer of their own";
                    Err(ConfigError::refused(flag, "set", why, "remove it, or use --login issuer"))
                }
                None => Ok(Self::Own),
            },
            LoginKind::Issuer => {
                let issuer = required("--issuer", issuer, "write the claim iss of its tokens")?;
                Ok(Self::Issuer(IssuerPlan {
                    jwks_url: jwks_url.clone().unwrap_or_else(|| jwks_url_of(&issuer)),
                    audience: required(
                        "--audience",
                        audience,
                        "write the claim aud of its tokens",
                    )?,
                    algorithm: algorithm.clone().unwrap_or_else(|| String::from(ALGORITHM)),
                    issuer,
                }))
            }
        }
    }
}

/// The usual address of the keys of an issuer.
pub(super) fn jwks_url_of(issuer: &str) -> String {
    format!("{}/.well-known/jwks.json", issuer.trim_end_matches('/'))
}

fn required(flag: &str, value: &Option<String>, mend: &str) -> Result<String, ConfigError> {
    let value = value.clone().filter(|value| !value.trim().is_empty());
    let why = "tokens of the issuer cannot be verified without it";
    value.ok_or_else(|| ConfigError::refused(flag, "missing", why, mend))
}

impl TlsPlan {
    pub(super) fn from_arguments(arguments: &TlsArguments) -> Result<Self, ConfigError> {
        let TlsArguments { tls, certificate, key, proxy, .. } = arguments;
        let has_files = certificate.is_some() || key.is_some();
        let first_of_acme = arguments.first_of_acme();
        let usual = match (has_files, first_of_acme) {
            (false, Some(_)) => TlsKind::Acme,
            (false, None) if !proxy.is_empty() => TlsKind::Proxy,
            _ => TlsKind::Files,
        };
        let kind = tls.unwrap_or(usual);
        if let (Some(flag), TlsKind::Files | TlsKind::Proxy) = (first_of_acme, kind) {
            let why = "the server gets a certificate itself only with --tls acme";
            return Err(ConfigError::refused(flag, "set", why, "remove it, or use --tls acme"));
        }
        match kind {
            TlsKind::Acme | TlsKind::Proxy if has_files => {
                let why = "the certificate is your own only with --tls files";
                let mend = "remove --certificate and --key, or use --tls files";
                Err(ConfigError::refused("--certificate", "set", why, mend))
            }
            TlsKind::Acme => Self::acme(arguments),
            TlsKind::Files => {
                let file = |path: &Option<PathBuf>, usual: &str| {
                    absolute(path.as_deref().unwrap_or(Path::new(usual)))
                };
                let (certificate, key) = (file(certificate, CERTIFICATE), file(key, KEY));
                Ok(Self::Files { certificate, key, proxies: networks(proxy)? })
            }
            TlsKind::Proxy => Self::proxies(proxy),
        }
    }

    /// A certificate of Let's Encrypt, with whose terms the operator agrees.
    fn acme(arguments: &TlsArguments) -> Result<Self, ConfigError> {
        if !arguments.agree_terms {
            let why = "Let's Encrypt issues certificates only to operators who agree to its terms";
            let mend = "read https://letsencrypt.org/repository, and add --agree-terms";
            return Err(ConfigError::refused("--agree-terms", "missing", why, mend));
        }
        Ok(Self::Acme(AcmePlan {
            email: arguments.acme_email.clone(),
            is_staging: arguments.acme_staging,
            proxies: networks(&arguments.proxy)?,
        }))
    }

    /// TLS ends at these proxies, which have to be on this machine.
    pub(super) fn proxies(addresses: &[String]) -> Result<Self, ConfigError> {
        if addresses.is_empty() {
            return Ok(Self::Proxy(vec![String::from(LOOPBACK)]));
        }
        let networks = networks(addresses)?;
        for (shown, network) in addresses.iter().zip(&networks) {
            if !network.parse::<IpNet>().is_ok_and(|network| network.network().is_loopback()) {
                let why = "it is on another machine, and messages to it would cross the network \
                           without TLS";
                let mend = "use --tls files with a certificate of this server, and keep --proxy; \
                            or name an address of this machine, such as 127.0.0.1";
                return Err(ConfigError::refused("--proxy", format!("{shown:?}"), why, mend));
            }
        }
        Ok(Self::Proxy(addresses.to_vec()))
    }
}

/// Addresses as networks.
fn networks(addresses: &[String]) -> Result<Vec<String>, ConfigError> {
    let read = |address: &String| {
        let single = address.parse::<std::net::IpAddr>().map(IpNet::from);
        let network = single.or_else(|_| address.parse::<IpNet>());
        network.map(|network| network.to_string()).map_err(|_| {
            let mend = "write the address of your proxy, such as 127.0.0.1 or 10.0.0.0/8";
            let why = "it is not an IP address or a network";
            ConfigError::refused("--proxy", format!("{address:?}"), why, mend)
        })
    };
    addresses.iter().map(read).collect()
}

/// A path that does not depend on the folder of the server.
pub(super) fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}
