//! The check at commit that a request is still allowed.
//! Never: a check that waits; it runs on the writer's thread.

use std::sync::Arc;

/// A check that the writer makes just before a change takes effect; it must not block.
#[derive(Clone)]
pub struct WriteFence(Arc<dyn Fn() -> bool + Send + Sync>);

impl WriteFence {
    /// A fence that lets the change pass while `is_open` returns `true`.
    pub fn new(is_open: impl Fn() -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_open))
    }

    /// Whether the change may take effect now.
    pub(crate) fn is_open(&self) -> bool {
        (self.0)()
    }
}

impl std::fmt::Debug for WriteFence {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("WriteFence")
    }
}
