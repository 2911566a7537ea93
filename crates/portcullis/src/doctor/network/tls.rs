//! D2: TLS as a client gets it: versions, certificates, key.
//! Never: the configuration in place of what the server sends, while it runs.

use portcullis_admin::CheckBuilder;
use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, SupportedProtocolVersion};
use rustls_native_certs::load_native_certs;
use rustls_pki_types::{CertificateDer, ServerName};

use super::chain;
use super::probe::Listener;
use crate::config::TlsSettings;
use crate::doctor::examination::{Examination, ServerState};
use crate::tls::server_config::Tls;

/// Checks TLS of the public listener.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    if examination.settings.tls == TlsSettings::Off {
        check.skip("tls.mode is off: check the proxy that ends TLS");
        return;
    }
    let listener = match Listener::of(examination) {
        Ok(listener) => listener,
        Err(why) => {
            check_files(examination, check);
            check.skip(why);
            return;
        }
    };
    check_versions(&listener, check);
    match listener.handshake(rustls::DEFAULT_VERSIONS) {
        Ok(stream) => {
            let sent = stream.conn.peer_certificates().unwrap_or_default();
            let chain: Vec<CertificateDer<'static>> =
                sent.iter().map(|one| one.clone().into_owned()).collect();
            check_chain(examination, &listener, &chain, check);
        }
        Err(error) => {
            let found = format!("a TLS connection to the public listener fails: {error}");
            check.alarm("connection", found, "read the operational log; portcullis check");
        }
    }
}

fn check_chain(
    examination: &Examination<'_>,
    listener: &Listener,
    sent: &[CertificateDer<'static>],
    check: &mut CheckBuilder,
) {
    if examination.settings.tls == TlsSettings::Development {
        check.fact("a certificate of the development profile, for this machine only");
        return;
    }
    match ServerName::try_from(listener.name()) {
        Ok(name) => {
            let roots = load_native_certs().certs;
            chain::check(sent, &name, roots, examination.now, check);
        }
        Err(_) => check.skip("the name that clients use is not a name of a certificate"),
    }
}

fn check_versions(listener: &Listener, check: &mut CheckBuilder) {
    let accepts = |version: &'static SupportedProtocolVersion| {
        listener
            .handshake(&[version])
            .is_ok_and(|stream| stream.conn.protocol_version() == Some(version.version))
    };
    let versions = [(&TLS13, "1.3"), (&TLS12, "1.2")].into_iter();
    let accepted: Vec<&str> =
        versions.filter(|(version, _)| accepts(version)).map(|(_, name)| name).collect();
    if !accepted.is_empty() {
        check.fact(format!("TLS {}", accepted.join(" and ")));
    }
    if !accepted.contains(&"1.3") {
        let name = ProtocolVersion::TLSv1_3.as_str().unwrap_or("TLS 1.3");
        let found = format!("the public listener does not accept {name}");
        check.alarm("versions", found, "check which program listens there; restart the server");
    }
    match listener.accepts_tls_1_1() {
        Ok(false) => check.fact("no TLS 1.1"),
        Ok(true) => {
            let found = "the public listener accepts TLS 1.1: another program answers there";
            check.alarm("old versions", found, "check which program listens on listen.public");
        }
        Err(error) => check.skip(format!("TLS 1.1: {error}")),
    }
}

/// Without a connection, the files are all that can be checked.
fn check_files(examination: &Examination<'_>, check: &mut CheckBuilder) {
    let is_stopped = matches!(examination.state, ServerState::Stopped);
    if !is_stopped {
        return;
    }
    match Tls::inspect(examination.settings, examination.now) {
        Ok(warnings) => {
            for warning in &warnings {
                check.warn(warning.key, warning.text.clone(), "renew or replace the certificate");
            }
        }
        Err(error) => {
            check.alarm("files", error.to_string(), "correct the files of [tls]");
        }
    }
}
