//! How fields are sealed at rest, as far as the store needs it.
//! Never: a key or a cipher; the program that opens the store supplies both.

/// A field cannot be sealed or opened; the error has no details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a field cannot be sealed or opened")]
pub struct SealFault;

/// The key that a sealed value names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SealingKey {
    /// Its name, for operators.
    pub name: String,
    /// Whether this program has it.
    pub is_known: bool,
}

/// Seals fields so that each opens only at its own position.
pub trait FieldSeal: Send + Sync + 'static {
    /// Seals a value for one field of one record of one tenant.
    ///
    /// # Errors
    /// [`SealFault`] without a key or randomness.
    fn seal(
        &self,
        tenant: &str,
        record: &str,
        field: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealFault>;

    /// Opens a value that was sealed for this field, record and tenant.
    ///
    /// # Errors
    /// [`SealFault`] for any other value; it does not say why.
    fn open(
        &self,
        tenant: &str,
        record: &str,
        field: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealFault>;

    /// Whether a value is sealed under the newest key.
    fn is_current(&self, sealed: &[u8]) -> bool;

    /// The key that a value names; by default unknown. A store whose values need a key that is not
    /// there does not open.
    fn key_of(&self, _sealed: &[u8]) -> Option<SealingKey> {
        None
    }
}
