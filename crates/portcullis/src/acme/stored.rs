//! The certificate of the authority and its key: checked, and kept in the data directory.
//! Never: a certificate that does not match its key or misses a name.

use std::path::Path;

use portcullis_model::{Now, Secret};
use portcullis_seal::private_file;
use rustls::client::verify_server_name;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::acme::authority::failure::AcmeFailure;
use crate::tls::certificate::{Validity, day, read_validity};

/// The file with the key and the chain, and the directory that they come from.
pub(crate) const CERTIFICATE_FILE: &str = "acme-certificate.pem";
/// The first line of the file names the directory (text before PEM, RFC 7468 section 2).
const DIRECTORY: &str = "directory: ";

/// A certificate that the authority has issued.
pub(crate) struct IssuedCertificate {
    /// The URL of the directory of the authority.
    pub(crate) directory: String,
    pub(crate) key: CertifiedKey,
    pub(crate) validity: Validity,
    /// The file: the directory, the key and the chain.
    text: Secret<Vec<u8>>,
}

impl IssuedCertificate {
    /// Checks that a chain and a key belong together.
    pub(crate) fn new(
        directory: &str,
        key_pem: &str,
        chain_pem: &str,
    ) -> Result<Self, AcmeFailure> {
        let text = format!("{DIRECTORY}{directory}\n{key_pem}\n{chain_pem}");
        Self::parse(text.into_bytes())
    }

    fn parse(text: Vec<u8>) -> Result<Self, AcmeFailure> {
        let unreadable = |why: String| {
            AcmeFailure::new(&format!("the certificate of the authority cannot be used: {why}"))
        };
        let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = std::str::from_utf8(first).unwrap_or_default();
        let directory = String::from(first.strip_prefix(DIRECTORY).unwrap_or_default().trim());
        let chain = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| unreadable(error.to_string()))?;
        let own = chain.first().ok_or_else(|| unreadable(String::from("it is empty")))?;
        let validity = read_validity(own);
        let validity =
            validity.ok_or_else(|| unreadable(String::from("its validity cannot be read")))?;
        let key = PrivateKeyDer::from_pem_slice(&text);
        let key = key.map_err(|error| unreadable(error.to_string()))?;
        let key = CertifiedKey::from_der(chain, key, &default_provider());
        let key = key.map_err(|error| unreadable(error.to_string()))?;
        Ok(Self { directory, key, validity, text: Secret::new(text) })
    }

    /// Checks that clients accept the certificate now, for all names.
    pub(crate) fn check(&self, names: &[String], now: Now) -> Result<(), AcmeFailure> {
        let fault = |why: String| Err(AcmeFailure::new(&format!("the certificate {why}")));
        if let Some(missing) = self.missing_name(names) {
            return fault(format!("does not name {missing}"));
        }
        let (from, until) = (self.validity.from_unix_s, self.validity.until_unix_s);
        if until <= now.unix_s() {
            return fault(format!("expired on {}: check the clock of this machine", day(until)));
        }
        if from > now.unix_s() {
            let day = day(from);
            return fault(format!("is valid from {day} only: check the clock of this machine"));
        }
        Ok(())
    }

    /// The first of the names that the certificate does not have.
    pub(crate) fn missing_name<'a>(&self, names: &'a [String]) -> Option<&'a str> {
        missing_name(self.key.cert.first(), names)
    }

    /// Whether clients accept it now for at least one name.
    fn is_usable(&self, names: &[String], now: Now) -> bool {
        names.iter().any(|name| self.check(std::slice::from_ref(name), now).is_ok())
    }

    /// Replaces the file in one step. `suffix` is random.
    pub(crate) fn write(&self, data: &Path, suffix: &str) -> Result<(), AcmeFailure> {
        let path = data.join(CERTIFICATE_FILE);
        private_file::replace(&path, self.text.expose(), suffix).map_err(|error| {
            AcmeFailure::new(&format!(
                "the new certificate is in use, but it cannot be stored, which is tried again each \
                 minute: {error}"
            ))
        })
    }
}

/// The first of the names that a certificate does not have.
pub(crate) fn missing_name<'a>(
    certificate: Option<&CertificateDer<'_>>,
    names: &'a [String],
) -> Option<&'a str> {
    let own = certificate.and_then(|own| ParsedCertificate::try_from(own).ok());
    let covers = |name: &str| {
        let name = ServerName::try_from(name);
        let verified = own.as_ref().zip(name.ok());
        verified.is_some_and(|(own, name)| verify_server_name(own, &name).is_ok())
    };
    names.iter().map(String::as_str).find(|name| !covers(name))
}

/// The stored certificate, if clients accept it now for at least one of the names.
///
/// An unreadable file is the same as none: the server obtains a certificate again.
pub(crate) fn find(data: &Path, names: &[String], now: Now) -> Option<IssuedCertificate> {
    let path = data.join(CERTIFICATE_FILE);
    let read = private_file::read(&path).map_err(|error| error.to_string());
    let parsed = read.and_then(|text| {
        text.map(|text| IssuedCertificate::parse(text.expose().clone()))
            .transpose()
            .map_err(|failure| failure.text)
    });
    match parsed {
        Ok(found) => found.filter(|found| found.is_usable(names, now)),
        Err(error) => {
            tracing::warn!(error, file = %path.display(), "the stored certificate is not used");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    const DAY_S: i64 = 24 * 60 * 60;
    const NOW: Now = Now { monotonic_ms: 0, unix_ms: 1_800_000_000_000 };
    const URL: &str = "https://ca.example/dir";

    fn issued(names: &[&str], days: (i64, i64)) -> (String, String) {
        let names: Vec<String> = names.iter().copied().map(String::from).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let at = |days: i64| {
            let seconds = u64::try_from(NOW.unix_s() + days * DAY_S).unwrap();
            date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        (params.not_before, params.not_after) = (at(days.0), at(days.1));
        let key = KeyPair::generate().unwrap();
        (key.serialize_pem(), params.self_signed(&key).unwrap().pem())
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().copied().map(String::from).collect()
    }

    #[test]
    fn stored_certificate_is_found_again_with_its_directory() {
        let data = tempfile::tempdir().unwrap();
        let names = names(&["chat.example"]);
        assert!(find(data.path(), &names, NOW).is_none());
        let (key, chain) = issued(&["chat.example"], (-1, 89));
        let written = IssuedCertificate::new(URL, &key, &chain).unwrap();
        written.check(&names, NOW).unwrap();
        written.write(data.path(), "a").unwrap();
        let found = find(data.path(), &names, NOW).unwrap();
        assert_eq!(found.directory, URL);
        assert_eq!(found.key.cert, written.key.cert);
        assert_eq!(found.validity, written.validity);
        let file = data.path().join(CERTIFICATE_FILE);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        // A broken file is the same as none.
        std::fs::write(&file, "directory: x\nnothing\n").unwrap();
        assert!(find(data.path(), &names, NOW).is_none());
    }

    #[test]
    fn certificate_that_clients_reject_is_not_accepted() {
        let check = |certified: &[&str], days, wanted: &[&str]| {
            let (key, chain) = issued(certified, days);
            let issued = IssuedCertificate::new(URL, &key, &chain).unwrap();
            issued.check(&names(wanted), NOW).err().map(|failure| failure.text)
        };
        let one = ["chat.example"];
        assert_eq!(check(&one, (-1, 89), &one), None);
        for (certified, days, wanted, expect) in [
            (&one[..], (-1, 89), &["chat.example", "eu.example"][..], "does not name eu.example"),
            (&one, (-90, -1), &one, "expired on"),
            (&one, (1, 90), &one, "is valid from"),
        ] {
            let text = check(certified, days, wanted).unwrap();
            assert!(text.contains(expect), "{text}");
        }
        let (key, _) = issued(&one, (-1, 89));
        let (_, chain) = issued(&one, (-1, 89));
        for (key, chain) in [(key.as_str(), chain.as_str()), (&key, ""), ("", &chain)] {
            assert!(IssuedCertificate::new(URL, key, chain).is_err());
        }
    }
}
