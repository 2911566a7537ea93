//! Which names get a certificate without the ones that the authority rejects.
//! Never: a name that loses a valid certificate of its authority early because it was rejected.

use portcullis_model::Now;
use rustls_pki_types::CertificateDer;

use crate::acme::stored::missing_name;
use crate::tls::certificate::Validity;

/// The part of its lifetime in which a certificate ends soon: 9 of 90 days, 14 hours of 6 days.
const LAST_PART: i64 = 10;
/// The rejected names that a remedy lists.
const LISTED_MAX: usize = 3;

/// The names without the rejected ones, if a certificate with them alone is worth an order; `None`
/// otherwise.
///
/// It is, if the authority has issued no certificate, if the one in use (in DER) ends soon, or if
/// it misses one of these names and has none of the rejected ones.
pub(super) fn names_without(
    names: &[String],
    rejected: &[String],
    current: Option<(&[u8], Validity)>,
    now: Now,
) -> Option<Vec<String>> {
    let (rejected, rest): (Vec<_>, Vec<_>) =
        names.iter().cloned().partition(|name| rejected.contains(name));
    if rest.is_empty() || rejected.is_empty() {
        return None;
    }
    let Some((der, _)) = current.filter(|(_, validity)| !ends_soon(*validity, now)) else {
        return Some(rest);
    };
    let own = CertificateDer::from(der);
    let has_all = |names: &[String]| missing_name(Some(&own), names).is_none();
    let has_one = |names: &[String]| names.iter().any(|name| has_all(std::slice::from_ref(name)));
    (!has_all(&rest) && !has_one(&rejected)).then_some(rest)
}

/// The remedy for names that the authority rejects, to be added to a sentence; empty without one.
pub(super) fn remedy(names: &[String], rejected: &[String]) -> String {
    let mut rejected = names.iter().filter(|name| rejected.contains(name)).map(String::as_str);
    let listed: Vec<_> = rejected.by_ref().take(LISTED_MAX).collect();
    if listed.is_empty() {
        return String::new();
    }
    let (listed, more) = (listed.join(", "), if rejected.next().is_some() { ", …" } else { "" });
    format!(
        "; check that the DNS of {listed}{more} leads to this server, or remove it from \
         listen.hosts and origin.allowed"
    )
}

fn ends_soon(validity: Validity, now: Now) -> bool {
    let lifetime_s = validity.until_unix_s.saturating_sub(validity.from_unix_s);
    validity.until_unix_s.saturating_sub(now.unix_s()) <= lifetime_s / LAST_PART
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    const DAY_S: i64 = 24 * 60 * 60;

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(|name| format!("{name}.example")).collect()
    }

    /// The names that are ordered, with so many days of 90 left.
    fn ordered(in_use: &str, days_left: i64, wanted: &str, rejected: &str) -> Option<Vec<String>> {
        let params = CertificateParams::new(names(in_use)).unwrap();
        let own = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let now = Now { monotonic_ms: 0, unix_ms: 1_800_000_000_000 };
        let until_unix_s = now.unix_s() + days_left * DAY_S;
        let validity = Validity { from_unix_s: until_unix_s - 90 * DAY_S, until_unix_s };
        let current = (!in_use.is_empty()).then_some((&own.der()[..], validity));
        names_without(&names(wanted), &names(rejected), current, now)
    }

    #[test]
    fn remedy_names_the_rejected_hosts_of_this_server() {
        let all = names("a b c");
        assert_eq!(remedy(&all, &names("x")), "");
        assert!(remedy(&all, &names("b x")).starts_with("; check that the DNS of b.example leads"));
        assert!(remedy(&all, &names("c b")).contains("b.example, c.example leads"));
    }

    #[test]
    fn name_loses_no_valid_certificate_because_another_one_is_rejected() {
        for (in_use, days_left, wanted, rejected, expect) in [
            // The first certificate, and a further host.
            ("", 0, "a b", "b", Some("a")),
            ("a", 60, "a b c", "c", Some("a b")),
            // The authority still has the old addresses of `b`: its clients keep the certificate.
            ("a b", 60, "a b c", "b", None),
            ("a b", 29, "a b", "b", None),
            // It ends soon, or has ended.
            ("a b", 9, "a b", "b", Some("a")),
            ("a b", -1, "a b", "b", Some("a")),
            // A certificate without the rejected name is there already.
            ("a", 60, "a b", "b", None),
            // Nothing is left, or no name was rejected.
            ("", 0, "a b", "a b", None),
            ("", 0, "a", "a", None),
            ("a b", -1, "a b", "", None),
            ("a b", -1, "a b", "c", None),
        ] {
            let found = ordered(in_use, days_left, wanted, rejected);
            assert_eq!(found, expect.map(names), "{in_use:?} {days_left} {wanted} {rejected}");
        }
    }
}
