//! The options of the gate that need a restart, because tables have their size or keys from them.
//! Never: an option that a reload could apply.

use crate::error::GateError;
use crate::gate_options::GateOptions;

impl GateOptions {
    /// Checks that no option differs that needs a restart.
    ///
    /// The keys of issuers, the key of admission tokens and the pinned load are not compared: other
    /// operations replace them.
    ///
    /// # Errors
    /// [`GateError::NeedsRestart`] with the name of the first one.
    pub(crate) fn check_fixed(&self, newer: &Self) -> Result<(), GateError> {
        let same = [
            ("rate_keys_max", self.rate_keys_max == newer.rate_keys_max),
            ("ticket_per_user", self.ticket_per_user == newer.ticket_per_user),
            ("proof_required", self.proof_required == newer.proof_required),
            ("danger", self.danger == newer.danger),
        ];
        match same.into_iter().find(|(_, is_same)| !is_same) {
            Some((option, _)) => Err(GateError::NeedsRestart(option)),
            None => Ok(()),
        }
    }
}
