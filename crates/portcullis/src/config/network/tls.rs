//! `[tls]`: which certificate is shown. Answers listening in and tampering (T-100 to T-104).
//! Never: a certificate nobody else trusts outside development.

use std::path::PathBuf;

use serde::Deserialize;

use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;

/// `[tls]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct TlsSection {
    /// `development`, `files` or `off`; `files` outside development.
    mode: Option<String>,
    /// Certificate chain in PEM, the server's own first.
    certificate_file: Option<PathBuf>,
    /// Its private key in PEM, not readable by others.
    key_file: Option<PathBuf>,
    /// Authorities in PEM, one of which has to vouch for each client (T-107); nobody is asked.
    client_ca_file: Option<PathBuf>,
}

/// The operator's certificate and key, and who vouches for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) client_ca: Option<PathBuf>,
}

/// Which certificate is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TlsSettings {
    /// Our own authority, for this machine.
    Development,
    /// The operator's certificate.
    Files(TlsFiles),
    /// Plain text.
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

    /// How addresses of this server begin.
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
                "write mode = \"files\", or leave the files out",
            ));
        }
        match mode {
            "development" if profile == Profile::Development => Ok(TlsSettings::Development),
            "development" => Err(ConfigError::refused(
                "tls.mode",
                "\"development\"",
                "nobody else trusts our own authority",
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
