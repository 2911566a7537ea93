//! Known devices: a signed cookie names each device on which a user has logged in.
//! Never: an authentication; a known device only has login limits of its own.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Denial, Now};
use portcullis_server::random_id;

use crate::keys::digest::sha256;
use crate::keys::server_secret::ServerSecret;
use crate::keys::session_key::DEVICE_LIFE_S;

/// Longest cookie that is read, in bytes.
const COOKIE_MAX_BYTES: usize = 256;

/// A device on which a user has logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownDevice {
    name: String,
    cookie: String,
}

impl KnownDevice {
    /// Names a new device of a user, by the folded user name. The cookie is `name.end.code`.
    ///
    /// # Errors
    /// [`Denial::Internal`] when the system returns no random bytes.
    pub(crate) fn new(secret: &ServerSecret, user: &str, now: Now) -> Result<Self, Denial> {
        let name = random_id::<16>()?;
        let ends_unix_s = now.unix_s().saturating_add(DEVICE_LIFE_S);
        let text = signed_text(&name, ends_unix_s, user);
        let code = URL_SAFE_NO_PAD.encode(hmac::sign(&secret.current().device, text.as_bytes()));
        Ok(Self { cookie: format!("{name}.{ends_unix_s}.{code}"), name })
    }

    /// Reads a cookie; `None` unless it names a device of this user.
    pub(crate) fn read(cookie: &str, secret: &ServerSecret, user: &str, now: Now) -> Option<Self> {
        if cookie.len() > COOKIE_MAX_BYTES {
            return None;
        }
        let (name, rest) = cookie.split_once('.')?;
        let (ends, code) = rest.split_once('.')?;
        let ends_unix_s: i64 = ends.parse().ok()?;
        let code = URL_SAFE_NO_PAD.decode(code).ok()?;
        let text = signed_text(name, ends_unix_s, user);
        let keys = secret.keys(DEVICE_LIFE_S, now);
        keys.iter().find(|key| hmac::verify(&key.device, text.as_bytes(), &code).is_ok())?;
        let (name, cookie) = (String::from(name), String::from(cookie));
        (now.unix_s() < ends_unix_s).then_some(Self { name, cookie })
    }

    /// The random name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The value of the cookie.
    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// The hash that a session stores.
    pub(crate) fn hash(&self) -> [u8; 32] {
        sha256(&self.name)
    }
}

/// The hash of the device that a cookie claims, unverified; only to compare with a stored hash.
pub(crate) fn claimed_hash(cookie: &str) -> [u8; 32] {
    sha256(cookie.split('.').next().unwrap_or_default())
}

fn signed_text(name: &str, ends_unix_s: i64, user: &str) -> String {
    format!("{name}.{ends_unix_s}.{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_027_device_cookie_is_valid_for_its_user_and_for_a_year() {
        let secret = ServerSecret::new(&[1; 32]);
        let at = |unix_s: i64| Now { monotonic_ms: 0, unix_ms: unix_s * 1000 };
        let device = KnownDevice::new(&secret, "ann", at(10)).unwrap();
        let cookie = device.cookie().to_owned();
        let read = |cookie: &str, user: &str, now| KnownDevice::read(cookie, &secret, user, now);
        assert_eq!(read(&cookie, "ann", at(20)), Some(device.clone()));
        assert_eq!(claimed_hash(&cookie), device.hash());
        assert_eq!(read(&cookie, "bob", at(20)), None);
        assert_eq!(read(&cookie, "ann", at(10 + DEVICE_LIFE_S)), None);
        let other = ServerSecret::new(&[2; 32]);
        assert_eq!(KnownDevice::read(&cookie, &other, "ann", at(20)), None);
        let later = cookie.replacen(".3153", ".9153", 1);
        for text in [later.as_str(), "", "a.b", "a.b.c", "a.1.c", &cookie[1..], &"a".repeat(300)] {
            assert_eq!(read(text, "ann", at(20)), None, "{text:.60}");
        }
    }
}
