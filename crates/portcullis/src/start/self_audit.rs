//! Connects the regular audit with the checks, and with what they need of the running server.
//! Never: a check on a thread of a shard.

use std::sync::{Arc, OnceLock};

use portcullis_admin::{Desk, Digest, DigestOptions, ReportFiles, SelfAudit, SelfAuditOptions};
use portcullis_model::Clock;
use portcullis_server::Running;

use crate::config::{Settings, Warning};
use crate::doctor::examination::{Addresses, Examination, ServerState};
use crate::doctor::examine::examine;
use crate::start::output_files::{AUDIT_REPORTS, DIGEST_SENT};

/// What the checks get when the server listens.
struct StartedServer {
    settings: Settings,
    weakened: Vec<Warning>,
    addresses: Addresses,
    /// The text of the configuration file.
    configuration: Option<String>,
}

/// The facts of the start, for the checks.
#[derive(Clone, Default)]
pub(crate) struct StartFacts(Arc<OnceLock<StartedServer>>);

impl StartFacts {
    /// Sets the facts, when the server listens.
    pub(crate) fn set(&self, settings: &Settings, weakened: &[Warning], running: &Running) {
        let addresses = Addresses { public: running.public(), private: running.private() };
        let text = settings.file.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let started = StartedServer {
            settings: settings.clone(),
            weakened: weakened.to_vec(),
            addresses,
            configuration: text,
        };
        let _set_once = self.0.set(started);
    }
}

/// Attaches the audit and the digest; the checks get the facts when the server listens.
pub(crate) fn attach(desk: &Desk, settings: &Settings, clock: &dyn Clock) -> StartFacts {
    let facts = StartFacts::default();
    desk.attach_self_audit(build(settings, &facts, clock));
    if let Some(digest) = digest(settings, clock) {
        desk.attach_digest(digest);
    }
    facts
}

/// The audit of a server.
fn build(settings: &Settings, facts: &StartFacts, clock: &dyn Clock) -> SelfAudit {
    let (facts, unsettled) = (facts.clone(), settings.clone());
    let options = SelfAuditOptions {
        files: ReportFiles::new(settings.storage.data.join(AUDIT_REPORTS)),
        accepted: settings.storage.doctor.accepted.clone(),
        random: Box::new(random),
        examine: Box::new(move |live, reports, cause, now| {
            let started = facts.0.get();
            let state = match started {
                Some(started) => ServerState::Own {
                    facts: live,
                    addresses: started.addresses,
                    configuration: started.configuration.as_deref(),
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
