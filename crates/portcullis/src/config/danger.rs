//! `[danger]`: keys that weaken a security guarantee; each is logged and recorded at the start.
//! Never: accepted in the strict profile.

use std::fmt;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::network::tls::TlsSettings;
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;

/// A weakened security guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Danger {
    /// The key of `[danger]`.
    pub(crate) key: &'static str,
    /// The consequence: the attack that becomes possible.
    pub(crate) text: &'static str,
}

const PLAINTEXT: Danger = Danger {
    key: "plaintext_off_loopback",
    text: "attackers on the network can read and change all messages",
};
const JWKS_PRIVATE: Danger = Danger {
    key: "jwks_private_addresses",
    text: "issuer keys come from private addresses: a host there can authenticate as any user",
};
const PRIVATE: Danger = Danger {
    key: "private_off_loopback",
    text: "all hosts that reach the private listener can read health and metrics",
};

impl fmt::Display for Danger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.key, self.text)
    }
}

impl Danger {
    /// All keys of `[danger]`.
    pub(crate) const ALL: [Self; 3] = [PLAINTEXT, PRIVATE, JWKS_PRIVATE];
}

/// `[danger]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DangerSection {
    /// Allows an address without TLS that other machines can reach, behind a TLS proxy on another
    /// machine. Attackers on the network can read and change all messages.
    plaintext_off_loopback: bool,
    /// Allows a private listener that other machines can reach. They can read health and metrics.
    private_off_loopback: bool,
    /// Allows private addresses in `jwks_url`. A host there can sign in as any user.
    pub(crate) jwks_private_addresses: bool,
}

impl DangerSection {
    /// Rejects addresses that other machines can reach (T-100, T-270); returns the allowed ones.
    pub(crate) fn read(
        &self,
        profile: Profile,
        tls: &TlsSettings,
        public: SocketAddr,
        private: SocketAddr,
    ) -> Result<Vec<Danger>, ConfigError> {
        let any =
            self.plaintext_off_loopback || self.private_off_loopback || self.jwks_private_addresses;
        if profile == Profile::Strict && any {
            let mend = "remove [danger], or use profile = \"production\"";
            let why = "the strict profile accepts no key of this section";
            return Err(ConfigError::refused("danger", "set", why, mend));
        }
        let mut dangers = Vec::new();
        if self.jwks_private_addresses {
            dangers.push(JWKS_PRIVATE);
        }
        if !public.ip().is_loopback() && *tls == TlsSettings::Off {
            if !self.plaintext_off_loopback {
                let why = "without TLS, attackers on the network can read and change everything";
                let mend = "use [tls] mode = \"files\", or bind 127.0.0.1";
                let seen = public.to_string();
                return Err(ConfigError::refused("listen.public", seen, why, mend));
            }
            dangers.push(PLAINTEXT);
        }
        if !private.ip().is_loopback() {
            if !self.private_off_loopback {
                let why = "all hosts that reach this address could read health and metrics";
                let mend = "bind 127.0.0.1, with listen.probe for health checks; or set [danger] \
                            private_off_loopback = true";
                return Err(ConfigError::refused("listen.private", private.to_string(), why, mend));
            }
            dangers.push(PRIVATE);
        }
        Ok(dangers)
    }
}
