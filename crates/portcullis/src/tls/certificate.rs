//! Validity of a certificate, and whether it names the server.
//! Never: a decision about its issuer; that is the client's.

use std::net::IpAddr;

use portcullis_model::Now;
use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls_pki_types::{CertificateDer, ServerName};

use crate::config::{ConfigError, TlsFiles, Warning};

const KEY: &str = "tls.certificate_file";
/// `basicConstraints` (RFC 5280 section 4.2.1.9), in DER.
const BASIC_CONSTRAINTS: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x13];
/// The tag of a truth value, in DER.
const BOOLEAN: u8 = 0x01;
/// How to make a certificate of a server.
pub(crate) const NO_AUTHORITY: &str = "make one that is not an authority: with openssl req -x509, \
                                       add -addext basicConstraints=critical,CA:FALSE";
const DAY_S: i64 = 24 * 60 * 60;
/// With less time left, an automatic renewal has failed for days.
pub(crate) const EXPIRES_SOON_S: i64 = 21 * DAY_S;

/// Names by which clients reach the server.
#[derive(Debug, Clone, Default)]
pub(crate) struct ServerNames {
    /// Hosts, with or without a port.
    pub(crate) hosts: Vec<String>,
    /// Whether a proxy may connect with another name and forward the client's `Host`.
    pub(crate) is_behind_proxy: bool,
}

/// Validity of a certificate, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) from_unix_s: i64,
    pub(crate) until_unix_s: i64,
}

/// Checks a chain, the server's certificate first, and returns its validity and warnings.
///
/// # Errors
/// The server's certificate is not valid now, or it has none of the server's names.
pub(crate) fn check(
    files: &TlsFiles,
    chain: &[CertificateDer<'_>],
    names: &ServerNames,
    now: Now,
) -> Result<(Validity, Vec<Warning>), ConfigError> {
    let fault = |why: String, remedy| ConfigError::file(KEY, &files.certificate, why, remedy);
    let (Some(own), now_s) = (chain.first(), now.unix_s()) else {
        let remedy = "name a PEM file with your certificate chain, the server's certificate first";
        return Err(fault(String::from("it contains no certificate"), remedy));
    };
    let Some(validity) = read_validity(own) else {
        let remedy = "name a certificate of X.509 version 3";
        return Err(fault(String::from("its validity cannot be read"), remedy));
    };
    if validity.until_unix_s <= now_s {
        let why = format!("it expired on {}, and clients reject it", day(validity.until_unix_s));
        return Err(fault(why, "renew it, and name the new certificate"));
    }
    if validity.from_unix_s > now_s {
        let from = day(validity.from_unix_s);
        let why = format!("it is valid from {from} only, and clients reject it until then");
        return Err(fault(
            why,
            "name a certificate that is valid now, or correct the machine's clock",
        ));
    }
    let mut warnings = expiry_warnings(&files.certificate.display().to_string(), chain, now_s);
    if is_authority(own) {
        let file = files.certificate.display();
        let text = format!(
            "the certificate in {file} is that of an authority (CA:TRUE), and strict clients \
             reject it for a server: {NO_AUTHORITY}"
        );
        warnings.push(Warning::new(KEY, text));
    }
    warnings.extend(check_names(own, names, fault)?);
    Ok((validity, warnings))
}

/// Warnings about certificates of a chain that expire soon or have expired.
fn expiry_warnings(file: &str, chain: &[CertificateDer<'_>], now_s: i64) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (index, certificate) in chain.iter().enumerate() {
        let Some(until) = read_validity(certificate).map(|validity| validity.until_unix_s) else {
            continue;
        };
        let left_s = until - now_s;
        let which = if index == 0 { "the certificate" } else { "an intermediate certificate" };
        if left_s <= 0 {
            let text = format!("{which} in {file} expired on {}: renew the chain", day(until));
            warnings.push(Warning::new(KEY, text));
        } else if left_s < EXPIRES_SOON_S {
            let (date, days) = (day(until), left_s / DAY_S);
            let text = format!("{which} in {file} expires on {date}, in {days} days: renew it");
            warnings.push(Warning::new(KEY, text));
        }
    }
    warnings
}

/// Checks the names of the server: a warning for each missing one, an error if all are missing.
fn check_names(
    own: &CertificateDer<'_>,
    names: &ServerNames,
    fault: impl Fn(String, &'static str) -> ConfigError,
) -> Result<Vec<Warning>, ConfigError> {
    let mut hosts: Vec<&str> = names.hosts.iter().map(|host| bare(host)).collect();
    hosts.sort_unstable();
    hosts.dedup();
    let Ok(parsed) = ParsedCertificate::try_from(own) else {
        let why = String::from("it cannot be read as a certificate of a server");
        return Err(fault(why, "name a certificate of X.509 version 3"));
    };
    let covers = |host: &&str| {
        ServerName::try_from(*host).is_ok_and(|name| verify_server_name(&parsed, &name).is_ok())
    };
    let (covered, missing): (Vec<&str>, Vec<&str>) = hosts.into_iter().partition(covers);
    let listed = missing.join(", ");
    if covered.is_empty() && !missing.is_empty() && !names.is_behind_proxy {
        let why = format!("it names none of the hosts that clients use: {listed}");
        let remedy = "name a certificate for these hosts, or set listen.hosts to its names";
        return Err(fault(why, remedy));
    }
    // Certificates of public authorities never contain loopback names.
    let public = missing.into_iter().filter(|host| !is_loopback(host));
    let warn = |host| {
        let text =
            format!("the certificate does not name {host}: clients that use this name reject it");
        Warning::new(KEY, text)
    };
    Ok(public.map(warn).collect())
}

/// Whether a host is one of the machine itself.
pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Removes port and brackets of a host.
fn bare(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(address, _)| address);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

/// Date of a time, in UTC.
pub(crate) fn day(unix_s: i64) -> String {
    let text = portcullis_audit::utc(unix_s.saturating_mul(1000));
    text.split_once('T').map_or(text.clone(), |(date, _)| String::from(date))
}

/// Reads `Validity` of a certificate (RFC 5280 section 4.1.2.5).
pub(crate) fn read_validity(certificate: &[u8]) -> Option<Validity> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    let (tag, certificate, _) = element(certificate)?;
    let (inner_tag, mut fields, _) = element(certificate)?;
    if tag != SEQUENCE || inner_tag != SEQUENCE {
        return None;
    }
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    // Serial number, signature algorithm, issuer.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (SEQUENCE, validity, _) = element(fields)? else { return None };
    let (from_tag, from, rest) = element(validity)?;
    let (until_tag, until, _) = element(rest)?;
    Some(Validity { from_unix_s: time(from_tag, from)?, until_unix_s: time(until_tag, until)? })
}

/// Whether the certificate is that of an authority (RFC 5280 section 4.2.1.9).
pub(crate) fn is_authority(certificate: &[u8]) -> bool {
    let constraints = || {
        let start = memchr::memmem::find(certificate, BASIC_CONSTRAINTS)?;
        let (_, _, rest) = element(certificate.get(start..)?)?;
        let (tag, content, rest) = element(rest)?;
        // `critical` may come before the value.
        let (_, value, _) = if tag == BOOLEAN { element(rest)? } else { (tag, content, rest) };
        let (_, fields, _) = element(value)?;
        let (tag, is_authority, _) = element(fields)?;
        Some(tag == BOOLEAN && is_authority != [0])
    };
    constraints().unwrap_or(false)
}

/// One element of DER: its tag, its content, and what follows.
pub(crate) fn element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = input.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits.iter().fold(0_u32, |sum, digit| (sum << 8) | u32::from(*digit));
            (usize::try_from(length).ok()?, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

/// `UTCTime` or `GeneralizedTime` as RFC 5280 allows them: in UTC, with seconds.
fn time(tag: u8, text: &[u8]) -> Option<i64> {
    const UTC_TIME: u8 = 0x17;
    const GENERALIZED_TIME: u8 = 0x18;
    let digits = text.strip_suffix(b"Z")?;
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let year = number(digits.get(..2)?)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, digits.get(2..)?)
        }
        (GENERALIZED_TIME, 14) => (number(digits.get(..4)?)?, digits.get(4..)?),
        _ => return None,
    };
    let mut parts = rest.chunks(2).map(number);
    let mut next = || parts.next().flatten();
    let (month, day, hour, minute, second) = (next()?, next()?, next()?, next()?, next()?);
    let is_time = (1..=12).contains(&month) && (1..=31).contains(&day);
    (is_time && hour < 24 && minute < 60 && second <= 60)
        .then(|| days(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second)
}

fn number(digits: &[u8]) -> Option<i64> {
    let add =
        |sum: i64, digit: &u8| digit.is_ascii_digit().then(|| sum * 10 + i64::from(digit - 48));
    digits.iter().try_fold(0, add)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};

    use super::*;

    // 2027-01-15.
    const NOW: Now = Now { monotonic_ms: 0, unix_ms: 1_800_000_000_000 };

    fn certificate(names: &[&str], from: (i32, u8, u8), until: (i32, u8, u8)) -> Vec<u8> {
        let names: Vec<String> = names.iter().copied().map(String::from).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(until.0, until.1, until.2);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn outcome(der: Vec<u8>, hosts: &[&str], is_behind_proxy: bool) -> Result<Vec<String>, String> {
        let files = TlsFiles { certificate: "c.pem".into(), key: "c.key".into(), client_ca: None };
        let hosts = hosts.iter().copied().map(String::from).collect();
        let names = ServerNames { hosts, is_behind_proxy };
        let checked = check(&files, &[CertificateDer::from(der)], &names, NOW);
        let texts = |warnings: Vec<Warning>| warnings.iter().map(ToString::to_string).collect();
        checked.map(|(_, warnings)| texts(warnings)).map_err(|error| error.to_string())
    }

    #[test]
    fn validity_is_read_from_both_forms_of_time() {
        let cases = [
            ((1999, 12, 31), 946_598_400),
            ((2027, 2, 1), 1_801_440_000),
            ((2049, 12, 31), 2_524_521_600),
            ((2050, 1, 1), 2_524_608_000),
            ((2124, 2, 29), 4_864_838_400),
        ];
        for (until, expect) in cases {
            let der = certificate(&["a.example"], (1990, 1, 1), until);
            let validity = read_validity(&der).unwrap();
            assert_eq!(validity.until_unix_s, expect, "{until:?}");
            assert_eq!(validity.from_unix_s, 631_152_000);
            // A certificate cut off at any byte causes no panic.
            for length in 0..der.len() {
                let _unread = read_validity(&der[..length]);
            }
        }
    }

    #[test]
    fn expired_certificate_is_rejected_and_one_that_expires_soon_gets_a_warning() {
        let check =
            |from, until| outcome(certificate(&["a.example"], from, until), &["a.example"], false);
        let long = (2020, 1, 1);
        assert!(check(long, (2027, 1, 14)).unwrap_err().contains("expired on 2027-01-14"));
        assert!(check((2027, 1, 17), (2030, 1, 1)).unwrap_err().contains("from 2027-01-17 only"));
        let soon = check(long, (2027, 1, 20)).unwrap();
        assert!(soon[0].contains("expires on 2027-01-20, in 4 days"), "{soon:?}");
        assert_eq!(check(long, (2027, 3, 1)), Ok(vec![]));
    }

    #[test]
    fn certificate_of_an_authority_gets_a_warning() {
        for (is_ca, expect) in [
            (IsCa::NoCa, false),
            (IsCa::ExplicitNoCa, false),
            (IsCa::Ca(BasicConstraints::Unconstrained), true),
            (IsCa::Ca(BasicConstraints::Constrained(0)), true),
        ] {
            let mut params = CertificateParams::new([String::from("a.example")]).unwrap();
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2120, 1, 1);
            params.is_ca = is_ca;
            let der = params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec();
            for length in 0..der.len() {
                let _part = is_authority(&der[..length]);
            }
            let warnings = outcome(der, &["a.example"], false).unwrap();
            assert_eq!(warnings.iter().any(|text| text.contains("CA:FALSE")), expect);
        }
    }

    #[test]
    fn certificate_for_other_names_is_rejected_and_missing_names_get_a_warning() {
        let names = ["chat.example", "*.chat.example", "127.0.0.1"];
        let check = |hosts: &[&str], proxy| {
            outcome(certificate(&names, (2020, 1, 1), (2120, 1, 1)), hosts, proxy)
        };
        assert_eq!(check(&["chat.example", "chat.example:8443"], false), Ok(vec![]));
        assert_eq!(check(&["eu.chat.example"], false), Ok(vec![]));
        assert_eq!(check(&["127.0.0.1:8443", "localhost:8443"], false), Ok(vec![]));
        assert!(check(&["other.example"], false).unwrap_err().contains("none of the hosts"));
        assert!(check(&["a.b.chat.example"], false).is_err());
        let part = check(&["chat.example", "other.example:1"], false).unwrap();
        assert!(part.len() == 1 && part[0].contains("does not name other.example"), "{part:?}");
        // A proxy may connect with another name.
        assert_eq!(check(&["other.example"], true).unwrap().len(), 1);
    }
}
