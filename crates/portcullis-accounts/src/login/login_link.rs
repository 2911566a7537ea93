//! Login links: each names a user, is valid for a short time, and admits one log-in.
//! Never: a log-in by itself; the password, and the code if required, are still needed.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Denial, Now, Secret};
use portcullis_server::random_id;

use crate::keys::server_secret::ServerSecret;

/// How long a link is valid that a signed-in user makes, in seconds.
pub(crate) const USER_LINK_LIFE_S: i64 = 15 * 60;
/// How long a link is valid that an operator makes, in seconds.
pub(crate) const OPERATOR_LINK_LIFE_S: i64 = 60 * 60;
/// How the names of links begin that an operator makes. Other names have 22 characters.
const OPERATOR_NAME: &str = "operator-";
/// The beginning of every link, so that it is never taken for another credential.
const PREFIX: &str = "door_";
/// Longest link read, in bytes.
const LINK_MAX_BYTES: usize = 192;

/// A valid link: its random name, and when it ends in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginLink {
    pub(crate) name: String,
    pub(crate) ends_unix_s: i64,
}

impl LoginLink {
    /// Whether an operator made it. An attacker in a session of the user can make none.
    pub(crate) fn is_by_operator(&self) -> bool {
        self.name.starts_with(OPERATOR_NAME)
    }
}

impl ServerSecret {
    /// Makes a link of a signed-in user, by the folded name: `door_name.end.code`.
    ///
    /// # Errors
    /// [`Denial::Internal`] without randomness.
    pub(crate) fn new_login_link(&self, user: &str, now: Now) -> Result<Secret<String>, Denial> {
        Ok(self.login_link_of(&random_id::<16>()?, user, USER_LINK_LIFE_S, now))
    }

    /// Makes a link of an operator for the user with this folded name.
    ///
    /// # Errors
    /// [`Denial::Internal`] without randomness.
    pub(crate) fn new_operator_link(&self, user: &str, now: Now) -> Result<Secret<String>, Denial> {
        let name = format!("{OPERATOR_NAME}{}", random_id::<16>()?);
        Ok(self.login_link_of(&name, user, OPERATOR_LINK_LIFE_S, now))
    }

    fn login_link_of(&self, name: &str, user: &str, life_s: i64, now: Now) -> Secret<String> {
        let ends_unix_s = now.unix_s().saturating_add(life_s);
        let text = signed_text(name, ends_unix_s, user);
        let code = hmac::sign(&self.current().login_link, text.as_bytes());
        let code = URL_SAFE_NO_PAD.encode(code);
        Secret::new(format!("{PREFIX}{name}.{ends_unix_s}.{code}"))
    }

    /// Reads a link of this user.
    ///
    /// # Errors
    /// [`Denial::LoginLink`]: `expired` for a link that this server made for the user, otherwise
    /// `invalid`.
    pub(crate) fn read_login_link(
        &self,
        text: &str,
        user: &str,
        now: Now,
    ) -> Result<LoginLink, Denial> {
        let link = self.verified_link(text, user, now).ok_or(Denial::LoginLink("invalid"))?;
        // A link from further ahead than any is made was issued before the clock was set back.
        match link.ends_unix_s.saturating_sub(now.unix_s()) {
            1..=OPERATOR_LINK_LIFE_S => Ok(link),
            ..=0 => Err(Denial::LoginLink("expired")),
            _ => Err(Denial::LoginLink("invalid")),
        }
    }

    /// A link that this server made for the user, whenever that was.
    fn verified_link(&self, text: &str, user: &str, now: Now) -> Option<LoginLink> {
        let rest = text.strip_prefix(PREFIX).filter(|_| text.len() <= LINK_MAX_BYTES)?;
        let (name, rest) = rest.split_once('.')?;
        let (ends, code) = rest.split_once('.')?;
        let ends_unix_s: i64 = ends.parse().ok()?;
        let code = URL_SAFE_NO_PAD.decode(code).ok()?;
        let signed = signed_text(name, ends_unix_s, user);
        let keys = self.keys(OPERATOR_LINK_LIFE_S, now);
        keys.iter().find(|key| hmac::verify(&key.login_link, signed.as_bytes(), &code).is_ok())?;
        Some(LoginLink { name: String::from(name), ends_unix_s })
    }
}

fn signed_text(name: &str, ends_unix_s: i64, user: &str) -> String {
    format!("{name}.{ends_unix_s}.{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_link_is_valid_for_its_user_and_time_alone() {
        let secret = ServerSecret::new(&[1; 32]);
        let at = |unix_s: i64| Now { monotonic_ms: 0, unix_ms: unix_s * 1000 };
        let link = secret.new_login_link("ann", at(10)).unwrap();
        let link = link.expose().as_str();
        let invalid = Err(Denial::LoginLink("invalid"));
        let expired = Err(Denial::LoginLink("expired"));
        assert!(secret.read_login_link(link, "ann", at(10)).is_ok());
        assert_eq!(secret.read_login_link(link, "bob", at(10)), invalid);
        assert_eq!(secret.read_login_link(link, "ann", at(10 + USER_LINK_LIFE_S)), expired);
        assert_eq!(secret.read_login_link(link, "bob", at(10 + USER_LINK_LIFE_S)), invalid);
        assert_eq!(secret.read_login_link(link, "ann", at(-9_999)), invalid, "clock set back");
        assert_eq!(ServerSecret::new(&[2; 32]).read_login_link(link, "ann", at(10)), invalid);
        for at_byte in 0..link.len() {
            let mut bytes = link.as_bytes().to_vec();
            bytes[at_byte] = if bytes[at_byte] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(secret.read_login_link(&changed, "ann", at(10)), invalid, "{at_byte}");
        }
        let read = |link: &Secret<String>| secret.read_login_link(link.expose(), "ann", at(10));
        let own = read(&secret.new_login_link("ann", at(10)).unwrap()).unwrap();
        let operator = read(&secret.new_operator_link("ann", at(10)).unwrap()).unwrap();
        assert!(!own.is_by_operator() && operator.is_by_operator());
        let device = secret.new_device("ann", at(10)).unwrap();
        let as_link = format!("door_{}", device.cookie());
        for text in ["", "door_", "door_a.b.c", as_link.as_str(), &"door_".repeat(60)] {
            assert_eq!(secret.read_login_link(text, "ann", at(10)), invalid, "{text:.60}");
        }
    }
}
