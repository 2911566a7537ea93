//! Devices somebody has logged in from, each by a random name in a cookie only we can make.
//! Never: a way in; it opens a budget of its own and nothing else.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_model::{Denial, Now};
use portcullis_server::random_id;

use crate::keys::server_secret::ServerSecret;

/// How long a device is remembered: a year, in seconds.
pub(crate) const DEVICE_LIFE_S: i64 = 365 * 24 * 60 * 60;
/// Longest cookie looked at, in bytes.
const COOKIE_MAX_BYTES: usize = 256;

/// A device of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Device {
    name: String,
    cookie: String,
}

impl Device {
    /// The random name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The cookie's value.
    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// What a session remembers of it.
    pub(crate) fn hash(&self) -> [u8; 32] {
        hash_of(&self.name)
    }
}

/// What a session remembers of the device it was opened on.
pub(crate) fn hash_of(name: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, name.as_bytes()).as_ref());
    hash
}

impl ServerSecret {
    /// Names a new device of a user, by the folded user name: `name.end.code`.
    ///
    /// # Errors
    /// [`Denial::Internal`] without randomness.
    pub(crate) fn new_device(&self, user: &str, now: Now) -> Result<Device, Denial> {
        let name = random_id::<16>()?;
        let ends_unix_s = now.unix_s().saturating_add(DEVICE_LIFE_S);
        let code = hmac::sign(&self.current().device, said(&name, ends_unix_s, user).as_bytes());
        let code = URL_SAFE_NO_PAD.encode(code);
        Ok(Device { cookie: format!("{name}.{ends_unix_s}.{code}"), name })
    }

    /// The device a cookie names, if it is this user's.
    pub(crate) fn known_device(&self, cookie: &str, user: &str, now: Now) -> Option<Device> {
        if cookie.len() > COOKIE_MAX_BYTES {
            return None;
        }
        let (name, rest) = cookie.split_once('.')?;
        let (ends, code) = rest.split_once('.')?;
        let ends_unix_s: i64 = ends.parse().ok()?;
        let code = URL_SAFE_NO_PAD.decode(code).ok()?;
        let said = said(name, ends_unix_s, user);
        let keys = self.keys(DEVICE_LIFE_S, now);
        keys.iter().find(|key| hmac::verify(&key.device, said.as_bytes(), &code).is_ok())?;
        let (name, cookie) = (String::from(name), String::from(cookie));
        (now.unix_s() < ends_unix_s).then_some(Device { name, cookie })
    }
}

/// The name of the device a cookie claims, whoever's it is; to compare, never to trust.
pub(crate) fn claimed_name(cookie: &str) -> &str {
    cookie.split('.').next().unwrap_or_default()
}

fn said(name: &str, ends_unix_s: i64, user: &str) -> String {
    format!("{name}.{ends_unix_s}.{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_027_a_device_is_known_to_its_user_only_and_for_a_year() {
        let secret = ServerSecret::new(&[1; 32]);
        let at = |unix_s: i64| Now { monotonic_ms: 0, unix_ms: unix_s * 1000 };
        let device = secret.new_device("ann", at(10)).unwrap();
        let cookie = device.cookie().to_owned();
        assert_eq!(secret.known_device(&cookie, "ann", at(20)), Some(device.clone()));
        assert_eq!(claimed_name(&cookie), device.name());
        assert_eq!(secret.known_device(&cookie, "bob", at(20)), None);
        assert_eq!(secret.known_device(&cookie, "ann", at(10 + DEVICE_LIFE_S)), None);
        assert_eq!(ServerSecret::new(&[2; 32]).known_device(&cookie, "ann", at(20)), None);
        let later = cookie.replacen(".3153", ".9153", 1);
        for text in [later.as_str(), "", "a.b", "a.b.c", "a.1.c", &cookie[1..], &"a".repeat(300)] {
            assert_eq!(secret.known_device(text, "ann", at(20)), None, "{text:.60}");
        }
    }
}
