//! The keys of operators' programs for changes on the private listener.
//! Never: a key in a log; a comparison whose time depends on the key.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use parking_lot::RwLock;
use portcullis_model::Secret;

/// The current keys; all clones share every change.
#[derive(Clone, Default)]
pub struct OperatorKeys(Arc<RwLock<Vec<Arc<Secret<String>>>>>);

impl OperatorKeys {
    /// Replaces the keys.
    pub fn replace(&self, keys: Vec<Arc<Secret<String>>>) {
        *self.0.write() = keys;
    }

    /// Whether a text is one of the keys.
    #[must_use]
    pub fn knows(&self, shown: &[u8]) -> bool {
        let keys = self.0.read();
        keys.iter().any(|key| verify_slices_are_equal(shown, key.expose().as_bytes()).is_ok())
    }
}

impl fmt::Debug for OperatorKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OperatorKeys").finish_non_exhaustive()
    }
}
