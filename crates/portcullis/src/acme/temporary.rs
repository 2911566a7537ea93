//! A certificate of the server's own, until the authority has issued the first one.
//! Never: stored, or used once there is a certificate.

use std::time::Duration;

use portcullis_model::Now;
use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::acme::authority::failure::AcmeFailure;
use crate::tls::certificate::{EXPIRES_SOON_S, Validity};

/// An hour after the start, alerts report that the certificate ends soon.
const LIFETIME_S: i64 = EXPIRES_SOON_S + 60 * 60;

/// Creates the certificate. No client trusts it.
pub(crate) fn temporary(
    names: &[String],
    now: Now,
) -> Result<(CertifiedKey, Validity), AcmeFailure> {
    let failure = |error: &dyn std::fmt::Display| {
        AcmeFailure::new(&format!("cannot create a temporary certificate: {error}"))
    };
    let until_unix_s = now.unix_s().saturating_add(LIFETIME_S);
    let mut params = CertificateParams::new(names.to_vec()).map_err(|error| failure(&error))?;
    params.distinguished_name.push(DnType::CommonName, "Portcullis temporary certificate");
    let seconds = u64::try_from(now.unix_s()).unwrap_or(0);
    params.not_before = date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    let seconds = u64::try_from(until_unix_s).unwrap_or(0);
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds);
    let key = KeyPair::generate().map_err(|error| failure(&error))?;
    let certificate = params.self_signed(&key).map_err(|error| failure(&error))?;
    let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let pair = CertifiedKey::from_der(vec![certificate.der().clone()], der, &default_provider());
    let validity = Validity { from_unix_s: now.unix_s(), until_unix_s };
    Ok((pair.map_err(|error| failure(&error))?, validity))
}
