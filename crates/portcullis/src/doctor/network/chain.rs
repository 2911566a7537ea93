//! The certificates that the server sends: validity, names, order, key size.
//! Never: a private key, or a decision about a private authority, which is the clients'.

use std::sync::Arc;

use portcullis_admin::CheckBuilder;
use portcullis_model::Now;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::config::TlsSettings;
use crate::tls::certificate::{
    EXPIRES_SOON_S, NO_AUTHORITY, day, element, is_authority, read_validity,
};

const DAY_S: i64 = 24 * 60 * 60;
/// With less time left, clients are about to be rejected.
const EXPIRES_NOW_S: i64 = 7 * DAY_S;
/// The smallest RSA key that clients accept, in bits.
const RSA_MIN_BITS: usize = 2_048;
/// `caIssuers` of an authority information access (RFC 5280 section 4.2.2.1), in DER.
const CA_ISSUERS: &[u8] = &[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
/// `rsaEncryption` (RFC 3279 section 2.3.1), in DER.
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// What an operator does about a finding; it depends on who renews the certificate.
#[derive(Clone, Copy)]
pub(super) struct ChainRemedies {
    renew: &'static str,
    chain: &'static str,
}

impl ChainRemedies {
    pub(super) fn new(tls: &TlsSettings) -> Self {
        let renew = tls.renewal_remedy();
        match tls {
            TlsSettings::Acme(_) => {
                let chain = "the authority issued this chain: read the records certificate_renewal";
                Self { renew, chain }
            }
            TlsSettings::Development | TlsSettings::Files(_) | TlsSettings::Off => Self {
                renew,
                chain: "write the whole chain to tls.certificate_file, the server's certificate \
                        first",
            },
        }
    }
}

/// Checks the chain that the server sent for a name.
pub(super) fn check(
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    roots: Vec<CertificateDer<'static>>,
    (now, remedies): (Now, ChainRemedies),
    check: &mut CheckBuilder,
) {
    let Some(own) = chain.first() else {
        check.alarm("certificate", "the server sends no certificate", "see tls.certificate_file");
        return;
    };
    for (index, certificate) in chain.iter().enumerate() {
        check_days(index, certificate, (now.unix_s(), remedies.renew), check);
    }
    check_key(own, check);
    if is_authority(own) {
        let found = "the certificate is that of an authority (CA:TRUE): strict clients reject it";
        check.warn("authority", found, NO_AUTHORITY);
    }
    check_trust(chain, name, roots, (now, remedies), check);
}

/// Checks that the certificate is for a name that clients use.
pub(super) fn check_name(
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    check: &mut CheckBuilder,
) {
    let Some(Ok(own)) = chain.first().map(ParsedCertificate::try_from) else { return };
    if verify_server_name(&own, name).is_err() {
        let host = name.to_str();
        let found = format!("the certificate is not for {host}: clients that use it reject it");
        let remedy = "name a certificate for all hosts of listen.hosts and admin.host";
        check.alarm(&format!("name {host}"), found, remedy);
    }
}

fn check_days(
    index: usize,
    certificate: &[u8],
    (now_s, remedy): (i64, &'static str),
    check: &mut CheckBuilder,
) {
    let which = if index == 0 { "the certificate" } else { "an intermediate certificate" };
    let name = if index == 0 { "days" } else { "days of an intermediate" };
    let Some(validity) = read_validity(certificate) else {
        check.skip(format!("the validity of {which} cannot be read"));
        return;
    };
    let left_s = validity.until_unix_s - now_s;
    let (days, until) = (left_s.max(0) / DAY_S, day(validity.until_unix_s));
    if left_s <= 0 {
        check.alarm(name, format!("{which} expired on {until}"), remedy);
    } else if left_s < EXPIRES_NOW_S {
        check.alarm(name, format!("{which} expires on {until}, in {days} days"), remedy);
    } else if left_s < EXPIRES_SOON_S {
        check.warn(name, format!("{which} expires on {until}, in {days} days"), remedy);
    } else if validity.from_unix_s > now_s {
        let from = day(validity.from_unix_s);
        check.alarm(name, format!("{which} is not valid before {from}"), "correct the clock");
    } else if index == 0 {
        check.fact(format!("certificate valid for {days} days"));
    }
}

/// Whether clients can build a path from the certificate to an authority.
fn check_trust(
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    roots: Vec<CertificateDer<'static>>,
    (now, remedies): (Now, ChainRemedies),
    check: &mut CheckBuilder,
) {
    let remedy = remedies.chain;
    match verify(chain, name, roots, now) {
        Ok(()) => check.fact("trusted by the authorities of this machine"),
        // The name is checked for each host.
        Err(Error::InvalidCertificate(
            CertificateError::NotValidForName
            | CertificateError::NotValidForNameContext { .. }
            | CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => {}
        Err(_) if !is_in_order(chain) => {
            let found = "the certificates of the chain are not each signed by the next one";
            check.alarm("chain", found, remedy);
        }
        // Public authorities name the address of their certificate.
        Err(_) if chain.len() == 1 && names_its_issuer(chain) => {
            let found = "the server sends its own certificate only: an intermediate is missing";
            check.warn("chain", found, remedy);
        }
        Err(_) => check
            .skip("trust: the authority is not one of this machine, so clients need it configured"),
    }
}

/// Verifies the chain as a client does.
fn verify(
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    roots: Vec<CertificateDer<'static>>,
    now: Now,
) -> Result<(), Error> {
    let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
    let mut store = RootCertStore::empty();
    let _added = store.add_parsable_certificates(roots);
    let (own, others) = chain.split_first().ok_or_else(unknown)?;
    let provider = Arc::new(default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .map_err(|_| unknown())?;
    let at = u64::try_from(now.unix_s()).unwrap_or(0);
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(at));
    verifier.verify_server_cert(own, others, name, &[], at).map(drop)
}

/// Whether each certificate names the next one as its issuer (RFC 5280 section 6.1).
fn is_in_order(chain: &[CertificateDer<'_>]) -> bool {
    chain.windows(2).all(|pair| match pair {
        [one, next] => names(one).zip(names(next)).is_some_and(|(one, next)| one.0 == next.1),
        _ => true,
    })
}

/// The issuer and the subject of a certificate, in DER.
fn names(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    const VERSION: u8 = 0xa0;
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    // Serial number, signature algorithm.
    for _ in 0..2 {
        fields = element(fields)?.2;
    }
    let (_, issuer, fields) = element(fields)?;
    let (_, _validity, fields) = element(fields)?;
    let (_, subject, _) = element(fields)?;
    Some((issuer, subject))
}

fn names_its_issuer(chain: &[CertificateDer<'_>]) -> bool {
    let own = chain.first().map(|own| own.as_ref()).unwrap_or_default();
    memchr::memmem::find(own, CA_ISSUERS).is_some()
}

fn check_key(own: &CertificateDer<'_>, check: &mut CheckBuilder) {
    let Ok(parsed) = ParsedCertificate::try_from(own) else {
        check.skip("the key of the certificate cannot be read");
        return;
    };
    let key = parsed.subject_public_key_info();
    if memchr::memmem::find(&key, RSA).is_none() {
        check.fact("elliptic curve key");
        return;
    }
    match rsa_bits(&key) {
        Some(bits) if bits < RSA_MIN_BITS => {
            let found = format!("the RSA key of the certificate has {bits} bits");
            check.alarm("key", found, "make a new key of 2048 bits or more, or an ECDSA key");
        }
        Some(bits) => check.fact(format!("RSA key of {bits} bits")),
        None => check.skip("the size of the RSA key cannot be read"),
    }
}

/// The bits of the modulus in a `SubjectPublicKeyInfo` (RFC 8017 appendix A.1.1).
fn rsa_bits(key: &[u8]) -> Option<usize> {
    // With or without the outer sequence.
    let fields = match element(key)? {
        (_, content, []) => content,
        _ => key,
    };
    let (_, bits, _) = element(element(fields)?.2)?;
    // The first byte counts unused bits.
    let (_, numbers, _) = element(bits.get(1..)?)?;
    let (_, modulus, _) = element(numbers)?;
    let modulus = modulus.strip_prefix(&[0]).unwrap_or(modulus);
    let first = modulus.first()?;
    Some(modulus.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use portcullis_admin::{AuditFinding, CheckId};
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, IsCa,
        KeyPair, date_time_ymd,
    };

    use super::*;

    /// 2027-01-15, 08:00:00.
    const NOW_S: i64 = 1_800_000_000;

    /// A certificate for a name, valid until a date.
    fn params(name: &str, (year, month, day): (i32, u8, u8)) -> CertificateParams {
        let mut params = CertificateParams::new([String::from(name)]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(year, month, day);
        params
    }

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = params(name, (2030, 1, 1));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn findings(chain: &[CertificateDer<'_>], roots: &[CertificateDer<'static>]) -> Vec<String> {
        let mut found = CheckBuilder::new(CheckId::D2);
        let name = ServerName::try_from("chat.example").unwrap();
        let now = Now { monotonic_ms: 0, unix_ms: NOW_S * 1_000 };
        let remedies = ChainRemedies::new(&TlsSettings::Off);
        check(chain, &name, roots.to_vec(), (now, remedies), &mut found);
        check_name(chain, &name, &mut found);
        let key = |finding: AuditFinding| format!("{} {}", finding.severity.name(), finding.key);
        found.finish().findings.into_iter().map(key).collect()
    }

    #[test]
    fn t409_d2_certificate_is_judged_as_a_client_does() {
        let authority = authority("authority.example");
        let leaf = |name: &str, until| {
            let key = KeyPair::generate().unwrap();
            params(name, until).signed_by(&key, &authority).unwrap().der().clone()
        };
        let root = CertificateDer::from(authority.der().to_vec());
        let trusted = std::slice::from_ref(&root);
        let spring = (2027, 4, 15);
        for (name, until, expect) in [
            ("chat.example", spring, vec![]),
            ("chat.example", (2027, 2, 5), vec!["warning D2 days"]),
            ("chat.example", (2027, 1, 22), vec!["critical D2 days"]),
            ("chat.example", (2027, 1, 14), vec!["critical D2 days"]),
            ("other.example", spring, vec!["critical D2 name chat.example"]),
        ] {
            let chain = [leaf(name, until)];
            assert_eq!(findings(&chain, trusted), expect, "{name} {until:?}");
        }
        let own = leaf("other.example", spring);
        assert_eq!(findings(&[own], &[]), ["critical D2 name chat.example"], "private authority");
        let own = leaf("chat.example", spring);
        let other = CertificateDer::from(super::tests::authority("x.example").der().to_vec());
        // A private authority is the clients' matter, a wrong order is not.
        assert_eq!(findings(&[own.clone(), root.clone()], &[]), Vec::<String>::new());
        assert_eq!(findings(&[own, other], &[]), ["critical D2 chain"]);
        assert_eq!(findings(&[], trusted), ["critical D2 certificate"]);
        let own = super::tests::authority("chat.example");
        let own = CertificateDer::from(own.der().to_vec());
        assert_eq!(findings(&[own], trusted), ["warning D2 authority"]);
    }

    #[test]
    fn bits_of_an_rsa_key_are_those_of_its_modulus() {
        // SEQUENCE { algorithm, BIT STRING { 0 unused, SEQUENCE { modulus, exponent } } }
        let key = |modulus: &[u8]| {
            let wrapped = |tag: u8, content: &[u8]| {
                let mut bytes = vec![tag, u8::try_from(content.len()).unwrap()];
                bytes.extend_from_slice(content);
                bytes
            };
            let numbers = [wrapped(2, modulus), wrapped(2, &[1, 0, 1])].concat();
            let bits = [vec![0], wrapped(0x30, &numbers)].concat();
            wrapped(0x30, &[wrapped(0x30, RSA), wrapped(3, &bits)].concat())
        };
        assert_eq!(rsa_bits(&key(&[0, 0x80, 0, 0])), Some(24));
        assert_eq!(rsa_bits(&key(&[0x7f, 0xff])), Some(15));
        assert_eq!(rsa_bits(&[1, 2]), None);
    }
}
