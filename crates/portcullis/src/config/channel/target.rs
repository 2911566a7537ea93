//! The URLs of a channel, and the addresses that it can have.
//! Never: a link-local address; a URL in an error.

use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_outbound::{Client, Policy, Target};

use super::section::ChannelSection;
use crate::config::read::error::ConfigError;
use crate::config::read::secret_file::read_private;

/// Most URLs of one channel.
const URLS_MAX: usize = 8;
/// Time for one request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest response that is read.
const RESPONSE_MAX_BYTES: usize = 64 * 1024;

impl ChannelSection {
    /// The client, and the targets of all lines of the file.
    pub(super) fn targets(&self) -> Result<(Client, Vec<Target>), ConfigError> {
        let policy = self.policy()?;
        let targets = read_urls(self.url_file()?, &policy)?;
        Ok((self.client(policy)?, targets))
    }

    /// A client with the authorities of the channel.
    pub(super) fn client(&self, policy: Policy) -> Result<Client, ConfigError> {
        Client::new(policy).map_err(|error| {
            let (key, mend) = ("alert.channel.ca_file", "name a file of certificates in PEM");
            let shown = self.ca_file.as_ref().map(|path| path.display().to_string());
            let shown = shown.unwrap_or_else(|| String::from("unset"));
            ConfigError::refused(key, shown, error.to_string(), mend)
        })
    }

    fn url_file(&self) -> Result<&Path, ConfigError> {
        self.url_file.as_deref().ok_or_else(|| {
            let why = format!("a channel of the kind {:?} needs it", self.kind);
            ConfigError::refused("alert.channel.url_file", "unset", why, "name a file")
        })
    }

    pub(super) fn one(&self, targets: Vec<Target>) -> Result<Target, ConfigError> {
        match <[Target; 1]>::try_from(targets) {
            Ok([target]) => Ok(target),
            Err(targets) => {
                let why = format!("it has {} URLs instead of one", targets.len());
                let mend = "write one URL into it";
                Err(ConfigError::file("alert.channel.url_file", self.url_file()?, why, mend))
            }
        }
    }

    pub(super) fn policy(&self) -> Result<Policy, ConfigError> {
        let read = |path: &PathBuf| {
            std::fs::read(path).map_err(|error| {
                let (why, mend) = (format!("it cannot be read ({error})"), "name another file");
                ConfigError::file("alert.channel.ca_file", path, why, mend)
            })
        };
        Ok(Policy {
            private_allowed: self.private_address,
            link_local_allowed: false,
            deadline: REQUEST_TIMEOUT,
            body_max_bytes: RESPONSE_MAX_BYTES,
            roots_pem: self.ca_file.as_ref().map(read).transpose()?,
        })
    }
}

fn read_urls(path: &Path, policy: &Policy) -> Result<Vec<Target>, ConfigError> {
    const KEY: &str = "alert.channel.url_file";
    let bytes = read_private(KEY, path)?;
    let text = std::str::from_utf8(bytes.expose()).unwrap_or_default();
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() || lines.len() > URLS_MAX {
        let why = format!("it has {} URLs instead of 1 to {URLS_MAX}", lines.len());
        return Err(ConfigError::file(KEY, path, why, "write the URL of the receiver into it"));
    }
    let parse = |line: &str| {
        Target::parse(line, policy).map_err(|error| {
            let mend = "write the URL of the receiver into it; private_address = true allows your \
                        own network";
            ConfigError::file(KEY, path, error.to_string(), mend)
        })
    };
    lines.into_iter().map(parse).collect()
}
