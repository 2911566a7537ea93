//! Commands that send requests to the running server.
//! Never: a change of its files beside it.

pub(crate) mod alert; // portcullis alert: channels, alerts, silences
pub(crate) mod digest; // portcullis alert digest
pub(crate) mod doctor; // portcullis doctor
pub(crate) mod drill; // portcullis drill
mod drill_alerts; // alerts that fired while a drill ran
pub(crate) mod private_request; // requests to the private listener of the server
pub(crate) mod reload; // portcullis reload, on a running server
pub(crate) mod operate; // portcullis limits, state and health, on a running server
