//! The periodic task of ACME: starts attempts, and puts their certificates in use.
//! Never: two attempts at once; an end of the certificate in use before there is another one.

use std::sync::Arc;

use portcullis_audit::{Audit, Outcome, Record, utc};
use portcullis_model::{Clock, Code, Now};
use portcullis_server::Builder;
use rustls_pki_types::CertificateDer;
use tokio::sync::Mutex;

use crate::acme::authority::attempt::Authority;
use crate::acme::authority::failure::{AcmeFailure, FailureKind};
use crate::acme::authority::renewal_info::USUAL_WAIT_S;
use crate::acme::authority::transport::Transport;
use crate::acme::current::Current;
use crate::acme::last_failure::LastFailure;
use crate::acme::names::AcmeNames;
use crate::acme::partial;
use crate::acme::schedule::{
    Jitter, Plan, ReloadOrders, moment_of_window, renewal_unix_s, requested_wait_s, retry_wait_s,
};
use crate::acme::state::AcmeState;
use crate::acme::stored::{self, IssuedCertificate};
use crate::config::{ConfigError, Settings, TlsSettings};
use crate::tls::certificate::day;
use crate::tls::server_config::{ReadCertificate, Tls};

/// The interval between two reads of the clock.
const EVERY_MS: u64 = 1_000;
/// The interval between two attempts to store a certificate.
const STORE_AGAIN_MS: u64 = 60_000;
/// The orders of an attempt after the first one, each without further rejected names.
const FURTHER_ORDERS_MAX: usize = 3;

/// Adds the task, its metrics and its part of `/ready` if `tls.mode` is `acme`.
pub(crate) fn install(
    builder: &mut Builder,
    settings: &Settings,
    tls: &Tls,
    audit: &Audit,
    clock: &Arc<dyn Clock>,
) -> Result<(), ConfigError> {
    let TlsSettings::Acme(acme) = &settings.tls else { return Ok(()) };
    let transport = Transport::of_settings(acme)?;
    let authority = Authority {
        settings: acme.clone(),
        names: tls.acme_names.load().to_vec(),
        data: settings.storage.data.clone(),
        transport,
        pending: settings.server.challenges.clone(),
    };
    let parts = TaskParts {
        certificate: Arc::clone(&tls.certificate),
        names: tls.acme_names.clone(),
        audit: audit.clone(),
        clock: Arc::clone(clock),
        state: Arc::default(),
    };
    parts.state.report(builder);
    let task = Arc::new(Mutex::new(AcmeTask::new(authority, parts)));
    builder.every("acme", EVERY_MS, move |_| {
        let task = Arc::clone(&task);
        async move { task.lock().await.step().await }
    });
    Ok(())
}

/// The parts of the server that the task changes or reads.
struct TaskParts {
    certificate: Arc<crate::tls::server_config::Certificate>,
    /// The names of the newest reload.
    names: AcmeNames,
    audit: Audit,
    clock: Arc<dyn Clock>,
    state: Arc<AcmeState>,
}

/// The state between two attempts.
struct AcmeTask {
    authority: Authority,
    parts: TaskParts,
    plan: Plan,
    current: Option<Current>,
    /// Failures since the last success.
    failures: u32,
    reload_orders: ReloadOrders,
    /// When the authority is asked for its window, on the monotonic clock.
    window_due_ms: u64,
    not_stored: Option<UnstoredCertificate>,
}

/// A certificate in use that could not be stored.
struct UnstoredCertificate {
    issued: Arc<IssuedCertificate>,
    /// When it is tried again, on the monotonic clock.
    due_ms: u64,
}

impl AcmeTask {
    /// Continues with the stored certificate, if there is one.
    fn new(authority: Authority, parts: TaskParts) -> Self {
        let now = parts.clock.now();
        let found = stored::find(&authority.data, &authority.names, now);
        let current = found.as_ref().map(Current::new);
        let plan = match (&found, &current) {
            (Some(found), Some(current))
                if found.directory == authority.settings.directory
                    && found.missing_name(&authority.names).is_none() =>
            {
                Plan::at(renewal_unix_s(current.validity, current.jitter))
            }
            // None, or the configuration names another authority or more names.
            (Some(_) | None, Some(_) | None) => Plan::NOW,
        };
        if current.is_some() {
            parts.state.set_stored();
        }
        let mut reload_orders = ReloadOrders::default();
        let (failures, plan) = after_restart(&authority, plan, &mut reload_orders, now);
        Self {
            authority,
            parts,
            plan,
            current,
            failures,
            reload_orders,
            window_due_ms: now.monotonic_ms,
            not_stored: None,
        }
    }

    /// Takes over the names of the newest reload. If the certificate misses one of them, another
    /// one is ordered: at once, within the bounds of [`ReloadOrders`].
    fn follow_names(&mut self, now: Now) {
        let newest = self.parts.names.load();
        if *newest == self.authority.names {
            return;
        }
        let complete = self.current.as_ref().filter(|current| {
            let own = CertificateDer::from(current.der.as_slice());
            current.directory == self.authority.settings.directory
                && stored::missing_name(Some(&own), &newest).is_none()
        });
        self.plan = match complete {
            Some(current) => {
                let due = renewal_unix_s(current.validity, current.jitter);
                self.reload_orders.renewal(due, now)
            }
            None => self.reload_orders.request(now),
        };
        // Failures of an order for other names do not count, unless the authority limits them all.
        if !self.reload_orders.must_wait(now) {
            self.failures = 0;
        }
        self.window_due_ms = now.monotonic_ms;
        self.authority.names.clone_from(&newest);
        if !self.plan.is_renewal() && !self.plan.is_due(now) {
            self.report_wait(now);
        }
    }

    /// Reports an order of a reload that waits.
    fn report_wait(&self, now: Now) {
        let why = match self.reload_orders.must_wait(now) {
            true => "the authority requested a wait",
            false => "reloads have started several orders within an hour",
        };
        let names = self.authority.names.join(" ");
        let next = utc(self.plan.next_unix_s(now).saturating_mul(1_000));
        tracing::warn!(names, next, "the certificate with the new names is ordered later: {why}");
        self.record(Outcome::Unknown, format!("{names} waits: {why}; next attempt {next}"), now);
    }

    async fn step(&mut self) {
        let now = self.parts.clock.now();
        self.follow_names(now);
        if let Some(waiting) = &self.not_stored
            && now.monotonic_ms >= waiting.due_ms
        {
            self.store(Arc::clone(&waiting.issued), now).await;
        }
        if self.plan.is_due(now) {
            self.attempt().await;
        } else if now.monotonic_ms >= self.window_due_ms {
            self.follow_window(now).await;
        }
        let next = self.plan.next_unix_s(self.parts.clock.now());
        self.parts.state.set_next(next);
    }

    /// Obtains a certificate, and uses it. If the authority rejects some of the names, the others
    /// get one without them, unless that would do harm: see [`partial::names_without`].
    async fn attempt(&mut self) {
        self.reload_orders.start(self.parts.clock.now());
        let all = self.authority.names.clone();
        let mut failure = match self.obtain(&all).await {
            Ok(issued) => return self.succeed(issued).await,
            Err(failure) => failure,
        };
        let mut retry_after_s = self.authority.transport.take_retry_after_s();
        let mut rejected = failure.names.clone();
        let mut is_replaced = false;
        for _ in 0..FURTHER_ORDERS_MAX {
            let is_limited = failure.kind == FailureKind::RateLimited;
            let Some(rest) = self.names_without(&rejected).filter(|_| !is_limited) else { break };
            let further = match self.obtain(&rest).await {
                Ok(issued) => {
                    self.use_certificate(issued, &rest).await;
                    is_replaced = true;
                    break;
                }
                Err(further) => further,
            };
            retry_after_s = retry_after_s.max(self.authority.transport.take_retry_after_s());
            let has_rejected = rest.iter().any(|name| further.names.contains(name));
            rejected.extend_from_slice(&further.names);
            match further.kind {
                FailureKind::RateLimited => failure = further,
                FailureKind::Other if has_rejected => {}
                FailureKind::Other => {
                    tracing::error!(error = further.text, "no certificate with the other names");
                    break;
                }
            }
        }
        self.fail(&failure, &rejected, is_replaced, retry_after_s).await;
    }

    /// Obtains a certificate with these names, and checks it.
    async fn obtain(&self, names: &[String]) -> Result<IssuedCertificate, AcmeFailure> {
        let former = self.current.as_ref().map(|current| current.der.as_slice());
        let issued = self.authority.obtain(names, former).await?;
        issued.check(names, self.parts.clock.now())?;
        Ok(issued)
    }

    /// The names that are ordered without the rejected ones; `None` if there is nothing to gain.
    fn names_without(&self, rejected: &[String]) -> Option<Vec<String>> {
        let directory = &self.authority.settings.directory;
        let current = self.current.as_ref().filter(|current| current.directory == *directory);
        let current = current.map(|current| (current.der.as_slice(), current.validity));
        partial::names_without(&self.authority.names, rejected, current, self.parts.clock.now())
    }

    /// Plans the renewal of a certificate with all names, which is in use from now on.
    async fn succeed(&mut self, issued: IssuedCertificate) {
        let names = self.authority.names.clone();
        self.use_certificate(issued, &names).await;
        let data = self.authority.data.clone();
        off_the_loop(move || LastFailure::remove(&data)).await;
        let now = self.parts.clock.now();
        if let Some(current) = &self.current {
            self.plan = Plan::after_success(renewal_unix_s(current.validity, current.jitter), now);
        }
        self.failures = 0;
        self.window_due_ms = now.monotonic_ms;
    }

    /// Uses a certificate with these names for new connections, and stores it.
    async fn use_certificate(&mut self, issued: IssuedCertificate, names: &[String]) {
        let now = self.parts.clock.now();
        let current = Current::new(&issued);
        let read = ReadCertificate::new(issued.key.clone(), issued.validity);
        // An older certificate that waits would replace this one.
        self.not_stored = None;
        self.store(Arc::new(issued), now).await;
        self.parts.certificate.replace(read);
        self.parts.state.set_success(now.unix_s());
        let until = day(current.validity.until_unix_s);
        self.current = Some(current);
        let names = names.join(" ");
        tracing::info!(names, until, "the authority issued a certificate, which is in use");
        self.record(Outcome::Success, format!("{names}, valid until {until}"), now);
    }

    /// Stores a certificate for the next start; if that fails, again after a minute.
    async fn store(&mut self, issued: Arc<IssuedCertificate>, now: Now) {
        let data = self.authority.data.clone();
        let of_thread = Arc::clone(&issued);
        let written = tokio::task::spawn_blocking(move || {
            let suffix = portcullis_server::random_id::<8>();
            let suffix = suffix.map_err(|_| AcmeFailure::new("the system has no randomness"))?;
            of_thread.write(&data, &suffix)
        });
        let ended = |_| Err(AcmeFailure::new("the thread that stores the certificate ended"));
        let was_waiting = self.not_stored.take().is_some();
        match written.await.unwrap_or_else(ended) {
            Ok(()) if was_waiting => tracing::info!("the certificate is stored now"),
            Ok(()) => {}
            Err(failure) => {
                tracing::error!(error = failure.text, "the certificate would be lost at a restart");
                if !was_waiting {
                    self.record(Outcome::Failure, failure.text, now);
                }
                let due_ms = now.monotonic_ms.saturating_add(STORE_AGAIN_MS);
                self.not_stored = Some(UnstoredCertificate { issued, due_ms });
            }
        }
    }

    /// Plans the next attempt after one that did not certify all names.
    async fn fail(
        &mut self,
        failure: &AcmeFailure,
        rejected: &[String],
        is_replaced: bool,
        retry_after_s: Option<u64>,
    ) {
        let now = self.parts.clock.now();
        self.failures = self.failures.saturating_add(1);
        let wait_s = retry_wait_s(self.failures, failure.kind, retry_after_s, Jitter::random());
        self.reload_orders.wait(requested_wait_s(failure.kind, wait_s, retry_after_s), now);
        self.plan = Plan::after_failure(wait_s, now);
        self.parts.state.set_failure(now.unix_s());
        let next_unix_s = self.plan.next_unix_s(now);
        let last = LastFailure {
            directory: self.authority.settings.directory.clone(),
            names: self.authority.names.clone(),
            failures: self.failures,
            at_unix_s: now.unix_s(),
            next_unix_s,
            is_rate_limited: LastFailure::is_limited(failure.kind),
        };
        let data = self.authority.data.clone();
        off_the_loop(move || last.keep(&data)).await;
        let next = utc(next_unix_s.saturating_mul(1_000));
        let in_use = match (&self.current, is_replaced) {
            (Some(_), true) => "the new certificate has the other names only",
            (Some(_), false) => "the certificate in use stays",
            (None, _) => "no client trusts the temporary certificate in use",
        };
        let remedy = partial::remedy(&self.authority.names, rejected);
        let failures = self.failures;
        tracing::error!(error = failure.text, failures, next, "{in_use}{remedy}");
        let detail = format!("{}; {in_use}{remedy}; next attempt {next}", failure.text);
        self.record(Outcome::Failure, detail, now);
    }

    /// Plans the renewal as the authority suggests (RFC 9773).
    async fn follow_window(&mut self, now: Now) {
        let mut wait_s = USUAL_WAIT_S;
        // After a failure, and for the names of a reload, the time of the next attempt stays.
        if let Some(current) = self.current.as_ref().filter(|_| self.plan.is_renewal())
            && let Some(window) = self.authority.window(&current.der).await
        {
            wait_s = window.wait_s;
            let limits = (window.start_unix_s, window.end_unix_s);
            self.plan =
                self.plan.with_due(moment_of_window(limits, current.validity, current.jitter));
        }
        self.window_due_ms = now.monotonic_ms.saturating_add(wait_s.saturating_mul(1_000));
    }

    fn record(&self, outcome: Outcome, detail: String, now: Now) {
        let mut record = Record::new(Code::CertificateRenewal);
        record.rule = "acme";
        record.outcome = outcome;
        record.detail = Some(detail);
        self.parts.audit.record(record, now);
    }
}

/// The failures before the start, and the plan after them: the attempt that failed is still due.
///
/// With another authority or other names, former failures do not count; a rate limit of the
/// authority does, whatever the names.
fn after_restart(
    authority: &Authority,
    plan: Plan,
    reload_orders: &mut ReloadOrders,
    now: Now,
) -> (u32, Plan) {
    let last = LastFailure::find(&authority.data)
        .filter(|last| last.counts_for(&authority.settings.directory, &authority.names));
    let Some(last) = last else { return (0, plan) };
    let wait_s = last.wait_s(now);
    if wait_s > 0 {
        tracing::warn!(wait_s, "an attempt before the start failed: the next one waits");
    }
    if last.is_rate_limited {
        reload_orders.wait(wait_s, now);
    }
    match last.names == authority.names {
        true => (last.failures, Plan::after_failure(wait_s, now)),
        false => (last.failures, plan.with_wait(wait_s, now)),
    }
}

/// Runs disk work on another thread: the loop serves connections.
async fn off_the_loop(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::error!(%error, "a note about an attempt is not written");
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;
    use crate::acme::temporary::temporary;
    use crate::config::{AcmeChallenge, AcmeSettings};
    use crate::tls::server_config::Certificate;

    const NOW: Now = Now { monotonic_ms: 1_000, unix_ms: 1_800_000_000_000 };
    const PRODUCTION: &str = "https://ca.example/dir";
    const STAGING: &str = "https://staging.ca.example/dir";

    struct FixedClock;

    impl Clock for FixedClock {
        fn now(&self) -> Now {
            NOW
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().copied().map(String::from).collect()
    }

    /// Stores a certificate of 90 days that a directory issued yesterday.
    fn store_certificate(data: &Path, directory: &str, names: &[String]) {
        let mut params = CertificateParams::new(names.to_vec()).unwrap();
        let at = |days: i64| {
            let seconds = u64::try_from(NOW.unix_s() + days * 24 * 60 * 60).unwrap();
            date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
        };
        (params.not_before, params.not_after) = (at(-1), at(89));
        let key = KeyPair::generate().unwrap();
        let chain = params.self_signed(&key).unwrap().pem();
        let issued = IssuedCertificate::new(directory, &key.serialize_pem(), &chain).unwrap();
        issued.write(data, "a").unwrap();
    }

    /// The task of a server with these names, whose directory is that of production.
    fn task(data: &Path, names: &[String]) -> AcmeTask {
        // Its own authority, so that those of the machine are not read.
        let authority = CertificateParams::new(Vec::new()).unwrap();
        let authority = authority.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let file = data.join("ca.pem");
        std::fs::write(&file, authority.pem()).unwrap();
        let settings = AcmeSettings {
            directory: String::from(PRODUCTION),
            email: None,
            challenge: AcmeChallenge::TlsAlpn,
            authorities: Some(file),
        };
        let (key, validity) = temporary(names, NOW).unwrap();
        let parts = TaskParts {
            certificate: Arc::new(Certificate::new(ReadCertificate::new(key, validity))),
            names: AcmeNames::new(names.to_vec()),
            audit: Audit::silent(),
            clock: Arc::new(FixedClock),
            state: Arc::default(),
        };
        let authority = Authority {
            transport: Transport::of_settings(&settings).unwrap(),
            settings,
            names: names.to_vec(),
            data: data.to_path_buf(),
            pending: Default::default(),
        };
        AcmeTask::new(authority, parts)
    }

    #[test]
    fn names_of_a_reload_are_ordered_unless_this_authority_has_certified_them() {
        let certified = names(&["chat.example", "eu.chat.example"]);
        for (issuer, reloaded, is_complete) in [
            (PRODUCTION, &["chat.example"][..], true),
            (PRODUCTION, &["eu.chat.example", "chat.example"], true),
            (PRODUCTION, &["chat.example", "us.chat.example"], false),
            // No client trusts it, so its names do not count.
            (STAGING, &["chat.example"], false),
            (STAGING, &["eu.chat.example", "chat.example"], false),
        ] {
            let data = tempfile::tempdir().unwrap();
            store_certificate(data.path(), issuer, &certified);
            let mut task = task(data.path(), &certified);
            assert_eq!(task.plan.is_due(NOW), issuer == STAGING, "at the start");
            // A failed order waits.
            task.plan = Plan::after_failure(3_600, NOW);
            task.follow_names(NOW);
            assert!(!task.plan.is_renewal() && !task.plan.is_due(NOW), "no other names");
            task.parts.names.replace(names(reloaded));
            task.follow_names(NOW);
            let found = (task.plan.is_renewal(), task.plan.is_due(NOW));
            assert_eq!(found, (is_complete, !is_complete), "{issuer} {reloaded:?}");
        }
    }
}
