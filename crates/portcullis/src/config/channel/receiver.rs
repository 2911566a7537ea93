//! The receiver of a channel.
//! Never: a secret of it in a text.

use portcullis_admin::{ChannelOptions, Monitor, MonitorOptions, QuietHours, Transport};
use portcullis_audit::AlertSeverity;

/// The receiver of alerts.
#[derive(Clone)]
pub(crate) enum Receiver {
    /// It gets messages.
    Channel(ChannelOptions),
    /// It gets the whole state every minute.
    Monitor(MonitorOptions),
}

impl Receiver {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Channel(options) => &options.name,
            Self::Monitor(options) => &options.name,
        }
    }

    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Channel(options) => match &options.transport {
                Transport::Webhook(_) => "webhook",
                Transport::Program(_) => "command",
                Transport::Mail(_) => "mail",
            },
            Self::Monitor(MonitorOptions { monitor: Monitor::Alertmanager { .. }, .. }) => {
                "alertmanager"
            }
            Self::Monitor(MonitorOptions { monitor: Monitor::Heartbeat { .. }, .. }) => "heartbeat",
        }
    }

    pub(super) fn severities(&self) -> &[AlertSeverity] {
        match self {
            Self::Channel(options) => &options.severities,
            Self::Monitor(options) => match &options.monitor {
                Monitor::Alertmanager { severities, .. } => severities,
                Monitor::Heartbeat { .. } => &[],
            },
        }
    }

    pub(super) fn quiet(&self) -> Option<&QuietHours> {
        match self {
            Self::Channel(options) => options.quiet.as_ref(),
            Self::Monitor(_) => None,
        }
    }

    pub(super) fn fallback(&self) -> Option<&String> {
        match self {
            Self::Channel(options) => options.fallback.as_ref(),
            Self::Monitor(_) => None,
        }
    }
}
