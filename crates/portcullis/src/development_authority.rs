//! A certificate authority for this machine, made at the first start, and a leaf below it.
//! Never: used outside the development profile.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// Names the leaf is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Where the development certificates lie.
pub(crate) struct DevelopmentAuthority {
    pub(crate) authority: PathBuf,
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl DevelopmentAuthority {
    /// Finds them in the data directory, or makes them.
    pub(crate) fn load_or_create(data: &Path) -> Result<Self> {
        let found = Self {
            authority: data.join("ca.pem"),
            certificate: data.join("tls.pem"),
            key: data.join("tls.key"),
        };
        let complete = [&found.authority, &found.certificate, &found.key];
        if !complete.iter().all(|path| path.exists()) {
            found.create().context("cannot make the development certificates")?;
        }
        Ok(found)
    }

    fn create(&self) -> Result<()> {
        let authority_key = KeyPair::generate()?;
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.distinguished_name.push(DnType::CommonName, "Portcullis development authority");
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = authority.self_signed(&authority_key)?;
        let issuer = Issuer::new(authority, authority_key);

        let leaf_key = KeyPair::generate()?;
        let mut leaf = CertificateParams::new(NAMES.map(String::from).to_vec())?;
        leaf.distinguished_name.push(DnType::CommonName, "Portcullis development server");
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let leaf_certificate = leaf.signed_by(&leaf_key, &issuer)?;

        // The authority's key is not kept: what it could sign, nobody can sign any more.
        write(&self.authority, &certificate.pem(), 0o644)?;
        write(&self.certificate, &leaf_certificate.pem(), 0o644)?;
        write(&self.key, &leaf_key.serialize_pem(), 0o600)
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let opened = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(path);
    let mut file = opened.with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(())
}
