//! The state that all shards of a server share.
//! Never: state of a single shard.

use std::sync::Arc;

use portcullis_audit::Audit;
use portcullis_guard::{Gate, LoadSignal};
use portcullis_model::Clock;

use crate::admin::metrics::Metrics;
use crate::delivery::hub::Hub;
use crate::events::context::Services;
use crate::load::admission_queue::AdmissionQueues;
use crate::load::rejected_parties::RejectedParty;
use crate::load::samples::LoadSamples;
use crate::load::status::{ServerStatus, StatusReader};
use crate::polling::session_router::SessionRouter;
use crate::rooms::kept_sockets::RecoveryTable;
use crate::setup::options::Options;
use crate::setup::registered::Registrations;
use crate::setup::task_health::TaskHealth;

/// The shared parts of a server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) options: Arc<Options>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) registered: Arc<Registrations>,
    pub(crate) hub: Hub,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) audit: Audit,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) load: Arc<LoadSamples>,
    pub(crate) health: Arc<TaskHealth>,
    pub(crate) sessions: SessionRouter,
    pub(crate) recovery: Arc<RecoveryTable>,
    pub(crate) queues: Arc<AdmissionQueues>,
}

impl Server {
    /// The services that the handlers of one shard share.
    pub(crate) fn services(&self) -> Services {
        let server = self.clone();
        Services {
            hub: self.hub.clone(),
            clock: self.clock.clone(),
            audit: self.audit.clone(),
            directory: self.gate.directory().clone(),
            gate: self.gate.clone(),
            answers: Arc::clone(&self.registered.answers),
            status: Arc::new(server),
        }
    }
}

impl StatusReader for Server {
    fn status(&self) -> ServerStatus {
        let waiting = self.queues.counts().iter().map(|queue| queue.now as u64).sum();
        let (values, load_reason) = self.load.levels();
        let signals = LoadSignal::ALL.into_iter().zip(values);
        let signals = signals.filter_map(|(signal, value)| {
            Some((signal.name(), signal.percent_of_shedding(value)?))
        });
        ServerStatus {
            connections_open: u64::try_from(self.metrics.connections_open.get()).unwrap_or(0),
            messages: self.metrics.messages_in.get(),
            waiting,
            rejected: self.load.rejections_by_rule.read(),
            handlers: self.metrics.times.handlers(),
            signals: signals.collect(),
            load_reason,
        }
    }

    fn rejected_parties(&self) -> Vec<RejectedParty> {
        self.load.rejected_parties.read(self.clock.now())
    }
}
