//! `[danger]`: what weakens a promise; each key in force is logged and recorded at the start.
//! Never: in the strict profile.

use std::fmt;
use std::net::SocketAddr;

use serde::Deserialize;

use crate::config::network::tls::TlsSettings;
use crate::config::profile::Profile;
use crate::config::read::error::ConfigError;

/// A weakened promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Danger {
    /// The key that weakens it.
    pub(crate) key: &'static str,
    /// What may happen now.
    pub(crate) text: &'static str,
}

const PLAINTEXT: Danger = Danger {
    key: "plaintext_off_loopback",
    text: "others on the network can read and change what clients say",
};
const JWKS_PRIVATE: Danger = Danger {
    key: "jwks_private_addresses",
    text: "keys are fetched from private addresses: whoever answers there vouches for users",
};
const PRIVATE: Danger = Danger {
    key: "private_off_loopback",
    text: "whoever reaches the private listener reads health and metrics",
};

impl fmt::Display for Danger {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.key, self.text)
    }
}

impl Danger {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [PLAINTEXT, PRIVATE, JWKS_PRIVATE];
}

/// `[danger]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DangerSection {
    /// TLS may be off on an address others can reach, because something in front speaks it.
    plaintext_off_loopback: bool,
    /// Health and metrics may be open to an address others can reach.
    private_off_loopback: bool,
    /// Keys of issuers may be fetched from private addresses.
    pub(crate) jwks_private_addresses: bool,
}

impl DangerSection {
    /// Refuses what others can reach and should not (T-100, T-270); gives what was allowed.
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
            let mend = "leave [danger] out, or use profile = \"production\"";
            let why = "the strict profile accepts no key of it";
            return Err(ConfigError::refused("danger", "set", why, mend));
        }
        let mut dangers = Vec::new();
        if self.jwks_private_addresses {
            dangers.push(JWKS_PRIVATE);
        }
        if !public.ip().is_loopback() && *tls == TlsSettings::Off {
            if !self.plaintext_off_loopback {
                let why = "without TLS others on the network read and change everything";
                let mend = "use [tls] mode = \"files\", or bind 127.0.0.1";
                let seen = public.to_string();
                return Err(ConfigError::refused("listen.public", seen, why, mend));
            }
            dangers.push(PLAINTEXT);
        }
        if !private.ip().is_loopback() {
            if !self.private_off_loopback {
                let why = "health and metrics would be open to everyone who reaches it";
                let mend = "bind 127.0.0.1, with listen.probe for health checks; or set [danger] \
                            private_off_loopback = true";
                return Err(ConfigError::refused("listen.private", private.to_string(), why, mend));
            }
            dangers.push(PRIVATE);
        }
        Ok(dangers)
    }
}
