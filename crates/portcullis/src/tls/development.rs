//! Development certificates: an authority created at the first start, and a server certificate.
//! Never: used outside the development profile, or valid for another machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::net::Ipv6Addr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_model::Now;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::config::{TlsFiles, read_private};
use crate::tls::certificate_files;

const DAY_S: u64 = 24 * 60 * 60;
/// Lifetime of the authority: it is never renewed, because every client would have to trust the
/// new one.
const AUTHORITY_DAYS: u64 = 20 * 365;
/// Lifetime of a server certificate; browsers reject more than 398 days.
const LEAF_DAYS: u64 = 90;
/// A server certificate with fewer days left is renewed.
const LEFT_DAYS_MIN: u64 = 30;
/// Names in the server certificate; the second one is for a dashboard on a host of its own.
const NAMES: [&str; 4] = ["localhost", "admin.localhost", "127.0.0.1", "::1"];

/// Why there are no development certificates.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DevelopmentTlsError {
    /// A certificate cannot be created.
    #[error("cannot create the development certificates: {0}")]
    Create(#[from] rcgen::Error),
    /// A file cannot be written.
    #[error("cannot write {}: {cause}: check the data directory", path.display())]
    Write { path: PathBuf, cause: io::Error },
    /// A new certificate is not valid; the clock may be far off.
    #[error("the new development certificates are not valid: check the machine's clock")]
    NotValid,
}

/// Files of the development certificates.
pub(crate) struct DevelopmentTls {
    /// Certificate that browsers and clients have to trust.
    pub(crate) authority: PathBuf,
    authority_key: PathBuf,
    /// Certificate and key of the server.
    pub(crate) leaf: TlsFiles,
}

impl DevelopmentTls {
    /// Reads the certificates in the data directory; creates those missing or about to expire.
    pub(crate) fn load_or_create(data: &Path, now: Now) -> Result<Self, DevelopmentTlsError> {
        let own = Self {
            authority: data.join("ca.pem"),
            authority_key: data.join("ca.key"),
            leaf: TlsFiles {
                certificate: data.join("tls.pem"),
                key: data.join("tls.key"),
                client_ca: None,
            },
        };
        own.renew(now)?;
        Ok(own)
    }

    /// Issues a new server certificate when this one is invalid or expires soon; creates a new
    /// authority only when the old one cannot issue one, because clients have to trust it again.
    pub(crate) fn renew(&self, now: Now) -> Result<(), DevelopmentTlsError> {
        if self.is_valid(now) {
            return Ok(());
        }
        if let Some(key) = self.authority_key_on_disk() {
            self.issue_leaf(key, now)?;
            if self.is_valid(now) {
                return Ok(());
            }
        }
        let key = KeyPair::generate()?;
        let authority = authority(now)?.self_signed(&key)?;
        replace(&self.authority_key, key.serialize_pem().as_bytes(), 0o600)?;
        replace(&self.authority, authority.pem().as_bytes(), 0o644)?;
        self.issue_leaf(key, now)?;
        if self.is_valid(now) { Ok(()) } else { Err(DevelopmentTlsError::NotValid) }
    }

    fn authority_key_on_disk(&self) -> Option<KeyPair> {
        let text = read_private("ca.key", &self.authority_key).ok()?;
        KeyPair::from_pem(std::str::from_utf8(text.expose()).ok()?).ok()
    }

    fn issue_leaf(&self, authority_key: KeyPair, now: Now) -> Result<(), DevelopmentTlsError> {
        let key = KeyPair::generate()?;
        let leaf: Certificate =
            leaf(now)?.signed_by(&key, &Issuer::new(authority(now)?, authority_key))?;
        replace(&self.leaf.key, key.serialize_pem().as_bytes(), 0o600)?;
        replace(&self.leaf.certificate, leaf.pem().as_bytes(), 0o644)
    }

    /// Whether a client that trusts the authority accepts the server certificate, for every name,
    /// now and for the next days; and whether its key exists.
    fn is_valid(&self, now: Now) -> bool {
        let read = |path: &Path| CertificateDer::from_pem_file(path).ok();
        let (Some(authority), Some(leaf)) = (read(&self.authority), read(&self.leaf.certificate))
        else {
            return false;
        };
        let mut roots = RootCertStore::empty();
        if roots.add(authority).is_err() || certificate_files::read(&self.leaf).is_err() {
            return false;
        }
        let provider = Arc::new(default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let Ok(verifier) = verifier.build() else { return false };
        let seconds = unix_s(now);
        let moments = [seconds, seconds + LEFT_DAYS_MIN * DAY_S];
        let accepted = |name: &str, moment| {
            let moment = UnixTime::since_unix_epoch(Duration::from_secs(moment));
            ServerName::try_from(name).is_ok_and(|name| {
                verifier.verify_server_cert(&leaf, &[], &name, &[], moment).is_ok()
            })
        };
        moments.into_iter().all(|moment| NAMES.into_iter().all(|name| accepted(name, moment)))
    }
}

fn unix_s(now: Now) -> u64 {
    u64::try_from(now.unix_s()).unwrap_or(0)
}

/// Sets the validity: from a day ago, for clocks that are slow, for `days` from now.
fn valid_for(mut params: CertificateParams, days: u64, now: Now) -> CertificateParams {
    let start = date_time_ymd(1970, 1, 1) + Duration::from_secs(unix_s(now));
    params.not_before = start - Duration::from_secs(DAY_S);
    params.not_after = start + Duration::from_secs(days * DAY_S);
    params
}

/// Authority for this machine's own names only (RFC 5280 section 4.2.1.10): a stolen key cannot
/// issue for another name.
fn authority(now: Now) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.distinguished_name.push(DnType::CommonName, "Portcullis development authority");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName(String::from("localhost")),
            GeneralSubtree::IpAddress(CidrSubnet::V4([127, 0, 0, 0], [255, 0, 0, 0])),
            GeneralSubtree::IpAddress(CidrSubnet::V6(Ipv6Addr::LOCALHOST.octets(), [255; 16])),
        ],
        excluded_subtrees: Vec::new(),
    });
    Ok(valid_for(params, AUTHORITY_DAYS, now))
}

fn leaf(now: Now) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(NAMES.map(String::from).to_vec())?;
    params.distinguished_name.push(DnType::CommonName, "Portcullis development server");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(valid_for(params, LEAF_DAYS, now))
}

/// Replaces a file in one step.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), DevelopmentTlsError> {
    let temporary = path.with_added_extension("new");
    let replaced = || -> io::Result<()> {
        if let Err(error) = fs::remove_file(&temporary)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file: File =
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    };
    replaced().map_err(|cause| DevelopmentTlsError::Write { path: path.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const START: Now = Now { monotonic_ms: 0, unix_ms: 1_800_000_000_000 };

    fn after(days: i64) -> Now {
        Now { unix_ms: START.unix_ms + days * DAY_S as i64 * 1000, ..START }
    }

    fn files(data: &Path) -> [Vec<u8>; 4] {
        ["ca.pem", "ca.key", "tls.pem", "tls.key"]
            .map(|name| fs::read(data.join(name)).unwrap_or_default())
    }

    #[test]
    fn authority_is_kept_and_the_server_certificate_renewed_before_it_expires() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        let own = DevelopmentTls::load_or_create(data, START).unwrap();
        for name in ["ca.key", "tls.key"] {
            let mode = fs::metadata(data.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
        let first = files(data);
        own.renew(after(59)).unwrap();
        assert!(files(data) == first);
        for days in [61, 400, 4_000] {
            own.renew(after(days)).unwrap();
            let renewed = files(data);
            assert!(renewed[..2] == first[..2], "the authority stays");
            assert!(renewed[2] != first[2] && own.is_valid(after(days)));
        }
    }

    #[test]
    fn missing_or_broken_certificate_is_created_again() {
        // File, its new content (none: removed), whether the authority stays.
        let cases: [(&str, Option<&str>, bool); 6] = [
            ("tls.pem", None, true),
            ("tls.key", None, true),
            ("tls.key", Some("broken"), true),
            ("tls.pem", Some(""), true),
            ("ca.pem", Some("broken"), false),
            ("ca.pem", None, false),
        ];
        for (name, content, stays) in cases {
            let directory = tempfile::tempdir().unwrap();
            let data = directory.path();
            let own = DevelopmentTls::load_or_create(data, START).unwrap();
            let before = files(data);
            match content {
                Some(content) => fs::write(data.join(name), content).unwrap(),
                None => fs::remove_file(data.join(name)).unwrap(),
            }
            own.renew(START).unwrap();
            assert!(own.is_valid(START), "{name}");
            assert_eq!(files(data)[0] == before[0], stays, "{name} {content:?}");
        }
        // Without its key an authority stays until the server certificate has to be renewed.
        let directory = tempfile::tempdir().unwrap();
        let own = DevelopmentTls::load_or_create(directory.path(), START).unwrap();
        let before = files(directory.path());
        fs::remove_file(directory.path().join("ca.key")).unwrap();
        own.renew(START).unwrap();
        assert!(files(directory.path())[0] == before[0]);
        own.renew(after(80)).unwrap();
        assert!(files(directory.path())[0] != before[0]);
    }

    #[test]
    fn authority_issues_for_this_machine_only() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path();
        let own = DevelopmentTls::load_or_create(data, START).unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = leaf(START).unwrap();
        params.subject_alt_names =
            CertificateParams::new(vec![String::from("myapp.com")]).unwrap().subject_alt_names;
        let issuer = Issuer::new(authority(START).unwrap(), own.authority_key_on_disk().unwrap());
        let forged = params.signed_by(&key, &issuer).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&own.authority).unwrap()).unwrap();
        let provider = Arc::new(default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let name = ServerName::try_from("myapp.com").unwrap();
        let moment = UnixTime::since_unix_epoch(Duration::from_secs(unix_s(START)));
        let verified =
            verifier.build().unwrap().verify_server_cert(forged.der(), &[], &name, &[], moment);
        assert!(verified.is_err());
    }
}
