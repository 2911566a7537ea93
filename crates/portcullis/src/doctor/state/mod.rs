//! Checks of the configuration, the machine, administrators, exceptions and channels.
//! Never: a network request.

pub(super) mod configuration; // D1
pub(super) mod resources; // D9
pub(super) mod administrators; // D11
pub(super) mod exceptions; // D12
pub(super) mod channels; // D13
