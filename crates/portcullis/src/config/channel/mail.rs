//! The mail server of a channel, the login, and the addresses.
//! Never: a connection without TLS; a password in an error.

use std::path::Path;

use portcullis_admin::{Mail, MailAddresses, MailEncryption, MailLogin};
use portcullis_model::Secret;
use portcullis_outbound::{Policy, Target};

use super::section::ChannelSection;
use crate::config::read::error::ConfigError;
use crate::config::read::secret_file::read_private;

impl ChannelSection {
    /// The transport of a channel of the kind `mail`.
    pub(super) fn mail_transport(&self) -> Result<Mail, ConfigError> {
        let policy = self.policy()?;
        let (encryption, target) = self.mail_server(&policy)?;
        let login = self.login_file.as_deref().map(read_login).transpose()?;
        let addresses = self.mail_addresses()?;
        Ok(Mail::new(self.client(policy)?, target, encryption, login, addresses))
    }

    fn mail_server(&self, policy: &Policy) -> Result<(MailEncryption, Target), ConfigError> {
        let text = self.server.as_deref().unwrap_or_default();
        let refused = |why: String| {
            let mend = "write \"tls://HOST:465\" or \"starttls://HOST:587\"; \
                        private_address = true allows your own network";
            ConfigError::refused("alert.channel.server", format!("{text:?}"), why, mend)
        };
        let (encryption, host) = match text.split_once("://") {
            Some(("tls", host)) => (MailEncryption::Tls, host),
            Some(("starttls", host)) => (MailEncryption::StartTls, host),
            Some(_) | None => {
                return Err(refused(String::from("it is not a mail server with TLS")));
            }
        };
        let target = Target::parse_host(host, policy);
        Ok((encryption, target.map_err(|error| refused(error.to_string()))?))
    }

    fn mail_addresses(&self) -> Result<MailAddresses, ConfigError> {
        let Some(from) = &self.from else {
            let (why, mend) = ("mails need a sender", "write a mail address of this server");
            return Err(ConfigError::refused("alert.channel.from", "unset", why, mend));
        };
        let to = self.to.as_deref().unwrap_or_default();
        MailAddresses::parse(from, to).map_err(|error| {
            let (seen, why) = (format!("{to:?}, from {from:?}"), error.to_string());
            let mend = "write addresses such as \"admins@example.org\"";
            ConfigError::refused("alert.channel.to", seen, why, mend)
        })
    }
}

/// Reads a file with the user name in its first line, and the password in the second.
fn read_login(path: &Path) -> Result<MailLogin, ConfigError> {
    const KEY: &str = "alert.channel.login_file";
    let bytes = read_private(KEY, path)?;
    let text = std::str::from_utf8(bytes.expose()).unwrap_or_default();
    let mut lines = text.lines().filter(|line| !line.is_empty());
    let (Some(user), Some(password), None) = (lines.next(), lines.next(), lines.next()) else {
        let mend = "write the user name in its first line, and the password in the second";
        return Err(ConfigError::file(KEY, path, "it does not have two lines", mend));
    };
    // A NUL separates the user name from the password in the dialogue (RFC 4616).
    if [user, password].iter().any(|line| line.contains(char::is_control)) {
        let mend = "remove the control characters";
        return Err(ConfigError::file(KEY, path, "it has control characters", mend));
    }
    let secret = |text: &str| Secret::new(String::from(text));
    Ok(MailLogin { user: secret(user), password: secret(password) })
}
