//! `[[token.issuer]]`: whose tokens are believed beside our own (T-030 to T-050).
//! Never: a secret in the file itself, or in a text.

use std::path::PathBuf;

use portcullis_guard::{Issuer, IssuerKey};
use portcullis_model::Secret;
use serde::{Deserialize, Deserializer};

use super::error::ConfigError;
use super::profile::Profile;
use super::secret_file::read_private;

/// `[token]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TokenSection {
    pub(super) issuer: Vec<IssuerSection>,
}

/// `[[token.issuer]]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IssuerSection {
    /// `iss` of its tokens, exactly.
    issuer: Option<String>,
    /// `aud` of its tokens, exactly.
    pub(super) audience: Option<String>,
    /// `HS256`.
    algorithm: Option<String>,
    /// The secret of 32 bytes or more, not readable by others; one line end is cut off.
    pub(super) secret_file: Option<PathBuf>,
    /// The secret itself, from the environment only.
    #[serde(deserialize_with = "secret")]
    pub(super) secret: Option<Secret<String>>,
    /// Not available in this version.
    jwks_file: Option<PathBuf>,
    /// Not available in this version.
    jwks_url: Option<String>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret<String>>, D::Error> {
    String::deserialize(deserializer).map(|text| Some(Secret::new(text)))
}

/// Where an issuer's secret came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SecretSource {
    File(PathBuf),
    Environment,
}

/// What the summary tells of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IssuerFacts {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) secret: SecretSource,
}

impl TokenSection {
    /// Refuses a secret that stands in the file: files are copied, shown and committed.
    pub(super) fn refuse_secrets(&self) -> Result<(), ConfigError> {
        if self.issuer.iter().all(|issuer| issuer.secret.is_none()) {
            return Ok(());
        }
        let why = "a configuration file is copied, shown and committed";
        let mend = "write secret_file, or set PORTCULLIS__TOKEN__ISSUER__0__SECRET";
        Err(ConfigError::refused("token.issuer.secret", "set in the file", why, mend))
    }

    pub(super) fn read(
        self,
        profile: Profile,
    ) -> Result<(Vec<Issuer>, Vec<IssuerFacts>), ConfigError> {
        self.issuer.into_iter().map(|section| section.read(profile)).collect()
    }
}

impl IssuerSection {
    fn read(self, profile: Profile) -> Result<(Issuer, IssuerFacts), ConfigError> {
        let use_secret = "use algorithm = \"HS256\" with secret_file";
        for (key, is_set) in [
            ("token.issuer.jwks_file", self.jwks_file.is_some()),
            ("token.issuer.jwks_url", self.jwks_url.is_some()),
        ] {
            if is_set {
                return Err(ConfigError::unavailable(key, "set", use_secret));
            }
        }
        let key = "token.issuer.algorithm";
        match self.algorithm.as_deref() {
            Some("HS256") => {}
            None => return Err(missing(key, use_secret)),
            Some(known @ ("RS256" | "ES256" | "EdDSA")) => {
                return Err(ConfigError::unavailable(key, &format!("{known:?}"), use_secret));
            }
            Some(other) => return Err(ConfigError::no_such_choice(key, other, use_secret)),
        }
        let (secret, source) = read_secret(self.secret_file, self.secret, profile)?;
        let name = |key, value: Option<String>, mend| value.ok_or_else(|| missing(key, mend));
        let issuer = name("token.issuer.issuer", self.issuer, "write what its tokens name as iss")?;
        let audience =
            name("token.issuer.audience", self.audience, "write what its tokens name as aud")?;
        Ok((
            Issuer {
                issuer: issuer.clone(),
                audience: audience.clone(),
                own: false,
                key_id: None,
                key: IssuerKey::Hs256(secret),
            },
            IssuerFacts { issuer, audience, secret: source },
        ))
    }
}

fn read_secret(
    file: Option<PathBuf>,
    secret: Option<Secret<String>>,
    profile: Profile,
) -> Result<(Secret<Vec<u8>>, SecretSource), ConfigError> {
    let key = "token.issuer.secret_file";
    match (file, secret) {
        (Some(path), None) => {
            let mut bytes = read_private(key, &path)?.expose().clone();
            for line_end in [b'\n', b'\r'] {
                if bytes.last() == Some(&line_end) {
                    bytes.pop();
                }
            }
            Ok((Secret::new(bytes), SecretSource::File(path)))
        }
        (None, Some(_)) if profile == Profile::Strict => {
            let why = "every program this process starts, and its crash dumps, hold it";
            let seen = "set in the environment";
            Err(ConfigError::refused("token.issuer.secret", seen, why, "write secret_file"))
        }
        (None, Some(text)) => {
            let bytes = text.expose().clone().into_bytes();
            Ok((Secret::new(bytes), SecretSource::Environment))
        }
        (Some(_), Some(_)) => {
            let why = "secret is set as well, and one would be ignored";
            Err(ConfigError::refused(key, "set", why, "set one of them"))
        }
        (None, None) => Err(missing(
            key,
            "name a file with 32 random bytes or more that only this user can read",
        )),
    }
}

fn missing(key: &str, mend: &str) -> ConfigError {
    ConfigError::refused(key, "missing", "an issuer cannot be checked without it", mend)
}
