//! Login links: each names a user, is valid for a short time, and admits one login.
//! Never: an authentication; the password, and the code if required, are still checked.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Denial, Now, Secret};
use portcullis_server::random_id;

use crate::keys::server_secret::ServerSecret;

/// How long a link is valid that a signed-in user creates, in seconds.
pub(crate) const USER_LINK_LIFE_S: i64 = 15 * 60;
/// How long a link is valid that an operator creates, in seconds.
pub(crate) const OPERATOR_LINK_LIFE_S: i64 = 60 * 60;
/// The start of the names of links that an operator creates. Other names have 22 characters.
const OPERATOR_NAME: &str = "operator-";
/// The start of every link, so that it is never mistaken for another credential.
const PREFIX: &str = "door_";
/// Longest link that is read, in bytes.
const LINK_MAX_BYTES: usize = 192;

/// A valid link: its random name, and when it ends in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoginLink {
    pub(crate) name: String,
    pub(crate) ends_unix_s: i64,
}

impl LoginLink {
    /// Creates a link for a signed-in user, by the folded user name: `door_name.end.code`.
    ///
    /// # Errors
    /// [`Denial::Internal`] when the system returns no random bytes.
    pub(crate) fn for_user(
        secret: &ServerSecret,
        user: &str,
        now: Now,
    ) -> Result<Secret<String>, Denial> {
        Ok(Self::sign(secret, &random_id::<16>()?, user, USER_LINK_LIFE_S, now))
    }

    /// Creates a link of an operator for the user with this folded name.
    ///
    /// # Errors
    /// [`Denial::Internal`] when the system returns no random bytes.
    pub(crate) fn by_operator(
        secret: &ServerSecret,
        user: &str,
        now: Now,
    ) -> Result<Secret<String>, Denial> {
        let name = format!("{OPERATOR_NAME}{}", random_id::<16>()?);
        Ok(Self::sign(secret, &name, user, OPERATOR_LINK_LIFE_S, now))
    }

    fn sign(
        secret: &ServerSecret,
        name: &str,
        user: &str,
        life_s: i64,
        now: Now,
    ) -> Secret<String> {
        let ends_unix_s = now.unix_s().saturating_add(life_s);
        let text = signed_text(name, ends_unix_s, user);
        let code = hmac::sign(&secret.current().login_link, text.as_bytes());
        let code = URL_SAFE_NO_PAD.encode(code);
        Secret::new(format!("{PREFIX}{name}.{ends_unix_s}.{code}"))
    }

    /// Reads a link of this user.
    ///
    /// # Errors
    /// [`Denial::LoginLink`]: `expired` for a link that this server created for the user, otherwise
    /// `invalid`.
    pub(crate) fn read(
        text: &str,
        secret: &ServerSecret,
        user: &str,
        now: Now,
    ) -> Result<Self, Denial> {
        let link = Self::verify(text, secret, user, now).ok_or(Denial::LoginLink("invalid"))?;
        // A link that ends later than the longest life was created before the clock was set back.
        match link.ends_unix_s.saturating_sub(now.unix_s()) {
            1..=OPERATOR_LINK_LIFE_S => Ok(link),
            ..=0 => Err(Denial::LoginLink("expired")),
            _ => Err(Denial::LoginLink("invalid")),
        }
    }

    /// Verifies that this server created the link for the user, at any time.
    fn verify(text: &str, secret: &ServerSecret, user: &str, now: Now) -> Option<Self> {
        let rest = text.strip_prefix(PREFIX).filter(|_| text.len() <= LINK_MAX_BYTES)?;
        let (name, rest) = rest.split_once('.')?;
        let (ends, code) = rest.split_once('.')?;
        let ends_unix_s: i64 = ends.parse().ok()?;
        let code = URL_SAFE_NO_PAD.decode(code).ok()?;
        let signed = signed_text(name, ends_unix_s, user);
        let keys = secret.keys(OPERATOR_LINK_LIFE_S, now);
        keys.iter().find(|key| hmac::verify(&key.login_link, signed.as_bytes(), &code).is_ok())?;
        Some(Self { name: String::from(name), ends_unix_s })
    }

    /// Whether an operator created it. An attacker in a session of the user cannot create one.
    pub(crate) fn is_by_operator(&self) -> bool {
        self.name.starts_with(OPERATOR_NAME)
    }
}

fn signed_text(name: &str, ends_unix_s: i64, user: &str) -> String {
    format!("{name}.{ends_unix_s}.{user}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::known_device::KnownDevice;

    #[test]
    fn login_link_is_valid_for_its_user_and_time_only() {
        let secret = ServerSecret::new(&[1; 32]);
        let at = |unix_s: i64| Now { monotonic_ms: 0, unix_ms: unix_s * 1000 };
        let read = |link: &str, user: &str, now| LoginLink::read(link, &secret, user, now);
        let link = LoginLink::for_user(&secret, "ann", at(10)).unwrap();
        let link = link.expose().as_str();
        let invalid = Err(Denial::LoginLink("invalid"));
        let expired = Err(Denial::LoginLink("expired"));
        assert!(read(link, "ann", at(10)).is_ok());
        assert_eq!(read(link, "bob", at(10)), invalid);
        assert_eq!(read(link, "ann", at(10 + USER_LINK_LIFE_S)), expired);
        assert_eq!(read(link, "bob", at(10 + USER_LINK_LIFE_S)), invalid);
        assert_eq!(read(link, "ann", at(-9_999)), invalid, "clock set back");
        let other = ServerSecret::new(&[2; 32]);
        assert_eq!(LoginLink::read(link, &other, "ann", at(10)), invalid);
        for at_byte in 0..link.len() {
            let mut bytes = link.as_bytes().to_vec();
            bytes[at_byte] = if bytes[at_byte] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert_eq!(read(&changed, "ann", at(10)), invalid, "{at_byte}");
        }
        let own = LoginLink::for_user(&secret, "ann", at(10)).unwrap();
        let operator = LoginLink::by_operator(&secret, "ann", at(10)).unwrap();
        assert!(!read(own.expose(), "ann", at(10)).unwrap().is_by_operator());
        assert!(read(operator.expose(), "ann", at(10)).unwrap().is_by_operator());
        let device = KnownDevice::new(&secret, "ann", at(10)).unwrap();
        let as_link = format!("door_{}", device.cookie());
        for text in ["", "door_", "door_a.b.c", as_link.as_str(), &"door_".repeat(60)] {
            assert_eq!(read(text, "ann", at(10)), invalid, "{text:.60}");
        }
    }
}
