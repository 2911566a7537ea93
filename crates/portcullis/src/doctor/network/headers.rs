//! D3: the security headers of the server's own pages.
//! Never: a page of another server.

use std::io;

use portcullis_admin::CheckBuilder;

use super::probe::Listener;
use crate::config::{DashboardPage, Profile, TlsSettings};
use crate::doctor::examination::Examination;

/// Headers that each page needs, with a part of their value and what they prevent.
const NEEDED: [(&str, &str, &str); 6] = [
    ("content-security-policy", "default-src 'none'", "scripts of attackers can run in the page"),
    ("x-content-type-options", "nosniff", "browsers can read a file as a script"),
    ("x-frame-options", "DENY", "other sites can show the page in a frame"),
    ("referrer-policy", "no-referrer", "other sites get addresses of the page"),
    ("cross-origin-opener-policy", "same-origin", "other sites can reach the window of the page"),
    ("permissions-policy", "camera=()", "the page can request camera and microphone"),
];
/// The shortest time for which browsers have to remember HTTPS, in seconds: half a year.
const HSTS_MIN_S: u64 = 15_552_000;

/// Checks the headers of the chat page and of the dashboard.
pub(in crate::doctor) fn check(examination: &Examination<'_>, check: &mut CheckBuilder) {
    let listener = match Listener::of(examination) {
        Ok(listener) if listener.needs_client_certificate => {
            check.skip("pages need a certificate of the client (tls.client_ca_file)");
            return;
        }
        Ok(listener) => listener,
        Err(why) => {
            check.skip(why);
            return;
        }
    };
    let transport = Hsts::of(examination.settings.profile, &examination.settings.tls);
    let host = listener.hosts.first().map(String::as_str).unwrap_or_default();
    let dashboard = (listener.dashboard_host.as_str(), "/admin/");
    let pages = match examination.settings.identity.admin.page {
        DashboardPage::Served => vec![(host, "/"), dashboard],
        DashboardPage::Absent => vec![(host, "/")],
    };
    for (host, path) in pages {
        judge(path, listener.get(host, path), transport, check);
    }
}

/// Checks the headers of a page; a response of another kind has none that need to be there.
fn judge(
    path: &str,
    response: io::Result<(u16, Vec<(String, String)>)>,
    hsts: Hsts,
    check: &mut CheckBuilder,
) {
    match response {
        Ok((200..=299, headers)) => check_page(path, &headers, hsts, check),
        Ok((status, _)) => check.skip(format!("{path}: the server answered {status}")),
        Err(error) => check.skip(format!("{path}: {error}")),
    }
}

/// Whether browsers need the instruction to use HTTPS only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hsts {
    Needed,
    NotNeeded,
}

impl Hsts {
    /// Without TLS of its own the server sends none: the proxy that ends TLS does.
    fn of(profile: Profile, tls: &TlsSettings) -> Self {
        match (profile, tls) {
            (Profile::Development, _) | (_, TlsSettings::Off) => Self::NotNeeded,
            (Profile::Production | Profile::Strict, _) => Self::Needed,
        }
    }
}

fn check_page(path: &str, headers: &[(String, String)], hsts: Hsts, check: &mut CheckBuilder) {
    let value =
        |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let mut missing = 0;
    for (name, part, danger) in NEEDED {
        if !value(name).is_some_and(|value| value.contains(part)) {
            missing += 1;
            let found = format!("{path} has no header {name} with {part}: {danger}");
            let remedy = "a program between client and server removes headers: correct it";
            check.alarm(&format!("{path} {name}"), found, remedy);
        }
    }
    if hsts == Hsts::Needed {
        let age = value("strict-transport-security").and_then(|value| max_age(value));
        if age.is_none_or(|age| age < HSTS_MIN_S) {
            missing += 1;
            let found = format!(
                "{path} does not tell browsers to use HTTPS for half a year: a first request \
                 without TLS can be redirected by attackers"
            );
            check.warn(&format!("{path} hsts"), found, "enable [hsts] with its default");
        }
    }
    if missing == 0 {
        check.fact(format!("{path} has all headers"));
    }
}

/// `max-age` of a Strict-Transport-Security header (RFC 6797 section 6.1.1).
fn max_age(value: &str) -> Option<u64> {
    let mut parts = value.split(';').map(str::trim);
    parts.find_map(|part| part.strip_prefix("max-age=")?.trim_matches('"').parse().ok())
}

#[cfg(test)]
mod tests {
    use portcullis_admin::{AuditFinding, CheckId, CheckResult};

    use super::*;

    fn findings(headers: &[(String, String)], hsts: Hsts) -> Vec<String> {
        let mut check = CheckBuilder::new(CheckId::D3);
        check_page("/", headers, hsts, &mut check);
        let key = |finding: AuditFinding| finding.key;
        check.finish().findings.into_iter().map(key).collect()
    }

    #[test]
    fn t409_d3_each_missing_or_weaker_header_is_found() {
        let needed = NEEDED.map(|(name, part, _)| (String::from(name), String::from(part)));
        let transport = |value: &str| {
            let header = (String::from("strict-transport-security"), String::from(value));
            [&needed[..], &[header]].concat()
        };
        assert_eq!(findings(&needed, Hsts::NotNeeded), Vec::<String>::new());
        for index in 0..needed.len() {
            let mut headers = needed.to_vec();
            let (name, _) = headers.remove(index);
            assert_eq!(findings(&headers, Hsts::NotNeeded), [format!("D3 / {name}")]);
            headers.push((name.clone(), String::from("weaker")));
            assert_eq!(findings(&headers, Hsts::NotNeeded), [format!("D3 / {name}")]);
        }
        for (value, expect) in [
            ("max-age=63072000; includeSubDomains", vec![]),
            ("max-age=0", vec!["D3 / hsts"]),
            ("includeSubDomains", vec!["D3 / hsts"]),
        ] {
            assert_eq!(findings(&transport(value), Hsts::Needed), expect, "{value}");
        }
        assert_eq!(findings(&needed, Hsts::Needed), ["D3 / hsts"]);
    }

    #[test]
    fn t409_d3_response_without_a_page_is_not_checked() {
        let late = || Err(io::Error::from(io::ErrorKind::WouldBlock));
        for (response, expect) in [
            (Ok((200, Vec::new())), CheckResult::Critical),
            (Ok((204, Vec::new())), CheckResult::Critical),
            (Ok((503, Vec::new())), CheckResult::NotChecked),
            (Ok((429, Vec::new())), CheckResult::NotChecked),
            (Ok((404, Vec::new())), CheckResult::NotChecked),
            (Ok((308, Vec::new())), CheckResult::NotChecked),
            (late(), CheckResult::NotChecked),
        ] {
            let seen = format!("{response:?}");
            let mut check = CheckBuilder::new(CheckId::D3);
            judge("/", response, Hsts::Needed, &mut check);
            assert_eq!(check.finish().result, expect, "{seen}");
        }
    }

    #[test]
    fn hsts_is_needed_where_the_server_ends_tls() {
        for (profile, tls, expect) in [
            (Profile::Production, TlsSettings::Off, Hsts::NotNeeded),
            (Profile::Strict, TlsSettings::Off, Hsts::NotNeeded),
            (Profile::Production, TlsSettings::Development, Hsts::Needed),
            (Profile::Development, TlsSettings::Development, Hsts::NotNeeded),
        ] {
            assert_eq!(Hsts::of(profile, &tls), expect, "{profile:?} {tls:?}");
        }
    }
}
