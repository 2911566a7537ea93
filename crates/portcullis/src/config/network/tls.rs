//! `[tls]`: the certificate of the server (eavesdropping and tampering, T-100 to T-104).
//! Never: the development certificate outside development.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;

/// `[tls]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsSection {
    /// The source of the certificate. `files`: your certificate. `development`: the authority of
    /// the server, for that profile only. `off`: plain text, for a proxy on this machine that ends
    /// TLS.
    #[schemars(extend("enum" = ["files", "development", "off"]))]
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
    /// No TLS.
    Off,
}

impl TlsSettings {
    pub(crate) fn mode(&self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Files(_) => "files",
            Self::Off => "off",
        }
    }

    /// The port that addresses with [`TlsSettings::scheme`] leave out.
    pub(crate) fn default_port(&self) -> u16 {
        match self {
            Self::Off => 80,
            Self::Development | Self::Files(_) => 443,
        }
    }

    /// The scheme of addresses of this server.
    pub(crate) fn scheme(&self) -> &'static str {
        match self {
            Self::Development | Self::Files(_) => "https",
            Self::Off => "http",
        }
    }
}

impl TlsSection {
    pub(crate) fn read(self, profile: Profile) -> Result<TlsSettings, ConfigError> {
        let default = match profile {
            Profile::Development => "development",
            Profile::Production | Profile::Strict => "files",
        };
        let mode = self.mode.as_deref().unwrap_or(default);
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
            "acme" => {
                let mend = "write mode = \"files\" with certificate_file and key_file";
                Err(ConfigError::unavailable("tls.mode", "\"acme\"", mend))
            }
            other => {
                let mend = "write \"files\", \"development\" or \"off\"";
                Err(ConfigError::no_such_choice("tls.mode", other, mend))
            }
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
