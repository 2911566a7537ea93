//! Options that are checked for a gate, and not in force yet.
//! Never: a partial change.

use crate::authorization::action::Action;
use crate::gate::Gate;
use crate::policy::current::Policy;

/// Options that are valid for a gate. [`Gate::apply`] puts them in force.
///
/// [`Gate::apply`]: crate::Gate::apply
#[must_use = "the options are in force only when they are applied"]
pub struct PreparedOptions {
    pub(crate) policy: Policy,
}

impl PreparedOptions {
    /// Every declared event and the roles that may send it with these options.
    #[must_use]
    pub fn actions(&self) -> Vec<Action> {
        self.policy.actions()
    }

    /// Whether a role has privileged rights with these options that it has not in the gate now.
    #[must_use]
    pub fn adds_privileges(&self, gate: &Gate) -> bool {
        let now = gate.policy.load().privileged;
        now.union(self.policy.privileged) != now
    }
}

impl std::fmt::Debug for PreparedOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("PreparedOptions").finish_non_exhaustive()
    }
}
