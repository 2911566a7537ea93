//! The key ring as the store knows it.
//! Never: a fault's cause told to whoever asked; the operator finds it in the log.

use portcullis_seal::{KeyRing, Place};
use portcullis_store::{FieldSeal, SealFault};

/// Seals the store's fields under the installation's key ring.
pub(crate) struct Sealing(pub(crate) KeyRing);

impl FieldSeal for Sealing {
    fn seal(
        &self,
        tenant: &str,
        record: &str,
        field: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealFault> {
        self.0.seal(&Place { tenant, record, field }, plain).map_err(|error| {
            tracing::error!(%error, field, "crypt_encrypt_fail: a field was not sealed");
            SealFault
        })
    }

    fn open(
        &self,
        tenant: &str,
        record: &str,
        field: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealFault> {
        let opened = self.0.open(&Place { tenant, record, field }, sealed);
        opened.map(|plain| plain.expose().clone()).map_err(|error| {
            let key = KeyRing::key_id_of(sealed).map(|id| id.to_string());
            tracing::error!(%error, field, ?key, "crypt_decrypt_fail: a field does not open");
            SealFault
        })
    }

    fn is_current(&self, sealed: &[u8]) -> bool {
        self.0.is_current(sealed)
    }
}
