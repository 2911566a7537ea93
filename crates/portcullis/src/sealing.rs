//! The key ring as the store knows it.
//! Never: a fault's cause told to whoever asked; the operator finds it in the log.

use portcullis_seal::{KeyId, KeyRing, Place};
use portcullis_store::{FieldSeal, SealFault};

/// Seals the store's fields under the installation's key ring.
pub(crate) struct Sealing(pub(crate) KeyRing);

impl Sealing {
    fn knows(&self, id: KeyId) -> bool {
        self.0.list().iter().any(|key| key.id == id)
    }
}

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
        let place = Place { tenant, record, field };
        let opened = self.0.open(&place, sealed).or_else(|error| {
            // Another process may have rotated and sealed anew since the ring was last read.
            let known = KeyRing::key_id_of(sealed).is_none_or(|id| self.knows(id));
            if known || self.0.reload().is_err() { Err(error) } else { self.0.open(&place, sealed) }
        });
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
