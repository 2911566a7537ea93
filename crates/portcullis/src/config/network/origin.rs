//! `[origin]`: the pages that can connect (cross-site hijacking, T-001 to T-012).
//! Never: a pattern, `null`, or a web page without TLS outside development.

use std::net::{IpAddr, SocketAddr};

use portcullis_guard::{WithoutOrigin, check_origin, is_app_origin};
use portcullis_server::Credentials;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::network::tls::TlsSettings;
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;
use crate::config::warning::Warning;

/// `[origin]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OriginSection {
    /// Origins of the pages that can connect, exactly as browsers send them. In `development` the
    /// pages of the server are added.
    #[schemars(extend("x-default-text" = "`[]`; required in `production` and `strict`"))]
    #[schemars(extend("examples" = [["https://chat.example"]]))]
    pub(crate) allowed: Option<Vec<String>>,
    /// Whether listed pages of other origins of the same site can send the refresh cookie.
    credentials: bool,
    /// What happens to clients without an origin. `refuse` rejects them; with `token` they need a
    /// bearer token in the request, for native clients.
    #[schemars(extend("enum" = ["refuse", "token"]))]
    without_origin: Option<String>,
}

/// The origins of pages, before the port is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origins {
    /// The configured origins, valid for the profile.
    pub(crate) allowed: Vec<String>,
    pub(crate) without: WithoutOrigin,
    /// The configured names of this server, if any.
    pub(crate) hosts: Option<Vec<String>>,
    own_pages: OwnPages,
}

/// Whether the pages of the server can connect without being listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OwnPages {
    Added,
    Listed,
}

/// Origins and host names in force.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OriginNames {
    pub(crate) origins: Vec<String>,
    pub(crate) hosts: Vec<String>,
}

impl OriginSection {
    /// Whether listed pages of other origins can send cookies.
    pub(crate) fn credentials(&self) -> Credentials {
        if self.credentials { Credentials::Allowed } else { Credentials::Kept }
    }

    pub(crate) fn read(
        self,
        profile: Profile,
        hosts: Option<Vec<String>>,
    ) -> Result<Origins, ConfigError> {
        let allowed = self.allowed.unwrap_or_default();
        for origin in &allowed {
            check(origin, profile)?;
        }
        let own_pages = match profile {
            Profile::Development => OwnPages::Added,
            Profile::Production | Profile::Strict => OwnPages::Listed,
        };
        if allowed.is_empty() && own_pages == OwnPages::Listed {
            let mend = "list your pages, like allowed = [\"https://myapp.com\"]";
            let why = "no page could connect";
            return Err(ConfigError::refused("origin.allowed", "empty", why, mend));
        }
        let names_no_host = allowed.iter().all(|origin| is_app_origin(origin));
        if names_no_host && hosts.is_none() && own_pages == OwnPages::Listed {
            let mend = "name this server, like hosts = [\"chat.example\"]";
            let why = "origins of apps do not contain the name of this server, because any program \
                       on the machine of a user can have them";
            return Err(ConfigError::refused("listen.hosts", "not set", why, mend));
        }
        let without = match self.without_origin.as_deref() {
            None | Some("refuse") => WithoutOrigin::Reject,
            Some("token") => WithoutOrigin::Token,
            Some(other) => {
                let mend = "write \"refuse\" or \"token\"";
                return Err(ConfigError::no_such_choice("origin.without_origin", other, mend));
            }
        };
        Ok(Origins { allowed, without, hosts, own_pages })
    }
}

impl Origins {
    /// The names of the hosts of pages and of this server, without ports.
    pub(crate) fn own_names(&self, profile: Profile) -> impl Iterator<Item = &str> {
        let local: &[&str] = match profile {
            Profile::Development => &["localhost", "127.0.0.1", "[::1]"],
            Profile::Production | Profile::Strict => &[],
        };
        let pages = self.allowed.iter().filter(|origin| !is_app_origin(origin));
        let pages = pages.filter_map(|origin| Some(origin.split_once("://")?.1));
        let hosts = self.hosts.iter().flatten().map(String::as_str);
        pages.chain(hosts).map(name).chain(local.iter().copied())
    }

    /// Adds origins and hosts that depend on the address: own pages in development, server names.
    pub(crate) fn settle(&self, public: SocketAddr, tls: &TlsSettings) -> OriginNames {
        let default_port = tls.default_port();
        let with_port = |name: &str| match public.port() {
            port if port == default_port => String::from(name),
            port => format!("{name}:{port}"),
        };
        let mut origins = self.allowed.clone();
        let mut hosts = self.hosts.clone().unwrap_or_else(|| {
            let pages = self.allowed.iter().filter(|origin| !is_app_origin(origin));
            let named = pages.filter_map(|origin| Some(origin.split_once("://")?.1));
            let spelled = |host| [String::from(host), String::from(name(host))];
            named
                .flat_map(|host| spelled(host).into_iter().chain([with_port(name(host))]))
                .collect()
        });
        if public.ip().is_loopback() {
            let address = match public.ip() {
                std::net::IpAddr::V4(address) => address.to_string(),
                std::net::IpAddr::V6(address) => format!("[{address}]"),
            };
            for own in [with_port(&address), with_port("localhost")] {
                if self.own_pages == OwnPages::Added {
                    origins.push(format!("{}://{own}", tls.scheme()));
                }
                hosts.push(own);
            }
        }
        for list in [&mut origins, &mut hosts] {
            list.sort();
            list.dedup();
        }
        OriginNames { origins, hosts }
    }
}

/// Warnings about allowed origins.
pub(crate) fn warnings(profile: Profile, origins: &Origins) -> Vec<Warning> {
    if profile == Profile::Development {
        return Vec::new();
    }
    let is_of_the_web =
        |origin: &str| ["http://", "https://"].iter().any(|scheme| origin.starts_with(scheme));
    let is_local = |origin: &&String| is_of_the_web(origin) && is_app_origin(origin);
    let warn = |origin: &String| {
        let text = format!(
            "\"{origin}\" is the origin of apps: any program on the machine of a user that serves \
             the standard port also has it; list it only for an app that needs it"
        );
        Warning::new("origin.allowed", text)
    };
    origins.allowed.iter().filter(is_local).map(warn).collect()
}

/// The host without its port.
pub(crate) fn name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}

fn check(origin: &str, profile: Profile) -> Result<(), ConfigError> {
    fault(origin, profile).map_or(Ok(()), |why| {
        let mend = "write it as browsers send it, like \"https://myapp.com\"";
        Err(ConfigError::refused("origin.allowed", format!("{origin:?}"), why, mend))
    })
}

/// The fault of an origin, if any; the gate checks its spelling again.
fn fault(origin: &str, profile: Profile) -> Option<&'static str> {
    if origin == "null" {
        return Some("every sandboxed frame has this origin");
    }
    if origin.contains('*') {
        return Some("a pattern lets unlisted pages connect");
    }
    let Some((scheme, host)) = origin.split_once("://") else {
        return Some("it has no scheme");
    };
    if !matches!(scheme, "http" | "https") {
        return check_origin(origin).err();
    }
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte);
    if host.is_empty() || !host.bytes().all(plain) {
        return Some("an origin has only a scheme, a lower-case host and an optional port");
    }
    let name = name(host);
    let local = is_local(name);
    match (scheme, profile) {
        // Web views of apps have these origins; development servers use other ports.
        ("http" | "https", _) if is_app_origin(origin) => None,
        ("https", Profile::Development) => None,
        ("http", Profile::Development) if local => None,
        ("https", Profile::Production | Profile::Strict) if local => {
            Some("any program on the machine of a user can serve this page")
        }
        ("https", Profile::Production | Profile::Strict) => None,
        ("http", _) => Some("attackers on the network can replace a page without TLS"),
        (_, _) => Some("pages need the scheme https"),
    }
}

/// Whether a name or address refers to the machine on which it is used.
pub(crate) fn is_local(name: &str) -> bool {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = bare.parse::<IpAddr>() {
        let address = address.to_canonical();
        return address.is_loopback() || address.is_unspecified();
    }
    let name = name.trim_end_matches('.');
    name.eq_ignore_ascii_case("localhost") || name.to_ascii_lowercase().ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t011_only_full_https_origins_are_accepted_outside_development() {
        // Origin, accepted in production, accepted in development.
        let cases = [
            ("https://myapp.com", true, true),
            ("https://myapp.com:8443", true, true),
            ("https://[2001:db8::1]:8443", true, true),
            ("https://localhost.myapp.com", true, true),
            ("https://127.myapp.com", true, true),
            ("http://127.myapp.com", false, false),
            ("https://localhost.", false, true),
            ("https://[::ffff:127.0.0.1]", false, true),
            ("http://myapp.com", false, false),
            ("http://localhost:3000", false, true),
            ("http://127.0.0.1:3000", false, true),
            ("http://[::1]:3000", false, true),
            ("https://localhost", true, true),
            ("http://localhost", true, true),
            ("https://localhost:3000", false, true),
            ("https://tauri.localhost", true, true),
            ("http://tauri.localhost", true, true),
            ("http://tauri.localhost:1420", false, true),
            ("capacitor://localhost", true, true),
            ("ionic://localhost", true, true),
            ("tauri://localhost", true, true),
            ("app://-", true, true),
            ("chrome-extension://abcdefghijklmnopabcdefghijklmnop", true, true),
            ("moz-extension://0e9d8c7b-0000-4000-8000-000000000000", true, true),
            ("chrome-extension://*", false, false),
            ("file://", false, false),
            ("data://x", false, false),
            ("capacitor://localhost/", false, false),
            ("https://127.0.0.1:8443", false, true),
            ("https://[::1]", false, true),
            ("*", false, false),
            ("https://*", false, false),
            ("https://*.myapp.com", false, false),
            ("null", false, false),
            ("https://myapp.com/", false, false),
            ("https://myapp.com/chat", false, false),
            ("https://user@myapp.com", false, false),
            ("https://MyApp.com", false, false),
            ("HTTPS://myapp.com", false, false),
            (" https://myapp.com", false, false),
            ("myapp.com", false, false),
            ("wss://myapp.com", false, false),
            ("https://", false, false),
            ("", false, false),
        ];
        for (origin, production, development) in cases {
            assert_eq!(check(origin, Profile::Production).is_ok(), production, "{origin:?}");
            assert_eq!(check(origin, Profile::Strict).is_ok(), production, "{origin:?}");
            assert_eq!(check(origin, Profile::Development).is_ok(), development, "{origin:?}");
        }
    }

    #[test]
    fn server_names_follow_from_address_and_origins() {
        let own = ["https://127.0.0.1:8443", "https://localhost:8443"];
        let loopback = ["127.0.0.1:8443", "localhost:8443"];
        let page = "https://myapp.com:3000";
        type Names<'a> = &'a [&'a str];
        let cases: [(Profile, Names<'_>, &str, Names<'_>, Names<'_>); 6] = [
            (Profile::Development, &[], "127.0.0.1:8443", &own, &loopback),
            (
                Profile::Development,
                &[],
                "127.0.0.1:443",
                &["https://127.0.0.1", "https://localhost"],
                &["127.0.0.1", "localhost"],
            ),
            (
                Profile::Development,
                &[],
                "[::1]:7",
                &["https://[::1]:7", "https://localhost:7"],
                &["[::1]:7", "localhost:7"],
            ),
            (
                Profile::Production,
                &[page],
                "0.0.0.0:8443",
                &[page],
                &["myapp.com", "myapp.com:3000", "myapp.com:8443"],
            ),
            (
                Profile::Production,
                &["https://myapp.com", "capacitor://localhost", "http://localhost"],
                "0.0.0.0:443",
                &["capacitor://localhost", "http://localhost", "https://myapp.com"],
                &["myapp.com"],
            ),
            (
                Profile::Production,
                &["https://myapp.com"],
                "127.0.0.1:443",
                &["https://myapp.com"],
                &["127.0.0.1", "localhost", "myapp.com"],
            ),
        ];
        for (profile, allowed, public, origins, hosts) in cases {
            let allowed = allowed.iter().copied().map(String::from).collect();
            let section = OriginSection { allowed: Some(allowed), ..OriginSection::default() };
            let read = section.read(profile, None).unwrap();
            let settled = read.settle(public.parse().unwrap(), &TlsSettings::Development);
            assert_eq!(settled.origins, origins, "{public}");
            assert_eq!(settled.hosts, hosts, "{public}");
        }
    }
}
