//! Alerts for administrators, through the channels that they choose, and their operations.
//! Never: a decision about a client; a wait of the part that reports an alert.

mod channel; // the channels: options, workers, monitors, tests
mod spool; // messages that are not delivered yet
mod transport; // from a message to its receiver
mod message; // an alert as text and JSON
mod search; // searches of the security log
mod operation; // operations of administrators

pub use channel::channels::{ChannelCounts, ChannelState, Channels};
pub use channel::monitor::{Monitor, MonitorOptions};
pub use channel::options::{ChannelOptions, Transport};
pub use channel::quiet::{QuietError, QuietHours};
pub use channel::trial::{TrialResult, send_monitor_trial, send_trial};
pub use message::shape::Shape;
pub use operation::desk::{Desk, StoredState};
pub use operation::install::install_operations;
pub use search::filter::{RecordConditions, RecordFilter, parse_network};
pub use search::period::Period;
pub use transport::admin_sockets::AdminSockets;
pub use transport::command::Program;
pub use transport::mail::{Mail, MailAddressError, MailAddresses, MailLogin};
pub use transport::mail_stream::MailEncryption;
pub use transport::signature::{SecretError, WebhookSecrets};
pub use transport::webhook::{Webhook, WebhookSecret};
