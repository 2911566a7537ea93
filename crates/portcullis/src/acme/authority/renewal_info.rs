//! The window in which the authority suggests a renewal (ARI, RFC 9773).
//! Never: a reason to keep a certificate until its end.

use std::time::Duration;

use instant_acme::{Account, CertificateIdentifier, Error};
use rustls_pki_types::Der;

use crate::tls::certificate::element;

/// The waits between two questions (RFC 9773 section 4.3.3), in seconds; and without advice.
const WAIT_S: (u64, u64) = (60 * 60, 24 * 60 * 60);
/// The wait when the authority gives no advice, in seconds.
pub(crate) const USUAL_WAIT_S: u64 = 6 * 60 * 60;

/// The window, in seconds since 1970, and the wait until the next question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RenewalWindow {
    pub(crate) start_unix_s: i64,
    pub(crate) end_unix_s: i64,
    pub(crate) wait_s: u64,
}

/// Asks the authority for its window.
pub(crate) async fn window(account: &Account, certificate: &[u8]) -> Result<RenewalWindow, Error> {
    let id = certificate_id(certificate)
        .ok_or(Error::Unsupported("renewal information without an authority key identifier"))?;
    let (info, wait) = account.renewal_info(&id).await?;
    let window = info.suggested_window;
    Ok(RenewalWindow {
        start_unix_s: window.start.unix_timestamp(),
        end_unix_s: window.end.unix_timestamp(),
        wait_s: bounded(wait),
    })
}

fn bounded(wait: Duration) -> u64 {
    wait.as_secs().clamp(WAIT_S.0, WAIT_S.1)
}

/// The id of a certificate (RFC 9773 section 4.1): its authority's key and its serial number.
pub(crate) fn certificate_id(certificate: &[u8]) -> Option<CertificateIdentifier<'static>> {
    const VERSION: u8 = 0xa0;
    const INTEGER: u8 = 0x02;
    let (_, certificate, _) = element(certificate)?;
    let (_, mut fields, _) = element(certificate)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    let (INTEGER, serial, fields) = element(fields)? else { return None };
    let key = authority_key(fields)?;
    Some(CertificateIdentifier::new(Der::from_slice(key), Der::from_slice(serial)).into_owned())
}

/// `keyIdentifier` of the authority key identifier (RFC 5280 section 4.2.1.1).
fn authority_key(mut fields: &[u8]) -> Option<&[u8]> {
    const EXTENSIONS: u8 = 0xa3;
    const BOOLEAN: u8 = 0x01;
    const KEY_IDENTIFIER: u8 = 0x80;
    /// `id-ce-authorityKeyIdentifier`, the content of its object identifier.
    const AUTHORITY_KEY: [u8; 3] = [0x55, 0x1d, 0x23];
    let extensions = loop {
        let (tag, content, rest) = element(fields)?;
        if tag == EXTENSIONS {
            break content;
        }
        fields = rest;
    };
    let (_, mut extensions, _) = element(extensions)?;
    loop {
        let (_, extension, rest) = element(extensions)?;
        let (_, id, mut value) = element(extension)?;
        if id == AUTHORITY_KEY {
            if value.first() == Some(&BOOLEAN) {
                value = element(value)?.2;
            }
            let (_, value, _) = element(value)?;
            let (_, value, _) = element(value)?;
            let (KEY_IDENTIFIER, key, _) = element(value)? else { return None };
            return Some(key);
        }
        extensions = rest;
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use bytes::Bytes;
    use http::{Request, Response};
    use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyIdMethod, KeyPair,
        SerialNumber,
    };

    use super::*;

    fn certificate(with_key: bool) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_identifier_method = KeyIdMethod::PreSpecified(vec![0xc0, 0xff, 0xee]);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let mut params = CertificateParams::new([String::from("chat.example")]).unwrap();
        params.serial_number = Some(SerialNumber::from_slice(&[0xca, 0xfe]));
        params.use_authority_key_identifier_extension = with_key;
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, &authority).unwrap().der().to_vec()
    }

    // RFC 9773 section 4.1
    #[test]
    fn certificate_is_identified_by_its_authority_and_serial_number() {
        let certificate_of_authority = certificate(true);
        let id = certificate_id(&certificate_of_authority).unwrap();
        // The serial number has a leading zero in DER, because it is not negative.
        assert_eq!(id.to_string(), "wP_u.AMr-");
        assert!(certificate_id(&certificate(false)).is_none());
        for length in 0..certificate_of_authority.len() {
            assert!(certificate_id(&certificate_of_authority[..length]).is_none(), "{length}");
        }
    }

    /// An authority that advises a window for one certificate.
    struct Adviser;

    impl HttpClient for Adviser {
        fn request(
            &self,
            request: Request<BodyWrapper<Bytes>>,
        ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
            let body = match request.uri().path() {
                "/dir" => {
                    r#"{"newNonce": "https://ca.example/n", "newAccount": "https://ca.example/a",
                        "newOrder": "https://ca.example/o",
                        "renewalInfo": "https://ca.example/ari"}"#
                }
                "/ari/wP_u.AMr-" => {
                    r#"{"suggestedWindow":
                        {"start": "2027-01-15T08:00:00Z", "end": "2027-01-16T08:00:00Z"}}"#
                }
                other => panic!("{other}"),
            };
            let answer = Response::builder().header("retry-after", "7200");
            let (parts, ()) = answer.body(()).unwrap().into_parts();
            let body = Box::new(Bytes::from_static(body.as_bytes()));
            Box::pin(async move { Ok(BytesResponse { parts, body }) })
        }
    }

    // RFC 9773 section 4.2
    #[tokio::test]
    async fn window_of_the_authority_is_read() {
        let key = instant_acme::Key::generate_pkcs8().unwrap().1;
        let account = Account::builder_with_http(Box::new(Adviser));
        let url = String::from("https://ca.example/dir");
        let account = account.from_parts(String::from("https://ca.example/1"), key, url);
        let window = window(&account.await.unwrap(), &certificate(true)).await.unwrap();
        let expect =
            RenewalWindow { start_unix_s: 1_800_000_000, end_unix_s: 1_800_086_400, wait_s: 7_200 };
        // The wait is counted from a clock that has moved on.
        assert!((7_198..=7_200).contains(&window.wait_s), "{window:?}");
        assert_eq!(RenewalWindow { wait_s: 7_200, ..window }, expect);
    }

    #[test]
    fn wait_is_bounded() {
        for (seconds, expect) in [(0, 3_600), (21_600, 21_600), (u64::MAX, 86_400)] {
            assert_eq!(bounded(Duration::from_secs(seconds)), expect);
        }
    }
}
