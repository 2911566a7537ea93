//! TLS of the public listener: 1.3 and 1.2, `http/1.1`, no early data; replaceable certificate.
//! Never: a private key that other users of the machine can read.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::RwLock;
use portcullis_model::Now;
use portcullis_server::{TlsVersions, complete_tls, tls_builder};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::acme::authority::transport::Transport;
use crate::acme::names::AcmeNames;
use crate::acme::stored;
use crate::acme::temporary::temporary;
use crate::config::{ConfigError, Profile, Settings, TlsFiles, TlsSettings, Warning};
use crate::tls::certificate::{self, ServerNames, Validity};
use crate::tls::certificate_files;
use crate::tls::development::DevelopmentTls;
use crate::tls::error::TlsError;

/// Current certificate; a connection keeps the one of its handshake.
#[derive(Debug)]
pub(crate) struct Certificate {
    key: RwLock<Arc<CertifiedKey>>,
    until_unix_s: AtomicI64,
}

impl Certificate {
    pub(crate) fn new(read: ReadCertificate) -> Self {
        let until_unix_s = AtomicI64::new(read.validity.until_unix_s);
        Self { key: RwLock::new(Arc::new(read.key)), until_unix_s }
    }

    /// Uses another certificate for new connections.
    pub(crate) fn replace(&self, read: ReadCertificate) {
        *self.key.write() = Arc::new(read.key);
        self.until_unix_s.store(read.validity.until_unix_s, Ordering::Relaxed);
    }

    /// Seconds until it expires; negative when it has.
    pub(crate) fn seconds_left(&self, now: Now) -> i64 {
        self.until_unix_s.load(Ordering::Relaxed) - now.unix_s()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.key.read()))
    }
}

/// Certificate that was read and checked.
pub(crate) struct ReadCertificate {
    key: CertifiedKey,
    validity: Validity,
    warnings: Vec<Warning>,
}

impl ReadCertificate {
    pub(crate) fn new(key: CertifiedKey, validity: Validity) -> Self {
        Self { key, validity, warnings: Vec::new() }
    }
}

/// Whether a certificate that was read is the one in use; with its last day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CertificateComparison {
    /// The one in use.
    Same { until: String },
    /// Another one.
    New { until: String },
}

/// TLS of the public listener.
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) certificate: Arc<Certificate>,
    /// The names that the authority certifies; none without ACME.
    pub(crate) acme_names: AcmeNames,
    development: Option<DevelopmentTls>,
}

impl Tls {
    /// Reads or creates the certificate; `None` when TLS is off.
    pub(crate) fn load(settings: &Settings, now: Now) -> Result<Option<Self>, TlsError> {
        let names = settings.server_names();
        match &settings.tls {
            TlsSettings::Off => Ok(None),
            TlsSettings::Files(files) => {
                Self::from_files(files, None, names, settings.profile, now).map(Some)
            }
            TlsSettings::Acme(_) => {
                let names = settings.acme_names()?;
                let read = start_certificate(settings, &names, now)?;
                let certificate = Arc::new(Certificate::new(read));
                let config = server_config(settings.profile, Arc::clone(&certificate), None)?;
                let config = Arc::new(config);
                let acme_names = AcmeNames::new(names);
                Ok(Some(Self { config, certificate, acme_names, development: None }))
            }
            TlsSettings::Development => {
                let own = DevelopmentTls::load_or_create(&settings.storage.data, now)?;
                let files = own.leaf.clone();
                let names = ServerNames::default();
                Self::from_files(&files, Some(own), names, settings.profile, now).map(Some)
            }
        }
    }

    /// Checks the operator's certificate and returns warnings. Development certificates are not
    /// checked: they are created again when needed.
    pub(crate) fn inspect(settings: &Settings, now: Now) -> Result<Vec<Warning>, TlsError> {
        let files = match &settings.tls {
            TlsSettings::Files(files) => files,
            TlsSettings::Acme(acme) => {
                Transport::of_settings(acme)?;
                return Ok(Vec::new());
            }
            TlsSettings::Development | TlsSettings::Off => return Ok(Vec::new()),
        };
        let names = settings.server_names();
        Self::from_files(files, None, names.clone(), settings.profile, now)?;
        Ok(read_checked(files, &names, now)?.warnings)
    }

    fn from_files(
        files: &TlsFiles,
        development: Option<DevelopmentTls>,
        names: ServerNames,
        profile: Profile,
        now: Now,
    ) -> Result<Self, TlsError> {
        let certificate = Arc::new(Certificate::new(read_checked(files, &names, now)?));
        let clients = files.client_ca.as_deref().map(clients).transpose()?;
        let config = Arc::new(server_config(profile, Arc::clone(&certificate), clients)?);
        Ok(Self { config, certificate, acme_names: AcmeNames::default(), development })
    }

    /// File of the development authority, if the certificate is a development certificate.
    pub(crate) fn authority(&self) -> Option<&Path> {
        self.development.as_ref().map(|development| development.authority.as_path())
    }

    /// Reads and checks the certificate of these settings; creates a new one for development if
    /// it expires soon. Nothing is replaced. `None` when the mode differs, which needs a restart.
    pub(crate) fn read_again(
        &self,
        tls: &TlsSettings,
        names: &ServerNames,
        now: Now,
    ) -> Result<Option<ReadCertificate>, TlsError> {
        if let Some(development) = &self.development {
            development.renew(now)?;
            return read_checked(&development.leaf, &ServerNames::default(), now).map(Some);
        }
        match tls {
            TlsSettings::Files(files) => read_checked(files, names, now).map(Some),
            // With ACME, the server renews the certificate itself.
            TlsSettings::Acme(_) | TlsSettings::Development | TlsSettings::Off => Ok(None),
        }
    }

    /// Compares a certificate that was read with the one in use.
    pub(crate) fn compare(&self, read: &ReadCertificate) -> CertificateComparison {
        let until = certificate::day(read.validity.until_unix_s);
        match self.certificate.key.read().cert == read.key.cert {
            true => CertificateComparison::Same { until },
            false => CertificateComparison::New { until },
        }
    }

    /// Uses another certificate for new connections.
    pub(crate) fn replace(&self, certificate: ReadCertificate) {
        self.certificate.replace(certificate);
    }
}

/// The stored certificate of the authority, or a temporary one.
fn start_certificate(
    settings: &Settings,
    names: &[String],
    now: Now,
) -> Result<ReadCertificate, TlsError> {
    let (key, validity) = match stored::find(&settings.storage.data, names, now) {
        Some(found) => (found.key, found.validity),
        None => temporary(names, now).map_err(|failure| TlsError::Temporary(failure.text))?,
    };
    Ok(ReadCertificate::new(key, validity))
}

fn read_checked(
    files: &TlsFiles,
    names: &ServerNames,
    now: Now,
) -> Result<ReadCertificate, TlsError> {
    let key = certificate_files::read(files)?;
    let (validity, warnings) = certificate::check(files, &key.cert, names, now)?;
    Ok(ReadCertificate { key, validity, warnings })
}

fn server_config(
    profile: Profile,
    certificate: Arc<Certificate>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<ServerConfig, rustls::Error> {
    let versions = match profile {
        Profile::Development | Profile::Production => TlsVersions::From12,
        Profile::Strict => TlsVersions::Only13,
    };
    let builder = tls_builder(versions)?;
    let verifies_clients = clients.is_some();
    let builder = match clients {
        Some(clients) => builder.with_client_cert_verifier(clients),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(certificate);
    complete_tls(&mut config, verifies_clients)?;
    Ok(config)
}

/// Requires a client certificate that is valid now and that one of these authorities issued for
/// clients. It does not authenticate a user: a connection still sends a token.
pub(crate) fn clients(authorities: &Path) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let fault = |why: String| {
        let mend = "name a PEM file of the authorities that issue certificates for your clients";
        ConfigError::file("tls.client_ca_file", authorities, why, mend)
    };
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(authorities)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| fault(format!("it cannot be read ({error})")))?;
    for authority in found {
        let added = roots.add(authority);
        added.map_err(|error| {
            fault(format!("it contains a certificate that is not an authority ({error})"))
        })?;
    }
    let provider = Arc::new(default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map_err(|error| fault(format!("it contains no authority ({error})")).into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const NOW: Now = Now { monotonic_ms: 0, unix_ms: 1_800_000_000_000 };

    fn development(data: &Path) -> Tls {
        let own = DevelopmentTls::load_or_create(data, NOW).unwrap();
        let files = own.leaf.clone();
        let names = ServerNames::default();
        Tls::from_files(&files, Some(own), names, Profile::Development, NOW).unwrap()
    }

    // T-104
    #[test]
    fn server_config_has_no_early_data_and_one_protocol() {
        let directory = tempfile::tempdir().unwrap();
        let tls = development(directory.path());
        assert_eq!(tls.config.max_early_data_size, 0);
        assert_eq!(tls.config.alpn_protocols, [b"http/1.1"]);
        assert!(tls.config.ticketer.enabled());
        assert!(tls.authority().is_some_and(Path::exists));
    }

    #[test]
    fn fault_of_the_operators_files_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let _ours = development(directory.path());
        let other = tempfile::tempdir().unwrap();
        let _theirs = development(other.path());
        let at = |name: &str| directory.path().join(name);
        std::fs::write(at("empty.pem"), "nothing\n").unwrap();
        std::fs::set_permissions(at("empty.pem"), PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::copy(at("tls.key"), at("open.key")).unwrap();
        std::fs::set_permissions(at("open.key"), PermissionsExt::from_mode(0o644)).unwrap();
        let cases = [
            (at("tls.pem"), at("tls.key"), ""),
            (at("none.pem"), at("tls.key"), "tls.certificate_file is"),
            (at("empty.pem"), at("tls.key"), "contains no certificate"),
            (at("tls.pem"), at("none.key"), "tls.key_file is"),
            (at("tls.pem"), at("empty.pem"), "contains no private key"),
            (at("tls.pem"), at("open.key"), "chmod 600"),
            (at("tls.pem"), other.path().join("tls.key"), "does not match"),
        ];
        for (certificate, key, expect) in cases {
            let error =
                certificate_files::read(&TlsFiles { certificate, key, client_ca: None }).err();
            let text = error.map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(text.is_empty(), expect.is_empty(), "{text}");
            assert!(text.contains(expect), "{expect}: {text}");
        }
    }

    #[test]
    fn replaced_certificate_is_used_after_a_reload_unless_it_is_invalid() {
        let directory = tempfile::tempdir().unwrap();
        let tls = development(directory.path());
        let leaf = || tls.certificate.key.read().cert.first().cloned();
        let days_left = |now| tls.certificate.seconds_left(now) / (24 * 60 * 60);
        let before = leaf();
        let renew = |now| {
            let read = tls.read_again(&TlsSettings::Development, &ServerNames::default(), now);
            tls.replace(read.unwrap().unwrap());
        };
        renew(NOW);
        assert_eq!(leaf(), before);
        let later = Now { unix_ms: NOW.unix_ms + 80 * 24 * 60 * 60 * 1000, ..NOW };
        assert_eq!(days_left(later), 10);
        renew(later);
        assert_eq!(days_left(later), 90);
        let renewed = leaf();
        assert_ne!(renewed, before);
        // The operator's own files are never created again, so an invalid one is an error.
        let files = tls.development.as_ref().unwrap().leaf.clone();
        let names = ServerNames::default();
        let theirs =
            Tls::from_files(&files, None, names.clone(), Profile::Production, later).unwrap();
        std::fs::set_permissions(&files.key, PermissionsExt::from_mode(0o644)).unwrap();
        let theirs_again = TlsSettings::Files(files);
        assert!(theirs.read_again(&theirs_again, &names, later).is_err());
        assert_eq!(theirs.certificate.key.read().cert.first().cloned(), renewed);
    }
}
