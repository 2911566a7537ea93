//! The names of the certificate that the authority issues; a reload replaces them.
//! Never: a name that the configuration did not check.

use std::sync::Arc;

use arc_swap::ArcSwap;

/// The names in force, shared by the reload and the task of ACME; none without ACME.
#[derive(Debug, Clone, Default)]
pub(crate) struct AcmeNames(Arc<ArcSwap<Vec<String>>>);

impl AcmeNames {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(names)))
    }

    /// Replaces the names: the task orders a certificate if the one in use misses one of them.
    pub(crate) fn replace(&self, names: Vec<String>) {
        self.0.store(Arc::new(names));
    }

    pub(crate) fn load(&self) -> Arc<Vec<String>> {
        self.0.load_full()
    }
}
