//! The request of a CONNECT: a namespace, or a socket that the client had before.
//! Never: the identity of the client; the credential proves that.

use portcullis_guard::RecoveryClaim;
use portcullis_model::Namespace;

use crate::rejection::VerifiedUser;

/// The namespace that a client connects to.
pub(crate) struct ConnectRequest {
    pub(crate) namespace: Namespace,
    /// The index of the registered namespace.
    pub(crate) rule: usize,
    /// The CONNECT payload, on a server that requires no credential.
    pub(crate) payload: Option<String>,
    /// Whether the credential can be used only once.
    pub(crate) is_single_use: bool,
    /// The user of the credential, once it is verified; a rejection records them.
    pub(crate) verified: Option<VerifiedUser>,
}

impl ConnectRequest {
    pub(crate) fn new(namespace: Namespace, rule: usize) -> Self {
        Self { namespace, rule, payload: None, is_single_use: false, verified: None }
    }

    /// Namespace `/`, which is always registered first.
    pub(crate) fn main() -> Self {
        Self::new(Namespace::MAIN, 0)
    }

    /// The socket that the claim of a returning client names.
    pub(crate) fn target(&self, claim: Option<&RecoveryClaim>) -> RecoveryTarget {
        let namespace = self.namespace.clone();
        RecoveryTarget { namespace, rule: self.rule, claim: claim.cloned() }
    }
}

/// The socket that a returning client wants to recover, if any.
#[derive(Clone)]
pub(crate) struct RecoveryTarget {
    pub(crate) namespace: Namespace,
    /// The index of the registered namespace.
    pub(crate) rule: usize,
    pub(crate) claim: Option<RecoveryClaim>,
}
