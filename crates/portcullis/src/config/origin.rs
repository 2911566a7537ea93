//! Origins and the host names that follow from them.
//! Never: a wildcard, `null`, or plain text in production.

use std::net::SocketAddr;

use portcullis_guard::WithoutOrigin;

use super::error::ConfigError;
use super::file;
use super::settings::Profile;

/// Which pages may connect, and which names this server answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origins {
    pub(crate) allowed: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) without: WithoutOrigin,
}

/// Reads `[origin]`. With `public` bound to a loopback address, development adds its own pages.
pub(crate) fn read(
    section: &file::Origin,
    profile: Profile,
    public: SocketAddr,
    scheme: &str,
) -> Result<Origins, ConfigError> {
    let mut allowed = section.allowed.clone().unwrap_or_default();
    for origin in &allowed {
        check(origin, profile)?;
    }
    if allowed.is_empty() && profile != Profile::Development {
        return Err(ConfigError::refused(
            "origin.allowed",
            "empty",
            "no page could connect",
            "list your pages, like allowed = [\"https://myapp.com\"]",
        ));
    }
    let mut hosts: Vec<String> = Vec::new();
    for origin in &allowed {
        let host = origin.split_once("://").map_or(origin.as_str(), |(_, host)| host);
        hosts.push(host.to_owned());
    }
    if public.ip().is_loopback() {
        let port = public.port();
        for name in [public.ip().to_string(), String::from("localhost")] {
            let name = if name.contains(':') { format!("[{name}]") } else { name };
            let host = format!("{name}:{port}");
            if profile == Profile::Development {
                allowed.push(format!("{scheme}://{host}"));
            }
            hosts.push(host);
        }
    }
    allowed.sort();
    allowed.dedup();
    hosts.sort();
    hosts.dedup();
    Ok(Origins { allowed, hosts, without: without(section)? })
}

fn without(section: &file::Origin) -> Result<WithoutOrigin, ConfigError> {
    match section.without_origin.as_deref() {
        None | Some("refuse") => Ok(WithoutOrigin::Refuse),
        Some("token") => Ok(WithoutOrigin::Token),
        Some(other) => Err(ConfigError::refused(
            "origin.without_origin",
            format!("{other:?}"),
            "it is no such choice",
            "write \"refuse\" or \"token\"",
        )),
    }
}

fn check(origin: &str, profile: Profile) -> Result<(), ConfigError> {
    let refuse = |why| {
        let mend = "write an origin as browsers send it, like \"https://myapp.com\"";
        Err(ConfigError::refused("origin.allowed", format!("{origin:?}"), why, mend))
    };
    if origin == "null" {
        return refuse("any sandboxed page has this origin");
    }
    if origin.contains('*') {
        return refuse("a wildcard lets any page connect");
    }
    let Some((scheme, host)) = origin.split_once("://") else {
        return refuse("it has no scheme");
    };
    let host_fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let letters = host.bytes().all(|byte| host_fits(byte) || b".-:[]".contains(&byte));
    if host.is_empty() || !letters {
        return refuse("it is no scheme, host and port in their serialised form");
    }
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let local = name == "localhost" || name.starts_with("127.") || name == "[::1]";
    match scheme {
        "https" if local && profile != Profile::Development => {
            refuse("a local page does not belong into production")
        }
        "https" => Ok(()),
        "http" if profile == Profile::Development && local => Ok(()),
        "http" => refuse("a page without TLS can be replaced on its way"),
        _ => refuse("pages have the scheme https"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t011_production_takes_only_whole_https_origins() {
        let cases = [
            ("https://myapp.com", true),
            ("https://myapp.com:8443", true),
            ("http://myapp.com", false),
            ("http://localhost:3000", false),
            ("https://localhost", false),
            ("*", false),
            ("https://*.myapp.com", false),
            ("null", false),
            ("https://myapp.com/", false),
            ("https://MyApp.com", false),
            ("myapp.com", false),
            ("wss://myapp.com", false),
            ("", false),
        ];
        for (origin, expect) in cases {
            let outcome = check(origin, Profile::Production);
            assert_eq!(outcome.is_ok(), expect, "{origin:?}");
        }
    }

    #[test]
    fn t011_an_empty_list_stops_production_and_not_development() {
        let section = file::Origin::default();
        let public = "127.0.0.1:8443".parse().unwrap();
        assert!(read(&section, Profile::Production, public, "https").is_err());
        let origins = read(&section, Profile::Development, public, "https").unwrap();
        assert_eq!(origins.allowed, ["https://127.0.0.1:8443", "https://localhost:8443"]);
        assert_eq!(origins.hosts, ["127.0.0.1:8443", "localhost:8443"]);
    }
}
