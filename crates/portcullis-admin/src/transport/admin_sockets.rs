//! The event `alert`, which every socket in the namespace `/admin` gets.
//! Never: counted as delivered; an administrator may not be connected.

use std::sync::Arc;

use portcullis_audit::{Alert, AlertSink, SinkOutcome};
use portcullis_model::{Clock, Namespace};
use portcullis_server::{Hub, Payload};

use crate::message::json;

/// Sends all alerts to the connected administrators.
pub struct AdminSockets {
    hub: Hub,
    namespace: Namespace,
    clock: Arc<dyn Clock>,
}

impl AdminSockets {
    /// A sink that sends to the sockets of a namespace.
    #[must_use]
    pub fn new(hub: Hub, namespace: Namespace, clock: Arc<dyn Clock>) -> Self {
        Self { hub, namespace, clock }
    }
}

impl AlertSink for AdminSockets {
    fn name(&self) -> &'static str {
        "admin"
    }

    fn offer(&self, alert: &Arc<Alert>) -> SinkOutcome {
        let payload = Payload::of(&json::standard(alert, self.clock.now()));
        match self.hub.namespace(self.namespace.clone()).emit("alert", &payload) {
            Ok(()) => SinkOutcome::Accepted,
            Err(_) => SinkOutcome::Full,
        }
    }
}
