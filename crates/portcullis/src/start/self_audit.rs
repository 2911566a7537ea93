//! Connects the regular audit with the checks, and with what they need of the running server.
//! Never: a check on a thread of a shard.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use portcullis_admin::{Desk, Digest, DigestOptions, ReportFiles, SelfAudit, SelfAuditOptions};
use portcullis_model::Clock;
use portcullis_server::Running;

use crate::config::{Settings, Warning};
use crate::doctor::examination::{Addresses, Examination, ServerState};
use crate::doctor::examine::examine;
use crate::start::files::output_files::{AUDIT_REPORTS, DIGEST_SENT};

/// The server as it runs, for the checks.
struct RunningServer {
    settings: Settings,
    weakened: Vec<Warning>,
    addresses: Addresses,
    /// The keys whose new values are not in force before a restart.
    needs_restart: Vec<String>,
}

/// The facts about the running server, for the checks. A reload replaces them.
#[derive(Clone, Default)]
pub(crate) struct ServerFacts(Arc<ArcSwapOption<RunningServer>>);

impl ServerFacts {
    /// Sets the facts, when the server listens.
    pub(crate) fn start(&self, settings: &Settings, weakened: &[Warning], running: &Running) {
        self.0.store(Some(Arc::new(RunningServer {
            settings: settings.clone(),
            weakened: weakened.to_vec(),
            addresses: Addresses { public: running.public(), private: running.private() },
            needs_restart: Vec::new(),
        })));
    }

    /// Sets the facts after a reload. `needs_restart` are the keys whose new values are not in
    /// force.
    pub(crate) fn reload(
        &self,
        settings: Settings,
        weakened: Vec<Warning>,
        needs_restart: Vec<String>,
    ) {
        if let Some(former) = self.0.load_full() {
            let addresses = former.addresses;
            let running = RunningServer { settings, weakened, addresses, needs_restart };
            self.0.store(Some(Arc::new(running)));
        }
    }

    /// The settings in force, once the server listens.
    pub(crate) fn settings(&self) -> Option<Settings> {
        self.0.load().as_ref().map(|running| running.settings.clone())
    }
}

/// Attaches the audit and the digest; the checks get the facts when the server listens.
pub(crate) fn attach(desk: &Desk, settings: &Settings, clock: &dyn Clock) -> ServerFacts {
    let facts = ServerFacts::default();
    desk.attach_self_audit(build(settings, &facts, clock));
    if let Some(digest) = digest(settings, clock) {
        desk.attach_digest(digest);
    }
    facts
}

/// The audit of a server.
fn build(settings: &Settings, facts: &ServerFacts, clock: &dyn Clock) -> SelfAudit {
    let (facts, unsettled) = (facts.clone(), settings.clone());
    let options = SelfAuditOptions {
        files: ReportFiles::new(settings.storage.data.join(AUDIT_REPORTS)),
        accepted: settings.storage.doctor.accepted.clone(),
        random: Box::new(random),
        examine: Box::new(move |live, reports, cause, now| {
            let started = facts.0.load_full();
            let started = started.as_deref();
            let state = match started {
                Some(started) => ServerState::Own {
                    facts: live,
                    addresses: started.addresses,
                    needs_restart: &started.needs_restart,
                },
                None => ServerState::Unknown { why: "it is starting" },
            };
            let examination = Examination {
                settings: started.map_or(&unsettled, |started| &started.settings),
                weakened: Ok(started.map_or(&[], |started| started.weakened.as_slice())),
                state,
                reports,
                now,
            };
            examine(&examination, cause)
        }),
    };
    SelfAudit::new(options, clock)
}

/// The weekly digest, if the configuration has one.
fn digest(settings: &Settings, clock: &dyn Clock) -> Option<Digest> {
    let options = DigestOptions {
        time: settings.audit.alert.digest.clone()?,
        host: settings.gate.hosts.first().cloned().unwrap_or_default(),
        log: settings.audit.file.clone(),
        state: settings.storage.data.join(DIGEST_SENT),
    };
    Some(Digest::new(options, clock))
}

/// Spreads the nightly runs of servers; without randomness, they are at the same minute.
fn random() -> u16 {
    let mut bytes = [0; 2];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return 0;
    }
    u16::from_le_bytes(bytes)
}
