//! The secret of this installation from which refresh tokens and device cookies are made.
//! Never: in the database; whoever reads that alone can make neither.

use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_guard::ReferenceKey;
use portcullis_model::Secret;
use portcullis_seal::private_file;

use crate::keys::KeyError;

/// The secret's file, in the directory of keys.
const FILE_NAME: &str = "sessions.secret";
const SECRET_BYTES: usize = 32;

/// Keys derived from the installation's secret, one for each purpose.
#[derive(Clone)]
pub struct ServerSecret {
    refresh: hmac::Key,
    device: hmac::Key,
    login_link: hmac::Key,
    admission: Arc<Secret<[u8; 32]>>,
    operator: Arc<Secret<String>>,
    reference: ReferenceKey,
}

impl ServerSecret {
    /// Reads the secret from a directory; makes it when there is none.
    ///
    /// Losing it logs everybody out and does nothing else.
    ///
    /// # Errors
    /// [`KeyError`] when the file can be read by others, holds something else, or cannot be made.
    pub fn load_or_create(directory: &Path) -> Result<Self, KeyError> {
        private_file::create_directory(directory)?;
        let path = directory.join(FILE_NAME);
        if private_file::read(&path)?.is_none() {
            let mut fresh = vec![0u8; SECRET_BYTES];
            SystemRandom::new().fill(&mut fresh).map_err(|_| KeyError::Generate)?;
            let fresh = Secret::new(fresh);
            let suffix = portcullis_server::random_id::<8>().map_err(|_| KeyError::Generate)?;
            private_file::create(&path, fresh.expose(), &suffix)?;
        }
        Self::load(directory)?.ok_or(KeyError::Content(path))
    }

    /// Reads the secret from a directory, if there is one.
    ///
    /// # Errors
    /// [`KeyError`] when the file can be read by others, or holds something else.
    pub fn load(directory: &Path) -> Result<Option<Self>, KeyError> {
        let path = directory.join(FILE_NAME);
        let Some(stored) = private_file::read(&path)? else { return Ok(None) };
        if stored.expose().len() != SECRET_BYTES {
            return Err(KeyError::Content(path));
        }
        Ok(Some(Self::new(stored.expose())))
    }

    pub(crate) fn new(secret: &[u8]) -> Self {
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
        Self {
            refresh: derive("portcullis refresh token v1"),
            device: derive("portcullis device cookie v1"),
            login_link: derive("portcullis login link v1"),
            admission: Arc::new(Secret::new(admission)),
            operator: Arc::new(Secret::new(operator)),
            reference: ReferenceKey::new(reference),
        }
    }

    /// The key of [`portcullis_guard::GateOptions::admission_key`]: so admissions outlive a
    /// restart, when everybody comes back at once.
    #[must_use]
    pub fn admission(&self) -> Arc<Secret<[u8; 32]>> {
        Arc::clone(&self.admission)
    }

    /// What an operator's program shows to the running server
    /// ([`portcullis_server::Options::operator_key`]): who reads the data directory may operate it.
    #[must_use]
    pub fn operator(&self) -> Arc<Secret<String>> {
        Arc::clone(&self.operator)
    }

    /// The key of references ([`portcullis_server::Options::reference_key`]): so they can be read
    /// after a restart, and without the server.
    #[must_use]
    pub fn reference(&self) -> ReferenceKey {
        self.reference.clone()
    }

    pub(crate) fn refresh(&self) -> &hmac::Key {
        &self.refresh
    }

    pub(crate) fn login_link(&self) -> &hmac::Key {
        &self.login_link
    }

    pub(crate) fn device(&self) -> &hmac::Key {
        &self.device
    }
}
