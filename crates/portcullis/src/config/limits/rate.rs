//! `[rate]`: rates as `count/period` (floods and guessing, T-070 to T-081).
//! Never: an invalid rate that is skipped.

use std::collections::BTreeMap;

use portcullis_guard::{GateOptions, Rate};
use serde::Deserialize;

use crate::config::read::error::ConfigError;

/// `[rate]`; a count and a period in `ms`, `s`, `m` or `h`: `"10/60s"`. Bytes are counted singly.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RateSection {
    /// Connection attempts of an address prefix; `10/60s`.
    connect_per_prefix: Option<String>,
    /// Connection attempts of an address prefix with an admission token; `240/60s`.
    connect_known_per_prefix: Option<String>,
    /// All connection attempts without an admission token; `500/1s`.
    connect_total: Option<String>,
    /// TLS handshakes of an address prefix; `600/60s`.
    tls_per_prefix: Option<String>,
    /// All TLS handshakes; `500/1s`.
    tls_total: Option<String>,
    /// Page and API requests of an address prefix; `1800/60s`.
    request_per_prefix: Option<String>,
    /// Logins and registrations of an address prefix; `20/60s`.
    login_per_prefix: Option<String>,
    /// Logins to one user name; `10/60s`.
    login_per_user: Option<String>,
    /// Failed logins to one user name over a longer time; `100/24h`.
    login_failed_per_user: Option<String>,
    /// Wrong one-time codes of one account, from all clients that sent the right password.
    code_failed_per_user: Option<String>,
    /// All logins and registrations; `100/1s`.
    login_total: Option<String>,
    /// Tickets of one user; `60/60s`.
    ticket_per_user: Option<String>,
    /// All events of a connection; `100/60s`.
    message_per_connection: Option<String>,
    /// All events of a user; `100/60s`.
    message_per_user: Option<String>,
    /// All events of an address prefix; `3000/60s`.
    message_per_prefix: Option<String>,
    /// All events; `200000/1s`.
    message_total: Option<String>,
    /// Bytes received of a connection; a mebibyte in `10s`.
    bytes_per_connection: Option<String>,
    /// Bytes received of a user; 4 MiB in `10s`.
    bytes_per_user: Option<String>,
    /// Bytes received of an address prefix; 32 MiB in `10s`.
    bytes_per_prefix: Option<String>,
    /// Bytes received; 256 MiB in `1s`.
    bytes_total: Option<String>,
    /// CONNECT and DISCONNECT packets of a connection; `60/60s`.
    namespace_per_connection: Option<String>,
    /// CONNECT and DISCONNECT packets of a user; `240/60s`.
    namespace_per_user: Option<String>,
    /// Signature checks that an open connection causes; `60/60s`.
    signature_per_connection: Option<String>,
    /// Signature checks of a user's credentials; `1200/60s`.
    signature_per_user: Option<String>,
    /// Violations of an address prefix; `100/60s`.
    penalty_per_prefix: Option<String>,
    /// Violations of a user; `20/60s`.
    penalty_per_user: Option<String>,
    /// Duration of a block after too many violations, in seconds; 60.
    penalty_s: Option<u64>,
    /// Longest block after repeated violations, in seconds; 3600.
    penalty_longest_s: Option<u64>,
    /// Events of a user by name, in place of the declared rate.
    event_per_user: BTreeMap<String, String>,
    /// Limits of this section and of `[capacity]` that only count and do not reject.
    observe: Vec<String>,
}

/// Each key with its text and the option that it sets.
macro_rules! rates {
    ($section:ident, $options:ident: $($key:ident),*) => {
        [$((stringify!($key), &$section.$key, &mut $options.$key)),*]
    };
}

impl RateSection {
    pub(crate) fn read(&self, mut options: GateOptions) -> Result<GateOptions, ConfigError> {
        let named = rates!(self, options:
            connect_per_prefix,
            connect_known_per_prefix,
            connect_total,
            tls_per_prefix,
            tls_total,
            request_per_prefix,
            login_per_prefix,
            login_per_user,
            login_failed_per_user,
            code_failed_per_user,
            login_total,
            ticket_per_user,
            message_per_connection,
            message_per_user,
            message_per_prefix,
            message_total,
            bytes_per_connection,
            bytes_per_user,
            bytes_per_prefix,
            bytes_total,
            namespace_per_connection,
            namespace_per_user,
            signature_per_connection,
            signature_per_user,
            penalty_per_prefix,
            penalty_per_user);
        for (key, text, rate) in named {
            if let Some(text) = text {
                *rate = parse(&format!("rate.{key}"), text)?;
            }
        }
        for (event, text) in &self.event_per_user {
            let rate = parse(&format!("rate.event_per_user.{event:?}"), text)?;
            options.event_per_user.push((event.clone(), rate));
        }
        let penalty = &mut options.penalty;
        if let Some(seconds) = self.penalty_s {
            penalty.length_ms = seconds.saturating_mul(1000);
            penalty.longest_ms = penalty.longest_ms.max(penalty.length_ms);
        }
        if let Some(seconds) = self.penalty_longest_s {
            penalty.longest_ms = seconds.saturating_mul(1000);
        }
        options.observe.clone_from(&self.observe);
        Ok(options)
    }
}

fn parse(key: &str, text: &str) -> Result<Rate, ConfigError> {
    text.parse().map_err(|_| {
        let mend = "write a count and a period up to a day, like \"10/60s\" or \"100/1m\"";
        ConfigError::refused(key, format!("{text:?}"), "it is not a rate", mend)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<GateOptions, String> {
        let section: RateSection = toml::from_str(text).unwrap();
        section.read(GateOptions::default()).map_err(|error| error.to_string())
    }

    #[test]
    fn each_rate_key_sets_its_rate() {
        let text = "connect_per_prefix = \"1/1s\"\nrequest_per_prefix = \"2/1s\"\n\
                    login_per_prefix = \"3/1s\"\nlogin_per_user = \"4/1s\"\n\
                    message_per_user = \"5/1s\"\nmessage_per_connection = \"6/1s\"\n\
                    namespace_per_connection = \"8/1s\"\nnamespace_per_user = \"9/1s\"\n\
                    signature_per_connection = \"10/1s\"\nsignature_per_user = \"11/1s\"\n\
                    event_per_user = { \"chat:send\" = \"7/1m\" }\n";
        let options = read(text).unwrap();
        let counts = [
            options.connect_per_prefix,
            options.request_per_prefix,
            options.login_per_prefix,
            options.login_per_user,
            options.message_per_user,
            options.message_per_connection,
            options.namespace_per_connection,
            options.namespace_per_user,
            options.signature_per_connection,
            options.signature_per_user,
        ]
        .map(|rate| rate.count);
        assert_eq!(counts, [1, 2, 3, 4, 5, 6, 8, 9, 10, 11]);
        assert_eq!(options.event_per_user, [("chat:send".to_owned(), Rate::per(7, 60_000))]);
    }

    #[test]
    fn invalid_rate_is_rejected() {
        for bad in ["", "10", "10/", "/60s", "0/60s", "10/0s", "-1/60s", "10/60", "10/60d", "10/2y"]
        {
            let error = read(&format!("login_per_user = {bad:?}")).unwrap_err();
            assert!(error.starts_with("rate.login_per_user is"), "{error}");
            assert!(read(&format!("event_per_user = {{ a = {bad:?} }}")).is_err(), "{bad}");
        }
    }
}
