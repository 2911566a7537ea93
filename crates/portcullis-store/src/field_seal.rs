//! How fields are sealed at rest, as far as storage has to know.
//! Never: a key, or a cipher; who opens the store brings both.

/// A field cannot be sealed or opened; nothing more is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a field cannot be sealed or opened")]
pub struct SealFault;

/// Seals fields so that they open at their own place only.
pub trait FieldSeal: Send + Sync + 'static {
    /// Seals a value for one field of one record of one tenant.
    ///
    /// # Errors
    /// [`SealFault`] when there is no key or randomness.
    fn seal(
        &self,
        tenant: &str,
        record: &str,
        field: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealFault>;

    /// Opens a value sealed for that place.
    ///
    /// # Errors
    /// [`SealFault`] for anything else, and it does not say for what.
    fn open(
        &self,
        tenant: &str,
        record: &str,
        field: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealFault>;

    /// Whether a value is sealed under the newest key.
    fn is_current(&self, sealed: &[u8]) -> bool;
}
