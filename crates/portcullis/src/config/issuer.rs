//! Tokens of other issuers, so that an existing application keeps its login.
//! Never: a secret that others on the machine can read.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_guard::{Issuer, IssuerKey};
use portcullis_model::Secret;

use super::error::ConfigError;
use super::file;

/// Reads every `[[token.issuer]]`.
pub(crate) fn read(section: &file::Token) -> Result<Vec<Issuer>, ConfigError> {
    section.issuer.iter().map(read_one).collect()
}

fn read_one(section: &file::Issuer) -> Result<Issuer, ConfigError> {
    if section.jwks_file.is_some() || section.jwks_url.is_some() {
        let mend = "use algorithm = \"HS256\" with secret_file";
        return Err(ConfigError::unavailable("token.issuer.jwks_file or jwks_url", mend));
    }
    if section.algorithm != "HS256" {
        return Err(ConfigError::refused(
            "token.issuer.algorithm",
            format!("{:?}", section.algorithm),
            "it is not available in this version",
            "use algorithm = \"HS256\" with secret_file",
        ));
    }
    let Some(path) = &section.secret_file else {
        return Err(ConfigError::refused(
            "token.issuer.secret_file",
            "missing",
            "HS256 needs a secret",
            "name a file with at least 32 random bytes, readable by its owner only",
        ));
    };
    Ok(Issuer {
        issuer: section.issuer.clone(),
        audience: section.audience.clone(),
        own: false,
        key_id: None,
        key: IssuerKey::Hs256(Secret::new(read_secret(path)?)),
    })
}

/// Reads a secret's file; one line feed at its end is not part of it.
fn read_secret(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let mode = std::fs::metadata(path).map_err(unreadable)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(ConfigError::refused(
            "token.issuer.secret_file",
            format!("readable by others (mode {:o})", mode & 0o777),
            "whoever reads it can sign in as anyone",
            format!("run: chmod 600 {}", path.display()),
        ));
    }
    let mut secret = std::fs::read(path).map_err(unreadable)?;
    if secret.last() == Some(&b'\n') {
        secret.pop();
    }
    Ok(secret)
}
