//! The function of the accounts that makes secrets of invitations, and the page for them.
//! Never: a secret; it is made for one answer.

use portcullis_model::{Denial, Secret};

/// Makes a random secret; returns it with its digest.
pub type MakeSecret = fn() -> Result<(Secret<String>, [u8; 32]), Denial>;

/// The address of the page in force, which a reload can change.
pub type PageAddress = Box<dyn Fn() -> String + Send + Sync>;

/// The parts of invitations that the accounts provide.
pub struct InvitationMaker {
    /// Makes the secret.
    pub make: MakeSecret,
    /// The page where invited persons register; the secret stands behind it.
    pub page: PageAddress,
    /// Whether registration needs an invitation: `open`, `invitation` or `closed`.
    pub registration: &'static str,
}
