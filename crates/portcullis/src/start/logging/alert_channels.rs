//! Connects the alert engine with the channels and the sockets of administrators.
//! Never: a wait for a receiver.

use std::sync::Arc;

use anyhow::{Context, Result};
use portcullis_admin::{AdminSockets, ChannelFiles, Channels, Desk};
use portcullis_audit::Audit;
use portcullis_model::{Clock, Namespace};
use portcullis_server::Builder;

use crate::config::{Receiver, Settings};
use crate::start::files::output_files::{ALERT_DELIVERIES, ALERT_SPOOL};

/// Starts the channels, and gives the engine its sinks.
pub(crate) fn start(
    builder: &mut Builder,
    settings: &Settings,
    audit: &Audit,
    clock: &Arc<dyn Clock>,
    desk: &Desk,
) -> Result<Channels> {
    let (mut options, mut monitors) = (Vec::new(), Vec::new());
    for channel in &settings.audit.alert.channels {
        match &channel.receiver {
            Receiver::Channel(channel) => options.push(channel.clone()),
            Receiver::Monitor(monitor) => monitors.push(monitor.clone()),
        }
    }
    let files = ChannelFiles {
        spool: settings.storage.data.join(ALERT_SPOOL),
        delivered: settings.storage.data.join(ALERT_DELIVERIES),
    };
    let channels = Channels::start(options, monitors, files, audit.clone(), Arc::clone(clock))
        .with_context(|| format!("cannot start the alert channels with {ALERT_SPOOL}"))?;
    if let Some(alerts) = audit.alerts() {
        let namespace = Namespace::parse("/admin")?;
        alerts.add_sink(Arc::new(AdminSockets::new(builder.hub(), namespace, Arc::clone(clock))));
        alerts.add_sink(channels.sink());
    }
    desk.attach_channels(&channels);
    desk.attach_log(settings.audit.file.clone());
    let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let (delivered, undelivered, waiting) =
        (channels.counter(), channels.counter(), channels.counter());
    builder.measure(
        "alert_messages_delivered",
        "Alerts that receivers of channels have accepted since the start",
        move || number(delivered().delivered),
    );
    builder.measure(
        "alert_messages_undelivered",
        "Alerts that channels gave up, or had no space for, since the start",
        move || number(undelivered().undelivered),
    );
    builder.measure(
        "alert_messages_waiting",
        "Alerts that channels have not delivered yet",
        move || number(waiting().waiting),
    );
    Ok(channels)
}
