//! D2: TLS as a client gets it: versions, certificates, key.
//! Never: the configuration in place of what the server sends, while it runs.

use std::io;

use portcullis_admin::CheckBuilder;
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use rustls_native_certs::load_native_certs;
use rustls_pki_types::{CertificateDer, ServerName};

use super::chain::{self, ChainRemedies};
use super::probe::{Listener, is_rejection};
use crate::config::TlsSettings;
use crate::doctor::examination::Examination;
use crate::tls::certificate_files;
use crate::tls::server_config::Tls;

/// Most names for which the certificate is checked.
const NAMES_MAX: usize = 16;

/// Checks TLS of the public listener.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    if examination.settings.tls == TlsSettings::Off {
        check.skip("tls.mode is off: check the proxy that ends TLS");
        return;
    }
    let listener = match Listener::of(examination) {
        Ok(listener) => listener,
        Err(why) => {
            check_files(examination, &[], check);
            check.skip(why);
            return;
        }
    };
    let name = listener.names().first().copied().unwrap_or_default();
    check_versions(&listener, name, check);
    let mut seen: Vec<Vec<CertificateDer<'static>>> = Vec::new();
    for name in listener.names().into_iter().take(NAMES_MAX) {
        match listener.handshake(name, rustls::DEFAULT_VERSIONS) {
            Ok(stream) => {
                let sent = stream.conn.peer_certificates().unwrap_or_default();
                let chain: Vec<CertificateDer<'static>> =
                    sent.iter().map(|one| one.clone().into_owned()).collect();
                check_chain(examination, name, &chain, &seen, check);
                if !seen.contains(&chain) {
                    seen.push(chain);
                }
            }
            Err(error) => check_failure(name, &error, check),
        }
    }
    if listener.names().len() > NAMES_MAX {
        check.skip(format!("the certificates of more than {NAMES_MAX} hosts"));
    }
    check_files(examination, &seen, check);
}

/// A rejected handshake is a finding; one that could not be finished is not checked.
fn check_failure(name: &str, error: &io::Error, check: &mut CheckBuilder) {
    if is_rejection(error) {
        let found = format!("a TLS connection to the public listener fails: {error} ({name})");
        check.alarm("connection", found, "read the operational log; portcullis check");
    } else {
        check.skip(format!("certificate of {name}: {error}"));
    }
}

fn check_chain(
    examination: &Examination<'_>,
    name: &str,
    sent: &[CertificateDer<'static>],
    seen: &[Vec<CertificateDer<'static>>],
    check: &mut CheckBuilder,
) {
    if examination.settings.tls == TlsSettings::Development {
        if seen.is_empty() {
            check.fact("a certificate of the development profile, for this machine only");
        }
        return;
    }
    let Ok(name) = ServerName::try_from(name) else {
        check.skip(format!("{name} is not a name of a certificate"));
        return;
    };
    // All hosts usually have the same chain, which is checked once.
    if !seen.iter().any(|known| known == sent) {
        let remedies = ChainRemedies::new(&examination.settings.tls);
        chain::check(sent, &name, load_native_certs().certs, (examination.now, remedies), check);
    }
    chain::check_name(sent, &name, check);
}

fn check_versions(listener: &Listener, name: &str, check: &mut CheckBuilder) {
    let versions: [(&'static SupportedProtocolVersion, &str); 2] =
        [(&TLS13, "1.3"), (&TLS12, "1.2")];
    let results = versions.map(|(version, words)| {
        let stream = listener.handshake(name, &[version]);
        (words, stream.map(|stream| stream.conn.protocol_version() == Some(version.version)))
    });
    judge_versions(&results, check);
    match listener.accepts_tls_1_1() {
        Ok(false) => check.fact("no TLS 1.1"),
        Ok(true) => {
            let found = "the public listener accepts TLS 1.1: another program answers there";
            check.alarm("old versions", found, "check which program listens on listen.public");
        }
        Err(error) => check.skip(format!("TLS 1.1: {error}")),
    }
}

/// Whether the public listener accepts versions; an attempt without an answer says nothing.
fn judge_versions(results: &[(&str, io::Result<bool>)], check: &mut CheckBuilder) {
    let mut accepted = Vec::new();
    for (words, result) in results {
        match result {
            Ok(true) => accepted.push(*words),
            Ok(false) => {}
            Err(error) if is_rejection(error) => {}
            Err(error) => {
                check.skip(format!("TLS {words}: {error}"));
                continue;
            }
        }
        if *words == "1.3" && !accepted.contains(words) {
            let found = "the public listener does not accept TLS 1.3";
            check.alarm("versions", found, "check which program listens there; restart the server");
        }
    }
    if !accepted.is_empty() {
        check.fact(format!("TLS {}", accepted.join(" and ")));
    }
}

/// Checks the files, from which the next start and the next reload take the certificate. What the
/// server sends has been checked: the same certificate is not reported twice.
fn check_files(
    examination: &Examination<'_>,
    sent: &[Vec<CertificateDer<'static>>],
    check: &mut CheckBuilder,
) {
    let TlsSettings::Files(files) = &examination.settings.tls else { return };
    if let Ok(key) = certificate_files::read(files)
        && sent.contains(&key.cert)
    {
        check.fact("the files have the certificate in use");
        return;
    }
    match Tls::inspect(examination.settings, examination.now) {
        Ok(warnings) => {
            // One finding for all of them: they have the same key.
            let texts: Vec<&str> = warnings.iter().map(|warning| warning.text.as_str()).collect();
            if let Some(first) = warnings.first() {
                check.warn(first.key, texts.join("; "), "renew or replace the certificate");
            }
            if !sent.is_empty() {
                let found = "the files have another certificate than the server sends";
                check.warn("files in use", found, "send SIGHUP, and the server reads them");
            }
        }
        Err(error) => {
            check.alarm("files", error.to_string(), "correct the files of [tls]");
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_admin::{CheckId, CheckResult};

    use super::*;

    fn rejected() -> io::Error {
        io::Error::new(
            io::ErrorKind::InvalidData,
            rustls::Error::AlertReceived(rustls::AlertDescription::ProtocolVersion),
        )
    }

    fn late() -> io::Error {
        io::Error::from(io::ErrorKind::WouldBlock)
    }

    #[test]
    fn t409_d2_attempt_without_an_answer_is_not_checked_and_no_finding() {
        // Results of TLS 1.3 and 1.2, the expected result, whether a part is not checked.
        for (first, second, expect, is_partial) in [
            (Ok(true), Ok(true), CheckResult::Ok, false),
            (Ok(true), Err(rejected()), CheckResult::Ok, false),
            (Err(rejected()), Ok(true), CheckResult::Critical, false),
            (Ok(false), Ok(true), CheckResult::Critical, false),
            (Err(late()), Ok(true), CheckResult::Ok, true),
            (Err(late()), Err(late()), CheckResult::NotChecked, true),
        ] {
            let mut check = CheckBuilder::new(CheckId::D2);
            judge_versions(&[("1.3", first), ("1.2", second)], &mut check);
            let check = check.finish();
            assert_eq!((check.result, !check.not_checked.is_empty()), (expect, is_partial));
        }
        for (error, expect) in [
            (rejected(), CheckResult::Critical),
            (late(), CheckResult::NotChecked),
            (io::Error::from(io::ErrorKind::ConnectionRefused), CheckResult::NotChecked),
            (io::Error::from(io::ErrorKind::UnexpectedEof), CheckResult::NotChecked),
        ] {
            let mut check = CheckBuilder::new(CheckId::D2);
            check_failure("chat.example", &error, &mut check);
            assert_eq!(check.finish().result, expect, "{error}");
        }
    }
}
