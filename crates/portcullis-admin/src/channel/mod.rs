//! The channels: their alerts, their workers, and the monitors.
//! Never: a wait of the engine for a receiver.

pub(crate) mod options; // a channel: its severities, its transport
pub(crate) mod quiet; // quiet hours
pub(crate) mod channels; // all channels: takes alerts, and starts and ends the workers
pub(crate) mod delivered; // the last delivery of each channel
pub(crate) mod shared; // state that the engine, the workers and the writer of the file share
pub(crate) mod worker; // the worker of one channel
pub(crate) mod monitor; // Alertmanager and heartbeats: the whole state every minute
pub(crate) mod trial; // a test alert to each channel
pub(crate) mod letters; // letters beside alerts, by mail channels
#[cfg(test)]
mod tests;
