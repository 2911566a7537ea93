//! The state that operations share: the channels, the store, the sampled rates, the watchers.
//! Never: a decision about a client.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};

use portcullis_audit::{Alerts, Follower};
use portcullis_guard::{ReferenceFacts, ReferenceKey};
use portcullis_model::{ConnectionId, Denial, Now, RoleTable};
use portcullis_server::Services;
use portcullis_store::Store;

use crate::channel::channels::{ChannelState, Channels};
use crate::channel::letters::LetterSender;
use crate::digest::run::Digest;
use crate::operation::people::invitation_maker::InvitationMaker;
use crate::operation::read_record::ReadRecords;
use crate::operation::state::attack::blocked_parties::active_blocks;
use crate::operation::state::attack::network_clients::ClientCounts;
use crate::operation::state::sampler::Sampler;
use crate::search::filter::RecordFilter;
use crate::self_audit::live::LiveFacts;
use crate::self_audit::report::AuditReport;
use crate::self_audit::run::SelfAudit;

/// The store that operations change, with the names and addresses that they need for it.
pub struct StoredState {
    /// Users, sessions and blocks.
    pub store: Arc<dyn Store>,
    /// The address of the private listener, which cannot be blocked.
    pub private: Option<IpAddr>,
    /// The names of roles.
    pub roles: RoleTable,
    /// The maker of invitations.
    pub invitations: InvitationMaker,
}

/// The state of the channels, and sending through them, for operations.
struct ChannelAccess {
    states: Box<dyn Fn() -> Vec<ChannelState> + Send + Sync>,
    deliveries: Box<dyn Fn() -> BTreeMap<String, i64> + Send + Sync>,
    letters: LetterSender,
}

/// A connection that gets streams.
#[derive(Clone)]
pub(crate) struct Watcher {
    pub(crate) connection: ConnectionId,
    /// Whether it gets the overview.
    pub(crate) overview: bool,
    /// The records that it gets; none without the stream `event`.
    pub(crate) records: Option<Arc<RecordFilter>>,
}

/// The state that operations share.
#[derive(Default)]
pub struct Desk {
    channels: OnceLock<ChannelAccess>,
    self_audit: OnceLock<Arc<SelfAudit>>,
    digest: OnceLock<Arc<Digest>>,
    stored: OnceLock<StoredState>,
    /// The keys of references, of this start and of earlier ones.
    references: OnceLock<Vec<ReferenceKey>>,
    sampler: Mutex<Sampler>,
    log: OnceLock<PathBuf>,
    /// Held during a search of the log.
    search: Mutex<()>,
    /// The clients of networks, as counted last.
    client_counts: Arc<ClientCounts>,
    watchers: Mutex<Vec<Watcher>>,
    /// When reads about persons were recorded.
    read_records: Mutex<ReadRecords>,
    /// Reads new records for the stream `event`; none while no connection gets it.
    follower: Mutex<Option<Follower>>,
}

impl Desk {
    /// Shows the state of the channels in the overview; the first call counts.
    pub fn attach_channels(&self, channels: &Channels) {
        let _attached_once = self.channels.set(ChannelAccess {
            states: Box::new(channels.states()),
            deliveries: Box::new(channels.deliveries()),
            letters: channels.letters(),
        });
    }

    /// Attaches the store, which operations change; the first call counts.
    pub fn attach_store(&self, stored: StoredState) {
        let _attached_once = self.stored.set(stored);
    }

    /// The store and what changes of it need.
    pub(crate) fn stored(&self) -> Result<&StoredState, Denial> {
        self.stored.get().ok_or(Denial::Internal("no_store"))
    }

    /// Explains references that these keys have made; the first call counts.
    pub fn attach_references(&self, keys: Vec<ReferenceKey>) {
        let _attached_once = self.references.set(keys);
    }

    /// The content of a reference, if the server has made it.
    pub(crate) fn reference(&self, text: &str, now: Now) -> Option<ReferenceFacts> {
        self.references.get()?.iter().find_map(|key| key.explain(text, now).ok())
    }

    /// Attaches the regular audit; the first call counts.
    pub fn attach_self_audit(&self, audit: SelfAudit) {
        let _attached_once = self.self_audit.set(Arc::new(audit));
    }

    /// The regular audit.
    pub(crate) fn self_audit(&self) -> Option<&Arc<SelfAudit>> {
        self.self_audit.get()
    }

    /// Attaches the weekly digest; the first call counts.
    pub fn attach_digest(&self, digest: Digest) {
        let _attached_once = self.digest.set(Arc::new(digest));
    }

    /// The weekly digest.
    pub(crate) fn digest(&self) -> Option<&Arc<Digest>> {
        self.digest.get()
    }

    /// Sends letters by all mail channels.
    pub(crate) fn letters(&self) -> Option<LetterSender> {
        self.channels.get().map(|channels| Arc::clone(&channels.letters))
    }

    /// The newest report of the regular audit.
    pub(crate) fn newest_report(&self) -> Option<Arc<AuditReport>> {
        self.self_audit()?.newest().0
    }

    /// Facts that only the running server knows.
    pub(crate) fn live_facts(&self, services: &Services, started: Now) -> LiveFacts {
        let channels = self.channels.get();
        LiveFacts {
            channels: self.channels(),
            delivered: channels.map(|channels| (channels.deliveries)()).unwrap_or_default(),
            ..LiveFacts::read(services, started)
        }
    }

    /// Reads records from this file of the security log; the first call counts.
    pub fn attach_log(&self, log: PathBuf) {
        let _attached_once = self.log.set(log);
    }

    /// The open file of the security log.
    pub(crate) fn log(&self) -> Option<&Path> {
        self.log.get().map(PathBuf::as_path)
    }

    /// Starts a search of the log; none while another one runs.
    pub(crate) fn search(&self) -> Option<MutexGuard<'_, ()>> {
        match self.search.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Samples the server; called once a second.
    pub(crate) fn sample(&self, services: &Services) {
        let (status, capacity) = (services.status(), services.gate.limits().counts());
        let now = services.clock.now();
        let blocks = services.directory.blocks().in_force(now);
        let mut sampler = self.sampler();
        sampler.add(&status, capacity, now);
        sampler.blocks.add(blocks, now);
        if let Some(began) = sampler.attack.present(now.unix_ms) {
            let parties = services.rejected_parties();
            let blocks = active_blocks(services, &parties, now).into_iter();
            let networks: Vec<_> = blocks
                .map(|block| block.network)
                .chain(sampler.blocks.blocked_since(began))
                .collect();
            sampler.attack_blocks.add(began, networks);
        }
    }

    pub(crate) fn sampler(&self) -> MutexGuard<'_, Sampler> {
        self.sampler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read_records(&self) -> MutexGuard<'_, ReadRecords> {
        self.read_records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn client_counts(&self) -> &Arc<ClientCounts> {
        &self.client_counts
    }

    pub(crate) fn watchers(&self) -> MutexGuard<'_, Vec<Watcher>> {
        self.watchers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn follower(&self) -> MutexGuard<'_, Option<Follower>> {
        self.follower.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn channels(&self) -> Vec<ChannelState> {
        self.channels.get().map(|channels| (channels.states)()).unwrap_or_default()
    }
}

/// The alert engine of the server.
pub(crate) fn alerts(services: &Services) -> Result<&Alerts, Denial> {
    let missing = || Denial::app("alerts_off", "the server has no alert engine");
    services.audit.alerts().ok_or_else(missing)
}

/// A time as RFC 3339.
pub(crate) fn at(now: Now) -> String {
    portcullis_audit::utc(now.unix_ms)
}
