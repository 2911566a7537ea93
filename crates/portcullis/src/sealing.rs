//! Seals fields of the store with the field keys, and records errors.
//! Never: the cause of an error in a response; the log has it.

use std::sync::{Arc, OnceLock};

use portcullis_audit::{Audit, Outcome, Record};
use portcullis_model::{Clock, Code};
use portcullis_seal::{KeyId, Keyring, Place};
use portcullis_store::{FieldSeal, SealFault, SealingKey};

/// Seals fields of the store with the field keys of the installation.
pub(crate) struct Sealing {
    ring: Keyring,
    log: SealLog,
}

/// Security log for errors of sealing; attached later, because the store opens before it.
#[derive(Clone)]
pub(crate) struct SealLog {
    audit: Arc<OnceLock<Audit>>,
    clock: Arc<dyn Clock>,
}

impl SealLog {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { audit: Arc::default(), clock }
    }

    /// Sets the security log; a second call changes nothing.
    pub(crate) fn attach(&self, audit: Audit) {
        let _already_set = self.audit.set(audit);
    }

    fn record(&self, code: Code, field: &str, key: Option<KeyId>) {
        if let Some(audit) = self.audit.get() {
            let mut record = Record::new(code);
            record.rule = "seal";
            record.outcome = Outcome::Failure;
            let key = key.map_or_else(|| String::from("none"), |id| id.to_string());
            record.detail = Some(format!("field {field}, key {key}"));
            record.labels.push(("key_id", key));
            audit.record(record, self.clock.now());
        }
    }
}

impl Sealing {
    pub(crate) fn new(ring: Keyring, log: SealLog) -> Self {
        Self { ring, log }
    }
}

/// The key that a sealed value names, and whether the keyring has it; without one, no key is there.
pub(crate) fn sealing_key(ring: Option<&Keyring>, sealed: &[u8]) -> Option<SealingKey> {
    let id = Keyring::key_id_of(sealed)?;
    let is_known = ring.is_some_and(|ring| ring.has_key(id));
    Some(SealingKey { name: id.to_string(), is_known })
}

impl FieldSeal for Sealing {
    fn seal(
        &self,
        tenant: &str,
        record: &str,
        field: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealFault> {
        self.ring.seal(&Place { tenant, record, field }, plain).map_err(|error| {
            tracing::error!(%error, field, "cannot seal a field");
            self.log.record(Code::CryptEncryptFail, field, None);
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
        let key = Keyring::key_id_of(sealed);
        let opened = self.ring.open_or_reload(&place, sealed);
        opened.map(|plain| plain.expose().clone()).map_err(|error| {
            tracing::error!(%error, field, record, "cannot decrypt a field");
            self.log.record(Code::CryptDecryptFail, field, key);
            SealFault
        })
    }

    fn is_current(&self, sealed: &[u8]) -> bool {
        self.ring.is_current(sealed)
    }

    fn key_of(&self, sealed: &[u8]) -> Option<SealingKey> {
        sealing_key(Some(&self.ring), sealed)
    }
}
