//! The files that the configuration names and the server reads.
//! Never: files that the server creates.

use std::path::{Path, PathBuf};

use crate::config::channel::ChannelSettings;
use crate::config::identity::token::KeySource;
use crate::config::network::tls::TlsSettings;
use crate::config::settings::Settings;

/// All files that the server reads, with their keys; the configuration file has no key.
pub(crate) fn input_files(settings: &Settings) -> Vec<(Option<&'static str>, &Path)> {
    let mut files: Vec<(Option<&'static str>, Option<&PathBuf>)> =
        vec![(None, settings.file.as_ref().map(|file| &file.path))];
    match &settings.tls {
        TlsSettings::Development | TlsSettings::Off => {}
        TlsSettings::Files(tls) => files.extend([
            (Some("tls.certificate_file"), Some(&tls.certificate)),
            (Some("tls.key_file"), Some(&tls.key)),
            (Some("tls.client_ca_file"), tls.client_ca.as_ref()),
        ]),
        TlsSettings::Acme(acme) => {
            files.push((Some("tls.acme_ca_file"), acme.authorities.as_ref()));
        }
    }
    let syslog = settings.audit.syslog.as_ref();
    files.push((Some("audit.syslog_ca"), syslog.and_then(|syslog| syslog.authorities.as_ref())));
    files.push((
        Some("accounts.password_blocklist_file"),
        settings.identity.accounts.password_blocklist.as_ref(),
    ));
    files.extend(settings.identity.issuers.iter().map(|issuer| match &issuer.source {
        KeySource::Environment => (None, None),
        KeySource::SecretFile(path) => (Some("token.issuer.secret_file"), Some(path)),
        KeySource::JwksFile(path) => (Some("token.issuer.jwks_file"), Some(path)),
        KeySource::JwksUrl { authorities, .. } => {
            (Some("token.issuer.jwks_ca_file"), authorities.as_ref())
        }
    }));
    let files = files.into_iter().filter_map(|(key, path)| Some((key, path?.as_path())));
    let of_channels = settings.audit.alert.channels.iter().flat_map(ChannelSettings::files);
    files.chain(of_channels.map(|(key, path)| (Some(key), path))).collect()
}
