//! Reloads the field keys that another process has changed.
//! Never: the same error in the log each second.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_seal::Keyring;
use tokio::task::spawn_blocking;

/// The keyring, and the error of the newest reload.
pub(crate) struct FieldKeyReload {
    ring: Keyring,
    error: Mutex<Option<String>>,
}

/// What a reload changed.
#[derive(Debug, PartialEq, Eq)]
enum ReloadNews {
    /// The file cannot be used, for another reason than before.
    Failed(String),
    /// The file can be used again.
    Mended,
}

impl FieldKeyReload {
    pub(crate) fn new(ring: Keyring) -> Arc<Self> {
        Arc::new(Self { ring, error: Mutex::default() })
    }

    /// Reloads the keys; reports an error when it appears, and its end.
    pub(crate) async fn run(self: Arc<Self>) {
        match spawn_blocking(move || self.reload()).await {
            Ok(None) => {}
            Ok(Some(ReloadNews::Failed(error))) => {
                tracing::error!(error, "cannot reload the field keys: the old keys stay in use");
            }
            Ok(Some(ReloadNews::Mended)) => tracing::info!("the field keys are reloaded again"),
            Err(error) => tracing::error!(%error, "a reload of the field keys ended"),
        }
    }

    fn reload(&self) -> Option<ReloadNews> {
        let reloaded = self.ring.reload();
        let error = reloaded.err().map(|error| format!("{:#}", anyhow::Error::new(error)));
        let former = std::mem::replace(&mut *self.error.lock(), error.clone());
        match (former, error) {
            (former, Some(error)) if former.as_ref() != Some(&error) => {
                Some(ReloadNews::Failed(error))
            }
            (Some(_), None) => Some(ReloadNews::Mended),
            (Some(_) | None, Some(_)) | (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_that_stays_is_reported_once_and_its_end_as_well() {
        let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let [ring, _] = [&own, &other]
            .map(|directory| Keyring::load_or_create(directory.path(), 1_000).unwrap());
        let [file, foreign] =
            [&own, &other].map(|directory| directory.path().join("field-keys.ring"));
        let kept = std::fs::read(&file).unwrap();
        let reload = FieldKeyReload::new(ring);
        assert_eq!(reload.reload(), None);
        for (content, expect) in
            [(std::fs::read(foreign).unwrap(), "of another server"), (Vec::new(), "field-keys")]
        {
            std::fs::write(&file, content).unwrap();
            let news = reload.reload();
            assert!(
                matches!(&news, Some(ReloadNews::Failed(error)) if error.contains(expect)),
                "{news:?}"
            );
            assert_eq!([reload.reload(), reload.reload()], [None, None]);
        }
        std::fs::write(&file, kept).unwrap();
        assert_eq!([reload.reload(), reload.reload()], [Some(ReloadNews::Mended), None]);
    }
}
