//! TLS: plain text, old versions, the certificate, HSTS.
//! Never: a secret in plain text; the requests have none.

use rustls_pki_types::ServerName;

use super::case::{Case, CaseOutcome, Group, Verdict, fail, fail_with, pass, rejected, skip};
use crate::drill::client::answer::Answer;
use crate::drill::client::attacker::Attacker;
use crate::drill::client::connection::ReadOutcome;
use crate::drill::client::request::Request;
use crate::tls::certificate::{NO_AUTHORITY, day, is_authority, read_validity};
use crate::tls::probe_client::{HANDSHAKE, old_hello};

const DAY_S: i64 = 24 * 60 * 60;
/// With less time left, a renewal has failed for weeks.
const DAYS_MIN: i64 = 14;
/// The shortest HSTS that protects a visitor who returns within half a year.
const HSTS_MIN_S: u64 = 180 * 24 * 60 * 60;
const NO_TLS: &str = "the address is http://, so no TLS is in use";

pub(super) const GROUP: Group = Group {
    name: "TLS",
    cases: &[
        Case {
            id: "tls-plain-text",
            name: "plain text is redirected or rejected",
            threat: "reading on the network, downgrade",
            sent: "GET / without TLS, to the TLS port and to the port of plain text",
            expected: "no content: a redirect to https, a rejection, or no connection",
            fix: "let the port of plain text redirect to https: listen.redirect, or return 301 \
                  https://$host$request_uri; in nginx",
            run: plain_text,
        },
        Case {
            id: "tls-old-versions",
            name: "TLS 1.0 and 1.1 are rejected",
            threat: "reading on the network, downgrade",
            sent: "a ClientHello of TLS 1.0, and one of TLS 1.1",
            expected: "an alert, or the end of the connection",
            fix: "permit TLS 1.2 and 1.3 only: ssl_protocols TLSv1.2 TLSv1.3; in nginx, \
                  ssl-min-ver TLSv1.2 in HAProxy",
            run: old_versions,
        },
        Case {
            id: "tls-certificate",
            name: "the certificate is valid",
            threat: "reading on the network, a false server",
            sent: "a TLS handshake that verifies the certificate for the name",
            expected: "a trusted certificate for the name, with 14 days or more left",
            fix: "renew the certificate, and send the whole chain: tls.certificate_file, or \
                  ssl_certificate in nginx; for a private authority give --ca FILE",
            run: certificate,
        },
        Case {
            id: "tls-hsts",
            name: "browsers keep to TLS (HSTS)",
            threat: "reading on the network, downgrade",
            sent: "GET /",
            expected: "Strict-Transport-Security with max-age of half a year or more",
            fix: "set [hsts], and let the proxy pass Strict-Transport-Security on: do not remove \
                  it with proxy_hide_header in nginx or del-header in HAProxy",
            run: hsts,
        },
    ],
};

fn plain_text(attacker: &mut Attacker<'_>) -> CaseOutcome {
    if !attacker.target.has_tls {
        return Ok(skip(NO_TLS));
    }
    let request = Request::get("/").bytes(attacker.target);
    let mut connection = attacker.connect_plain(attacker.target.address.port())?;
    connection.send(&request);
    let answer = Answer::read(&mut connection).in_time()?;
    if (200..300).contains(&answer.status()) {
        return Ok(fail(format!("the TLS port serves plain text: {}", answer.words())));
    }
    let Some(port) = attacker.facts.tls.plain_port else {
        return Ok(pass(format!(
            "the TLS port: {}; no port of plain text is known",
            answer.words()
        )));
    };
    let Ok(mut connection) = attacker.connect_plain(port) else {
        return Ok(pass(format!("port {port} accepts no connection")));
    };
    connection.send(&request);
    Ok(judge_plain(port, &Answer::read(&mut connection).in_time()?))
}

fn judge_plain(port: u16, answer: &Answer) -> Verdict {
    let location = answer.response().and_then(|response| response.header("location"));
    match (answer.status(), location) {
        (300..400, Some(location)) if location.starts_with("https://") => {
            pass(format!("port {port} redirects to https"))
        }
        (300..400, _) => fail(format!("port {port} redirects, and not to https")),
        (200..300, _) => fail(format!("port {port} serves plain text: {}", answer.words())),
        _ => match rejected(answer) {
            Verdict::Fail { .. } => fail(format!("port {port}: {}", answer.words())),
            _ => pass(format!("port {port}: {}", answer.words())),
        },
    }
}

fn old_versions(attacker: &mut Attacker<'_>) -> CaseOutcome {
    if !attacker.target.has_tls {
        return Ok(skip(NO_TLS));
    }
    for (minor, name) in [(1, "TLS 1.0"), (2, "TLS 1.1")] {
        let mut connection = attacker.connect_plain(attacker.target.address.port())?;
        connection.send(&old_hello(minor));
        let outcome = connection.read();
        if connection.buffer.first() == Some(&HANDSHAKE) {
            return Ok(fail(format!("{name} is accepted")));
        }
        if outcome == ReadOutcome::Silence {
            return Ok(skip(format!("{name}: no answer in 3 s")));
        }
    }
    Ok(pass("both are rejected"))
}

fn certificate(attacker: &mut Attacker<'_>) -> CaseOutcome {
    if !attacker.target.has_tls {
        return Ok(skip(NO_TLS));
    }
    let (sent, fault) = attacker.certificates()?;
    if let Some(fault) = fault {
        let has_authority = sent.first().is_some_and(|own| is_authority(own));
        return Ok(certificate_fault(&fault, has_authority));
    }
    let validity = sent.first().and_then(|own| read_validity(own));
    let Some(validity) = validity else { return Ok(skip("its validity cannot be read")) };
    let days = (validity.until_unix_s - attacker.facts.tls.now_unix_s) / DAY_S;
    let seen = format!("valid until {}, in {days} days", day(validity.until_unix_s));
    Ok(if days < DAYS_MIN { fail_with(seen, attacker.facts.tls.renewal) } else { pass(seen) })
}

/// The verdict about a certificate that a client rejects; an authority needs its own remedy.
fn certificate_fault(fault: &str, is_authority: bool) -> Verdict {
    if !is_authority {
        return fail(format!("a client rejects it: {fault}"));
    }
    let seen = "a client rejects it: it is the certificate of an authority (CA:TRUE)";
    fail_with(seen, NO_AUTHORITY)
}

fn hsts(attacker: &mut Attacker<'_>) -> CaseOutcome {
    if !attacker.target.has_tls {
        return Ok(skip(NO_TLS));
    }
    if matches!(attacker.target.name, ServerName::IpAddress(_)) {
        return Ok(skip("browsers ignore HSTS of IP addresses (RFC 6797 section 8.1.1)"));
    }
    let answer = attacker.ask(&Request::get("/"))?;
    let Some(response) = answer.response() else { return Ok(skip(answer.words())) };
    let Some(value) = response.header("strict-transport-security") else {
        return Ok(fail("the header is missing"));
    };
    let is_long = max_age_s(value).is_some_and(|age_s| age_s >= HSTS_MIN_S);
    Ok(if is_long { pass(value) } else { fail(value) })
}

/// The value of `max-age` (RFC 6797 section 6.1.1).
fn max_age_s(value: &str) -> Option<u64> {
    let mut directives = value.split(';').filter_map(|directive| directive.split_once('='));
    let age = directives.find(|(name, _)| name.trim().eq_ignore_ascii_case("max-age"));
    age.and_then(|(_, age)| age.trim().trim_matches('"').parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificate_of_an_authority_has_its_own_remedy() {
        let Verdict::Fail { seen, fix } = certificate_fault("invalid", true) else { panic!() };
        assert!(seen.contains("CA:TRUE") && fix == Some(NO_AUTHORITY), "{seen}");
        let Verdict::Fail { seen, fix } = certificate_fault("UnknownIssuer", false) else {
            panic!()
        };
        assert!(seen.contains("UnknownIssuer") && fix.is_none(), "{seen}");
    }

    #[test]
    fn max_age_is_read_wherever_it_is() {
        for (value, expect) in [
            ("max-age=63072000; includeSubDomains", Some(63_072_000)),
            ("includeSubDomains; Max-Age=\"5\"", Some(5)),
            ("max-age=x", None),
            ("", None),
        ] {
            assert_eq!(max_age_s(value), expect, "{value}");
        }
    }
}
