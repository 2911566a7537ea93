//! The key ring as the store knows it, and the records of what does not open.
//! Never: a fault's cause told to whoever asked; the operator finds it in the log.

use std::sync::{Arc, OnceLock};

use portcullis_audit::{Audit, Outcome, Record};
use portcullis_model::{Clock, Code};
use portcullis_seal::{KeyId, KeyRing, Place};
use portcullis_store::{FieldSeal, SealFault};

/// Seals the store's fields under the installation's key ring.
pub(crate) struct Sealing {
    ring: KeyRing,
    log: Log,
}

/// Where faults are recorded, once there is a log: the store opens before it does.
#[derive(Clone)]
pub(crate) struct Log {
    audit: Arc<OnceLock<Audit>>,
    clock: Arc<dyn Clock>,
}

impl Log {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { audit: Arc::default(), clock }
    }

    /// The first log attached stays.
    pub(crate) fn attach(&self, audit: Audit) {
        let _first_stays = self.audit.set(audit);
    }

    fn record(&self, code: Code, field: &str, key: Option<KeyId>) {
        if let Some(audit) = self.audit.get() {
            let mut record = Record::new(code);
            record.rule = "seal";
            record.outcome = Outcome::Failure;
            let key = key.map_or_else(|| String::from("none"), |id| id.to_string());
            record.detail = Some(format!("field {field}, key {key}"));
            audit.record(record, self.clock.now());
        }
    }
}

impl Sealing {
    pub(crate) fn new(ring: KeyRing, log: Log) -> Self {
        Self { ring, log }
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
        self.ring.seal(&Place { tenant, record, field }, plain).map_err(|error| {
            tracing::error!(%error, field, "a field was not sealed");
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
        let key = KeyRing::key_id_of(sealed);
        let opened = self.ring.open_or_reload(&place, sealed);
        opened.map(|plain| plain.expose().clone()).map_err(|error| {
            tracing::error!(%error, field, record, "a field does not open");
            self.log.record(Code::CryptDecryptFail, field, key);
            SealFault
        })
    }

    fn is_current(&self, sealed: &[u8]) -> bool {
        self.ring.is_current(sealed)
    }
}
