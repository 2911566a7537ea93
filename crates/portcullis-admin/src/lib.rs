//! Delivers alerts to administrators through the channels that they choose.
//! Never: a decision about a client; a wait of the part that reports an alert.

mod admin_sockets; // the event `alert` of the namespace `/admin`
mod channel; // a channel: its severities, its transport
mod channels; // all channels: takes alerts, and starts and ends the workers
mod shared; // state that the engine, the workers and the writer of the file share
mod worker; // the worker of one channel
mod monitor; // Alertmanager and heartbeats: the whole state every minute
mod trial; // a test alert to each channel
mod spool; // messages that are not delivered yet
mod spool_file; // the file of the spool
mod delivery; // one message for one channel, and the times of its attempts
mod quota; // limits of messages to a channel
mod shape; // formats of the body of a webhook
mod json; // an alert as JSON
mod summary; // an alert in a few lines
mod text; // text that clients chose, made harmless
mod webhook; // the channel that posts JSON
mod command; // the channel that runs a program
mod signature; // signatures of webhooks

pub use admin_sockets::AdminSockets;
pub use channel::{ChannelOptions, Transport};
pub use channels::{ChannelCounts, Channels};
pub use command::Program;
pub use monitor::{Monitor, MonitorOptions};
pub use shape::Shape;
pub use signature::{SecretError, WebhookSecrets};
pub use trial::{TrialResult, send_monitor_trial, send_trial};
pub use webhook::{Webhook, WebhookSecret};
