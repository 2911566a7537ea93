//! `[tls]`: the certificate of the server (eavesdropping and tampering, T-100 to T-104).
//! Never: the development certificate outside development.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::network::acme::{AcmeKeys, AcmeSettings};
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;

/// `[tls]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsSection {
    /// The source of the certificate. `files`: your certificate. `acme`: an authority that issues
    /// one to the server. `development`: the authority of the server, for that profile only.
    /// `off`: plain text, for a proxy on this machine that ends TLS.
    #[schemars(extend("enum" = ["files", "acme", "development", "off"]))]
    #[schemars(extend(
        "x-default-text" = "`\"development\"` in `development`, otherwise `\"files\"`"
    ))]
    #[schemars(extend("examples" = ["files"]))]
    mode: Option<String>,
    /// The certificate chain in PEM; the certificate of the server is the first.
    #[schemars(extend("examples" = ["/etc/portcullis/tls.crt"]))]
    certificate_file: Option<PathBuf>,
    /// The private key in PEM. It is rejected if other users can read it.
    #[schemars(extend("examples" = ["/etc/portcullis/tls.key"]))]
    key_file: Option<PathBuf>,
    /// Certificate authorities in PEM for client certificates, which are then required (T-107).
    #[schemars(extend("examples" = ["/etc/portcullis/client-ca.pem"]))]
    client_ca_file: Option<PathBuf>,
    /// The address to which the authority of `acme` writes about the account.
    #[schemars(extend("examples" = ["operator@chat.example"]))]
    acme_email: Option<String>,
    /// The URL of the directory of the authority for `acme`.
    #[schemars(extend("x-default-text" = "the directory of Let's Encrypt"))]
    #[schemars(extend("examples" = ["https://ca.example/acme/directory"]))]
    acme_directory: Option<String>,
    /// Whether `acme` uses the staging directory of Let's Encrypt, whose certificates no client
    /// trusts.
    #[schemars(extend("x-default" = false))]
    acme_staging: Option<bool>,
    /// How the authority validates names: a request at `listen.redirect` or at `listen.public`.
    #[schemars(extend("enum" = ["http-01", "tls-alpn-01"], "examples" = ["tls-alpn-01"]))]
    #[schemars(extend(
        "x-default-text" = "`\"http-01\"` with `listen.redirect`, otherwise `\"tls-alpn-01\"`"
    ))]
    acme_challenge: Option<String>,
    /// Authorities in PEM that certify the directory of a private authority.
    #[schemars(extend("x-default-text" = "the authorities of the system"))]
    #[schemars(extend("examples" = ["/etc/portcullis/acme-ca.pem"]))]
    acme_ca_file: Option<PathBuf>,
    /// Whether you agree to the terms of the authority. `acme` requires `true`.
    #[schemars(extend("examples" = [true]))]
    acme_terms_agreed: Option<bool>,
}

/// The files of the certificate, the key, and the authorities for client certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: Option<PathBuf>,
}

/// The certificate of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TlsSettings {
    /// Issued by the authority of the server, for this machine only.
    Development,
    /// The certificate of the operator.
    Files(TlsFiles),
    /// Issued by an authority on request (RFC 8555).
    Acme(AcmeSettings),
    /// No TLS.
    Off,
}

impl TlsSettings {
    pub(crate) fn mode(&self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Files(_) => "files",
            Self::Acme(_) => "acme",
            Self::Off => "off",
        }
    }

    /// What an operator does when the certificate expires soon.
    pub(crate) fn renewal_remedy(&self) -> &'static str {
        match self {
            Self::Acme(_) => {
                "the server renews it, and fails: correct the cause in the records \
                 certificate_renewal"
            }
            Self::Development | Self::Files(_) | Self::Off => {
                "renew it, write it to tls.certificate_file, and send SIGHUP"
            }
        }
    }

    /// The port that addresses with [`TlsSettings::scheme`] leave out.
    pub(crate) fn default_port(&self) -> u16 {
        match self {
            Self::Off => 80,
            Self::Development | Self::Files(_) | Self::Acme(_) => 443,
        }
    }

    /// The scheme of addresses of this server.
    pub(crate) fn scheme(&self) -> &'static str {
        match self {
            Self::Development | Self::Files(_) | Self::Acme(_) => "https",
            Self::Off => "http",
        }
    }
}

impl TlsSection {
    /// `redirect` is the address of `listen.redirect`.
    pub(crate) fn read(
        mut self,
        profile: Profile,
        redirect: Option<SocketAddr>,
    ) -> Result<TlsSettings, ConfigError> {
        let default = match profile {
            Profile::Development => "development",
            Profile::Production | Profile::Strict => "files",
        };
        let mode = self.mode.take().unwrap_or_else(|| String::from(default));
        let mode = mode.as_str();
        let files = [&self.certificate_file, &self.key_file, &self.client_ca_file];
        let named = files.into_iter().any(Option::is_some);
        if named && mode != "files" {
            return Err(ConfigError::refused(
                "tls.mode",
                format!("{mode:?}"),
                "it uses no certificate_file, key_file or client_ca_file, but one is set",
                "write mode = \"files\", or remove the files",
            ));
        }
        let acme = self.acme();
        if let Some(key) = acme.first_set().filter(|_| mode != "acme") {
            let (seen, why) = (format!("set, and tls.mode is {mode:?}"), "only \"acme\" uses it");
            return Err(ConfigError::refused(
                key,
                seen,
                why,
                "write mode = \"acme\", or remove it",
            ));
        }
        match mode {
            "development" if profile == Profile::Development => Ok(TlsSettings::Development),
            "development" => Err(ConfigError::refused(
                "tls.mode",
                "\"development\"",
                "no other machine trusts the authority of this server",
                "write mode = \"files\" with certificate_file and key_file",
            )),
            "off" => Ok(TlsSettings::Off),
            "files" => self.files(),
            "acme" => acme.read(profile, redirect).map(TlsSettings::Acme),
            other => {
                let mend = "write \"files\", \"acme\", \"development\" or \"off\"";
                Err(ConfigError::no_such_choice("tls.mode", other, mend))
            }
        }
    }

    fn acme(&mut self) -> AcmeKeys {
        AcmeKeys {
            email: self.acme_email.take(),
            directory: self.acme_directory.take(),
            staging: self.acme_staging.take(),
            challenge: self.acme_challenge.take(),
            ca_file: self.acme_ca_file.take(),
            terms_agreed: self.acme_terms_agreed.take(),
        }
    }

    fn files(self) -> Result<TlsSettings, ConfigError> {
        let missing = |key| {
            let mend = "name your certificate chain and its key, both in PEM";
            ConfigError::refused(key, "missing", "mode \"files\" needs both files", mend)
        };
        Ok(TlsSettings::Files(TlsFiles {
            certificate: self.certificate_file.ok_or_else(|| missing("tls.certificate_file"))?,
            key: self.key_file.ok_or_else(|| missing("tls.key_file"))?,
            client_ca: self.client_ca_file,
        }))
    }
}
