//! The trait through which the accounts make invitations for operations.
//! Never: a secret; it is made for one answer.

use portcullis_model::{Denial, Secret};

/// Makes a random secret; returns it with its digest.
pub type MakeSecret = fn() -> Result<(Secret<String>, [u8; 32]), Denial>;

/// Makes invitations. The accounts implement it, because they own the secrets.
pub struct InvitationMaker {
    /// Makes the secret.
    pub make: MakeSecret,
    /// The page where invited persons register; the secret stands behind it.
    pub page: String,
    /// Whether registration needs an invitation: `open`, `invitation` or `closed`.
    pub registration: &'static str,
}
