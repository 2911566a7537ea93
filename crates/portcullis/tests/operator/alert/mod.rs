//! Alerts of a running server: their rules, and the receivers that get them.
//! Never: the security log itself.

pub(crate) mod alerts; // alerts of a running server
mod rules; // each rule, from its cause to a receiver
pub(crate) mod channels; // messages to receivers of alerts
mod alerted_server; // a server with a receiver of all alerts
pub(crate) mod quiet_hours; // a night that the test lets pass
mod attacks; // an hour of attacks by users
mod programs; // programs that get messages
mod mail; // messages by mail
mod monitors; // an Alertmanager and a heartbeat
