//! One session secret of the installation, and the keys derived from it for each purpose.
//! Never: one key for two purposes, or the secret itself as a key.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_guard::ReferenceKey;
use portcullis_model::{Now, Secret};

/// Bytes of a secret.
pub(crate) const SECRET_BYTES: usize = 32;
/// Life of a device cookie, in seconds: a year. Nothing that a secret signs lives longer.
pub(crate) const DEVICE_LIFE_S: i64 = 365 * 24 * 60 * 60;
/// How long a server can still use a replaced secret, until it reads the new one: a minute.
const RELOAD_MAX_MS: i64 = 60_000;

/// A session secret with its derived keys.
pub(crate) struct SessionKey {
    /// Derived from the secret, without revealing it.
    pub(crate) id: String,
    /// When it was created; 0 when that is unknown.
    pub(crate) created_unix_ms: i64,
    /// When another secret replaced it.
    pub(crate) replaced_unix_ms: Option<i64>,
    pub(crate) secret: Secret<[u8; SECRET_BYTES]>,
    /// Signs refresh tokens of older versions.
    pub(crate) refresh_v1: hmac::Key,
    pub(crate) refresh: hmac::Key,
    pub(crate) device: hmac::Key,
    pub(crate) login_link: hmac::Key,
    pub(crate) admission: Arc<Secret<[u8; 32]>>,
    pub(crate) operator: Arc<Secret<String>>,
    pub(crate) reference: ReferenceKey,
}

impl SessionKey {
    pub(crate) fn new(
        secret: &[u8; SECRET_BYTES],
        created_unix_ms: i64,
        replaced_unix_ms: Option<i64>,
    ) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derive = |purpose: &str| {
            let derived = hmac::sign(&root, purpose.as_bytes());
            hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref())
        };
        let mut admission = [0; 32];
        let derived = hmac::sign(&root, b"portcullis admission cookie v1");
        admission.iter_mut().zip(derived.as_ref()).for_each(|(to, from)| *to = *from);
        let mut reference = [0; 16];
        let derived = hmac::sign(&root, b"portcullis reference v1");
        reference.iter_mut().zip(derived.as_ref()).for_each(|(to, from)| *to = *from);
        let operator = hmac::sign(&root, b"portcullis operator v1");
        let operator = URL_SAFE_NO_PAD.encode(operator.as_ref());
        let id = hmac::sign(&root, b"portcullis key id v1");
        let id: String =
            id.as_ref().iter().take(ID_BYTES).map(|byte| format!("{byte:02x}")).collect();
        Self {
            id,
            created_unix_ms,
            replaced_unix_ms,
            secret: Secret::new(*secret),
            refresh_v1: derive("portcullis refresh token v1"),
            refresh: derive("portcullis refresh token v2"),
            device: derive("portcullis device cookie v1"),
            login_link: derive("portcullis login link v1"),
            admission: Arc::new(Secret::new(admission)),
            operator: Arc::new(Secret::new(operator)),
            reference: ReferenceKey::new(reference),
        }
    }

    /// Whether it still verifies values with this life.
    pub(crate) fn verifies(&self, life_s: i64, now: Now) -> bool {
        self.ends_unix_ms(life_s).is_none_or(|ends_ms| now.unix_ms < ends_ms)
    }

    /// When it stops to verify values with this life; `None` for the secret in use.
    pub(crate) fn ends_unix_ms(&self, life_s: i64) -> Option<i64> {
        let kept_ms = life_s.saturating_mul(1000).saturating_add(RELOAD_MAX_MS);
        self.replaced_unix_ms.map(|at_ms| at_ms.saturating_add(kept_ms))
    }

    /// The line of the file: id, time of creation, time of replacement or `-`, secret.
    pub(crate) fn line(&self) -> Secret<String> {
        let replaced = self.replaced_unix_ms.map_or(String::from("-"), |at_ms| at_ms.to_string());
        let secret = URL_SAFE_NO_PAD.encode(self.secret.expose());
        Secret::new(format!("{} {} {replaced} {secret}\n", self.id, self.created_unix_ms))
    }

    /// Reads a line; `None` when it is invalid, or the id is not that of the secret.
    pub(crate) fn read_line(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split(' ').collect();
        let [id, created, replaced, secret] = words.as_slice() else { return None };
        let replaced_unix_ms = match *replaced {
            "-" => None,
            number => Some(number.parse().ok()?),
        };
        let secret = Secret::new(URL_SAFE_NO_PAD.decode(secret).ok()?);
        let secret = <&[u8; SECRET_BYTES]>::try_from(secret.expose().as_slice()).ok()?;
        let key = Self::new(secret, created.parse().ok()?, replaced_unix_ms);
        (key.id == *id).then_some(key)
    }
}

/// Bytes of an id.
const ID_BYTES: usize = 4;
