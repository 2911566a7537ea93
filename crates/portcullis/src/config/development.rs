//! The development profile: its defaults, and settings that other machines could reach (T-270).
//! Never: a guess from the machine; only the configuration counts.

use portcullis_guard::{GateOptions, Rate, is_app_origin};

use crate::config::network::listen::Listen;
use crate::config::network::origin::{Origins, is_local};
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;

/// The reason why other machines must not reach a server in development.
pub(crate) const WHY: &str = "the development profile is for this machine only: its certificate is \
                              trusted nowhere else, administrators need no second factor, and \
                              browsers get no HSTS";

/// All clients are on this machine, where pages are reloaded often.
const RATE_OF_THIS_MACHINE: Rate = Rate::per(100_000, 1_000);

/// The defaults of the gate. In development, limits by address are very high unless configured.
pub(crate) fn defaults(profile: Profile) -> GateOptions {
    let defaults = GateOptions::default();
    match profile {
        Profile::Production | Profile::Strict => defaults,
        Profile::Development => GateOptions {
            connect_per_prefix: RATE_OF_THIS_MACHINE,
            connect_known_per_prefix: RATE_OF_THIS_MACHINE,
            tls_per_prefix: RATE_OF_THIS_MACHINE,
            request_per_prefix: RATE_OF_THIS_MACHINE,
            ..defaults
        },
    }
}

/// Rejects proxies, public names and addresses that other machines can reach.
pub(crate) fn check(
    profile: Profile,
    listen: &Listen,
    origins: &Origins,
) -> Result<(), ConfigError> {
    match profile {
        Profile::Production | Profile::Strict => return Ok(()),
        Profile::Development => {}
    }
    for (key, address) in [
        ("listen.public", Some(listen.public)),
        ("listen.private", Some(listen.private)),
        ("listen.probe", listen.probe),
        ("listen.redirect", listen.redirect),
    ] {
        if let Some(address) = address.filter(|address| !address.ip().is_loopback()) {
            let mend = "bind 127.0.0.1, or use profile = \"production\" with your certificate";
            return Err(ConfigError::refused(key, address.to_string(), WHY, mend));
        }
    }
    let proxies = &listen.proxies.trusted;
    if !proxies.is_empty() {
        let mend = "use profile = \"production\", with [tls] mode = \"off\" where the proxy ends \
                    TLS; or remove trusted_proxies";
        let seen = format!("{proxies:?}");
        return Err(ConfigError::refused("listen.trusted_proxies", seen, WHY, mend));
    }
    let allowed = origins.allowed.iter().map(|origin| ("origin.allowed", origin));
    let hosts = origins.hosts.iter().flatten().map(|host| ("listen.hosts", host));
    for (key, seen) in allowed.chain(hosts).filter(|(_, seen)| !is_app_origin(seen)) {
        let host = seen.split_once("://").map_or(seen.as_str(), |(_, host)| host);
        if !is_of_this_machine(host) {
            let mend = "use profile = \"production\" with your certificate, or a name of this \
                        machine: localhost, 127.0.0.1, or one that ends with .localhost or .test";
            return Err(ConfigError::refused(key, format!("{seen:?}"), WHY, mend));
        }
    }
    Ok(())
}

/// Whether a name resolves to this machine, or is reserved for tests (RFC 6761 section 6.2).
pub(crate) fn is_of_this_machine(host: &str) -> bool {
    let name = crate::config::network::origin::name(host);
    is_local(name) || name.trim_end_matches('.').ends_with(".test")
}
