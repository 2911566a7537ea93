//! The reload: reads, checks and compares the configuration, then applies what can change.
//! Never: a change before everything was checked.

use std::collections::BTreeMap;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use portcullis_audit::{Audit, Outcome, Record};
use portcullis_guard::{Gate, GateOptions, PreparedOptions};
use portcullis_model::{Clock, Code, Now};
use toml::Value;

use crate::config::{Settings, Sources, Warning, input_files, summary_table, weakenings};
use crate::reload::change::{Change, Effect, changes, changes_but_rights, flatten, in_force};
use crate::reload::live::{is_issuer_live, is_same_kind};
use crate::reload::merge::{merge, merge_settings};
use crate::start::files::output_files::ALERT_STATE;
use crate::start::files::valid_copy;
use crate::start::self_audit::ServerFacts;
use crate::start::validate::validate_in_server;
use crate::tls::server_config::{CertificateComparison, ReadCertificate, Tls};

/// The running parts that a reload changes.
pub(crate) struct ReloadTargets {
    gate: Arc<Gate>,
    tls: Option<Arc<Tls>>,
    audit: Audit,
    clock: Arc<dyn Clock>,
    /// What the checks of the regular audit compare with.
    facts: ServerFacts,
}

impl ReloadTargets {
    pub(crate) fn new(
        gate: Arc<Gate>,
        tls: Option<Arc<Tls>>,
        audit: Audit,
        clock: Arc<dyn Clock>,
        facts: ServerFacts,
    ) -> Self {
        Self { gate, tls, audit, clock, facts }
    }
}

/// Whether a reload applies what it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReloadMode {
    /// Only shows the differences.
    Preview,
    /// Applies them.
    Apply,
}

/// The result of a reload.
#[derive(Debug)]
pub(crate) struct Reload {
    pub(crate) changes: Vec<Change>,
    /// Warnings about the new configuration that the one in force did not have.
    pub(crate) warnings: Vec<String>,
    /// The certificate that was read again; `None` with ACME, without TLS, or in another mode.
    pub(crate) certificate: Option<CertificateComparison>,
}

impl Reload {
    /// The keys with this effect, for texts.
    pub(crate) fn keys(&self, effect: Effect) -> String {
        let keys = self.changes.iter().filter(|change| change.effect == effect);
        keys.map(|change| change.key.as_str()).collect::<Vec<_>>().join(", ")
    }
}

/// Reloads the configuration of a running server.
pub(crate) struct Reloader {
    sources: Sources,
    targets: ReloadTargets,
    state: Mutex<InForce>,
}

/// The configuration in force. One reload runs at a time.
struct InForce {
    keys: BTreeMap<String, Value>,
    warnings: Vec<String>,
    /// The address that was chosen for port 0.
    public: std::net::SocketAddr,
}

/// Keys and values of a configuration.
type Keys = BTreeMap<String, Value>;

/// Whether changed rights of roles take effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rights {
    Live,
    Restart,
}

/// A configuration that was read and checked.
struct CheckedConfiguration {
    settings: Settings,
    keys: BTreeMap<String, Value>,
    options: PreparedOptions,
    rights: Rights,
    certificate: Option<ReadCertificate>,
    /// The names of a certificate by ACME; `None` without ACME, or if they need a restart.
    acme_names: Option<Vec<String>>,
    warnings: Vec<String>,
}

impl Reloader {
    /// `settings` are those that the server was started with, before a port was chosen.
    pub(crate) fn new(
        sources: Sources,
        settings: &Settings,
        public: std::net::SocketAddr,
        targets: ReloadTargets,
    ) -> Result<Self> {
        let actions = targets.gate.authorization().actions();
        let keys = flatten(&summary_table(settings, &actions));
        let warnings = texts(&weakenings(settings, &actions)?);
        let state = Mutex::new(InForce { keys, warnings, public });
        Ok(Self { sources, targets, state })
    }

    /// Reads the configuration again, and applies what takes effect at once. Records the result.
    ///
    /// # Errors
    /// The first fault of the new configuration; the one in force stays.
    pub(crate) fn reload(&self, mode: ReloadMode) -> Result<Reload> {
        let now = self.targets.clock.now();
        let outcome = self.run(mode, now);
        if mode == ReloadMode::Apply {
            self.record(&outcome, now);
        }
        outcome
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Option<Settings> {
        self.targets.facts.settings()
    }

    fn run(&self, mode: ReloadMode, now: Now) -> Result<Reload> {
        let mut state = self.state.lock();
        let checked = self.check(&state, mode, now)?;
        let changes = match checked.rights {
            Rights::Live => changes(&state.keys, &checked.keys),
            Rights::Restart => changes_but_rights(&state.keys, &checked.keys),
        };
        let known = &state.warnings;
        let is_new = |text: &&String| !known.contains(text);
        let read = self.targets.tls.as_ref().zip(checked.certificate.as_ref());
        let reload = Reload {
            changes,
            warnings: checked.warnings.iter().filter(is_new).cloned().collect(),
            certificate: read.map(|(tls, read)| tls.compare(read)),
        };
        if mode == ReloadMode::Apply {
            let keys = in_force(&state.keys, &checked.keys, &reload.changes);
            let warnings = checked.warnings.clone();
            let (settings, newer) = (checked.settings.clone(), checked.keys.clone());
            self.apply(&state, checked)?;
            if reload.changes.iter().all(|change| change.effect == Effect::Now) {
                valid_copy::keep(&settings);
            }
            self.renew_facts(settings, (&state.keys, &newer), &reload);
            *state = InForce { keys, warnings, ..*state };
        }
        Ok(reload)
    }

    /// Reads and checks everything; changes nothing.
    fn check(&self, state: &InForce, mode: ReloadMode, now: Now) -> Result<CheckedConfiguration> {
        let former = self.targets.facts.settings();
        former.as_ref().map_or(Ok(()), check_pipes)?;
        let mut settings = Settings::read(&self.sources)?;
        check_pipes(&settings)?;
        let former_file = former.as_ref().and_then(|former| former.file.as_ref());
        if let (Some(file), None) = (former_file, &settings.file) {
            // Without the file, the defaults of development would be the new configuration.
            bail!("{} does not exist: put it back", file.path.display());
        }
        let findings = validate_in_server(&settings, now)?;
        let read = settings.clone();
        settings.settle(state.public);
        let (options, rights) = self.prepare(state, &settings, &read)?;
        let actions = options.actions();
        let keys = flatten(&summary_table(&read, &actions));
        let is_same_kind = is_same_kind(&state.keys, &keys);
        let certificate = match (&self.targets.tls, mode) {
            // A development certificate that expires soon is created again when it is read.
            (Some(tls), mode)
                if is_same_kind && (mode == ReloadMode::Apply || tls.authority().is_none()) =>
            {
                tls.read_again(&settings.tls, &settings.server_names(), now)?
            }
            (Some(_) | None, _) => None,
        };
        // The host of the dashboard stays until the restart, and with it its name.
        let acme_names = former.filter(|_| is_same_kind).map(|former| {
            let origins = settings.origins.clone();
            Settings { origins, ..former }.acme_names()
        });
        let acme_names = acme_names.transpose()?;
        let found = findings.warnings.iter().filter(|warning| warning.key != "listen");
        let mut warnings: Vec<String> = found.map(ToString::to_string).collect();
        warnings.extend(texts(&weakenings(&read, &actions)?));
        Ok(CheckedConfiguration {
            settings,
            keys,
            options,
            rights,
            certificate,
            acme_names,
            warnings,
        })
    }

    /// The options of the gate with the new values of the keys that take effect at once.
    ///
    /// A role that gets privileged rights needs a second factor, which connections show when they
    /// sign in: then all rights wait for the restart.
    fn prepare(
        &self,
        state: &InForce,
        settings: &Settings,
        read: &Settings,
    ) -> Result<(PreparedOptions, Rights)> {
        let gate = &self.targets.gate;
        let before = gate.options();
        let newer = flatten(&summary_table(read, &[]));
        if !is_same_kind(&state.keys, &newer) {
            return Ok((gate.prepare(GateOptions::clone(&before))?, Rights::Restart));
        }
        let mut merged = merge(&before, &settings.gate);
        let options = gate.prepare(merged.clone())?;
        if !options.adds_privileges(gate) {
            return Ok((options, Rights::Live));
        }
        merged.roles = before.roles.clone();
        Ok((gate.prepare(merged)?, Rights::Restart))
    }

    /// Applies a checked configuration. Keys of issuers come first, because only they can fail.
    fn apply(&self, state: &InForce, checked: CheckedConfiguration) -> Result<()> {
        let targets = &self.targets;
        let is_live = |issuer: &str| is_issuer_live(issuer, &state.keys, &checked.keys);
        let issuers = &checked.settings.gate.issuers;
        let mut live = issuers.clone();
        live.retain(|issuer| is_live(&issuer.issuer));
        let mut names: Vec<&str> = issuers.iter().map(|issuer| issuer.issuer.as_str()).collect();
        names.retain(|issuer| is_live(issuer));
        names.dedup();
        if !names.is_empty() {
            let replaced = targets.gate.replace_issuers(&names, live);
            replaced.with_context(|| format!("the keys of {} stay", names.join(", ")))?;
        }
        targets.gate.apply(checked.options);
        targets.gate.limits().renew_totals(targets.clock.now());
        if let (Some(tls), Some(certificate)) = (&targets.tls, checked.certificate) {
            tls.replace(certificate);
        }
        if let (Some(tls), Some(names)) = (&targets.tls, checked.acme_names) {
            tls.acme_names.replace(names);
        }
        let is_same_kind = is_same_kind(&state.keys, &checked.keys);
        if let Some(alerts) = targets.audit.alerts().filter(|_| is_same_kind) {
            let state_file = checked.settings.storage.data.join(ALERT_STATE);
            let options = checked.settings.audit.alert.options(state_file, &targets.clock);
            if !alerts.replace_rules(&options) {
                tracing::warn!("open alerts of the last second can be lost");
            }
        }
        Ok(())
    }

    /// Lets the regular audit check what is in force now.
    fn renew_facts(&self, newer: Settings, (old, new): (&Keys, &Keys), reload: &Reload) {
        let gate = &self.targets.gate;
        let Some(former) = self.targets.facts.settings() else { return };
        let settings = if is_same_kind(old, new) {
            let is_live = |issuer: &str| is_issuer_live(issuer, old, new);
            merge_settings(former, newer, &gate.options(), is_live)
        } else {
            Settings { file: newer.file, ..former }
        };
        let weakened = weakenings(&settings, &gate.authorization().actions());
        let waiting = reload.changes.iter().filter(|change| change.effect == Effect::Restart);
        let waiting = waiting.map(|change| change.key.clone()).collect();
        // The same options passed this check before they were applied.
        self.targets.facts.reload(settings, weakened.unwrap_or_default(), waiting);
    }

    fn record(&self, outcome: &Result<Reload>, now: Now) {
        let mut record = Record::new(Code::SysReload);
        match outcome {
            Ok(reload) => {
                let (applied, waiting) = (reload.keys(Effect::Now), reload.keys(Effect::Restart));
                record.outcome = Outcome::Success;
                record.detail = Some(description(&applied, &waiting, reload.certificate.as_ref()));
                tracing::info!(applied, needs_restart = waiting, "the configuration was reloaded");
                reload.warnings.iter().for_each(|warning| self.record_warning(warning, now));
            }
            Err(error) => {
                record.outcome = Outcome::Failure;
                record.detail = Some(format!("{error:#}"));
                tracing::error!(
                    error = format!("{error:#}"),
                    "the new configuration is not used: the one in force stays"
                );
            }
        }
        self.targets.audit.record(record, now);
    }

    fn record_warning(&self, warning: &str, now: Now) {
        tracing::warn!("{warning}");
        let mut record = Record::new(Code::SysReload);
        record.rule = "weakened";
        record.outcome = Outcome::Success;
        record.detail = Some(String::from(warning));
        self.targets.audit.record(record, now);
    }
}

/// The description of a reload in the security log.
fn description(
    applied: &str,
    waiting: &str,
    certificate: Option<&CertificateComparison>,
) -> String {
    let mut text = match (applied.is_empty(), waiting.is_empty()) {
        (true, true) => String::from("no key differs; keys and certificates were read again"),
        (false, true) => format!("applied: {applied}"),
        (true, false) => format!("needs a restart: {waiting}"),
        (false, false) => format!("applied: {applied}; needs a restart: {waiting}"),
    };
    if let Some(CertificateComparison::New { until }) = certificate {
        text.push_str(&format!("; a new certificate is in use, until {until}"));
    }
    text
}

/// Rejects a named pipe among the files of the configuration: a reload, and all later ones, would
/// wait for its writer.
fn check_pipes(settings: &Settings) -> Result<()> {
    let mut files = input_files(settings).into_iter().map(|(_, path)| path);
    let is_pipe =
        |path: &&Path| std::fs::metadata(path).is_ok_and(|facts| facts.file_type().is_fifo());
    match files.find(is_pipe) {
        Some(path) => bail!("{} is a named pipe: a reload reads files only", path.display()),
        None => Ok(()),
    }
}

fn texts(warnings: &[Warning]) -> Vec<String> {
    warnings.iter().map(ToString::to_string).collect()
}
