//! The states of a CONNECT.
//! Never: a transition; `flow.rs` makes those.

use portcullis_guard::RecoveryClaim;

use crate::connect::request::ConnectRequest;
use crate::connect::user_slot::PrincipalFuture;
use crate::delivery::hub::PendingBatches;
use crate::events::namespace::HookFuture;
use crate::rooms::kept_sockets::RecoveryFuture;

/// The event that a CONNECT waits for.
pub(crate) enum ConnectState {
    /// The user is being authenticated: a key is looked up, the product adds the user, or a
    /// connection slot is freed.
    Authenticating {
        request: ConnectRequest,
        claim: Option<RecoveryClaim>,
        future: PrincipalFuture,
    },
    /// The namespace's hook decides.
    Authorizing { request: ConnectRequest, claim: Option<RecoveryClaim>, future: HookFuture },
    /// The product looks up the missed events.
    LookingUpMissed { request: ConnectRequest, future: RecoveryFuture },
    /// The hub delivers the missed events.
    Recovering { request: ConnectRequest },
    /// The socket has joined, and the namespace's hook runs.
    Greeting { future: HookFuture },
    /// The hub delivers the events that the hook emitted; further packets wait for them.
    Flushing { pending: PendingBatches },
}

/// The result of one step of a CONNECT.
pub(crate) enum Step {
    /// The state still waits.
    Waiting(Box<ConnectState>),
    /// A new state has started.
    Started(Box<ConnectState>),
    /// The CONNECT is answered.
    Done,
}

impl Step {
    pub(crate) fn start(state: ConnectState) -> Self {
        Self::Started(Box::new(state))
    }

    pub(crate) fn wait(state: ConnectState) -> Self {
        Self::Waiting(Box::new(state))
    }
}
