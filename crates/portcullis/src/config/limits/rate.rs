//! `[rate]`: rates as `count/period` (floods and guessing, T-070 to T-081).
//! Never: an invalid rate that is skipped.

use std::collections::BTreeMap;

use portcullis_guard::{GateOptions, Rate};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::read::error::ConfigError;

/// A count and a period, such as `"10/60s"`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("pattern" = "^[0-9]+/[0-9]+(ms|s|m|h)$"))]
struct RateText(String);

/// `[rate]`; a count and a period in `ms`, `s`, `m` or `h`: `"10/60s"`. Bytes are counted singly.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RateSection {
    /// Connection attempts of the unauthenticated clients of an address prefix.
    connect_per_prefix: Option<RateText>,
    /// Connection attempts of the returning clients of an address prefix.
    connect_known_per_prefix: Option<RateText>,
    /// Connection attempts of all unauthenticated clients.
    connect_total: Option<RateText>,
    /// TLS handshakes of an address prefix.
    tls_per_prefix: Option<RateText>,
    /// All TLS handshakes, in each of three rate classes.
    tls_total: Option<RateText>,
    /// Page and API requests of an address prefix.
    request_per_prefix: Option<RateText>,
    /// Logins and registrations of an address prefix.
    login_per_prefix: Option<RateText>,
    /// Logins to one user name from unknown devices.
    login_per_user: Option<RateText>,
    /// Wrong passwords and codes of one account. Above it, the account is closed to unknown
    /// devices.
    login_failed_per_user: Option<RateText>,
    /// Wrong one-time codes of one account. Above it, the account accepts recovery codes only.
    code_failed_per_user: Option<RateText>,
    /// All logins and registrations from unknown devices.
    login_total: Option<RateText>,
    /// One-time tickets of one user.
    ticket_per_user: Option<RateText>,
    /// All events of a connection.
    message_per_connection: Option<RateText>,
    /// All events of a user.
    message_per_user: Option<RateText>,
    /// All events of an address prefix.
    message_per_prefix: Option<RateText>,
    /// All events of all users.
    message_total: Option<RateText>,
    /// Bytes received from a connection. Above it, the server stops reading for a while; nothing is
    /// lost.
    bytes_per_connection: Option<RateText>,
    /// Bytes received from a user.
    bytes_per_user: Option<RateText>,
    /// Bytes received from an address prefix.
    bytes_per_prefix: Option<RateText>,
    /// All bytes received.
    bytes_total: Option<RateText>,
    /// CONNECT and DISCONNECT packets of a connection.
    namespace_per_connection: Option<RateText>,
    /// CONNECT and DISCONNECT packets of a user.
    namespace_per_user: Option<RateText>,
    /// Signature checks that an open connection causes.
    signature_per_connection: Option<RateText>,
    /// Signature checks of the credentials of a user.
    signature_per_user: Option<RateText>,
    /// Violations of an address prefix. Above it, the prefix is blocked.
    penalty_per_prefix: Option<RateText>,
    /// Violations of a user. Above it, the user is blocked.
    penalty_per_user: Option<RateText>,
    /// Length of a block after too many violations, in seconds.
    penalty_s: Option<u64>,
    /// Longest block after repeated violations, in seconds.
    penalty_longest_s: Option<u64>,
    /// Rates of single events of one user, by the name of the event.
    #[schemars(extend("x-default-text" = "the rate that each event declares"))]
    #[schemars(extend("examples" = [{ "chat:send": "10/60s" }]))]
    event_per_user: BTreeMap<String, RateText>,
    /// Limits of this section and of `[capacity]` that only count and reject nothing.
    #[schemars(extend("examples" = [["login_per_user"]]))]
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

fn parse(key: &str, RateText(text): &RateText) -> Result<Rate, ConfigError> {
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
