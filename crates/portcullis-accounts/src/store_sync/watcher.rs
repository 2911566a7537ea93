//! Reads changes of other processes twice a second: users in the store, and rotated keys.
//! Never: a write; a store that cannot write still confirms what users are allowed to do.
//!
//! While the store cannot be read, no new connection is admitted; after a minute all connections
//! end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_audit::{Outcome, Record};
use portcullis_model::{Code, Deadline, Now, Severity};
use portcullis_server::{Delta, Services};
use portcullis_store::Health;

use crate::accounts::Accounts;
use crate::store_sync::table_monitor::{self, TableMonitor};

/// Time between two checks, in milliseconds.
pub(crate) const EVERY_MS: u64 = 500;
/// Longest time that a check waits for the store.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Number of checks between two checks of the key files.
const KEYS_EVERY: u64 = 2;
/// Number of checks between two removals of expired entries.
const TIDY_EVERY: u64 = 4;

/// The state of the checks.
pub(crate) struct Watcher {
    accounts: Arc<Accounts>,
    checks: AtomicU64,
    /// Whether all connections were ended because the store cannot be read.
    all_ended: AtomicBool,
    /// Since when the store cannot be read.
    unreadable_since_ms: AtomicU64,
    /// The last recorded state of the store.
    health: Mutex<Health>,
    /// The signing keys that the gate has.
    key_ids: Mutex<Vec<String>>,
    /// The session secrets, and the number of admission keys that the gate has.
    session_keys: Mutex<Option<(Vec<String>, usize)>>,
    tables: Mutex<TableMonitor>,
}

impl Watcher {
    pub(crate) fn new(accounts: Arc<Accounts>) -> Self {
        Self {
            accounts,
            checks: AtomicU64::new(0),
            all_ended: AtomicBool::new(false),
            unreadable_since_ms: AtomicU64::new(0),
            health: Mutex::new(Health::Ok),
            key_ids: Mutex::default(),
            session_keys: Mutex::default(),
            tables: Mutex::default(),
        }
    }

    /// Runs one check.
    pub(crate) async fn check(self: Arc<Self>, around: Arc<Services>) {
        let now = around.clock.now();
        let recheck = self.accounts.store.recheck();
        match tokio::time::timeout(ANSWER_MAX, recheck).await {
            Ok(Ok(_)) => self.record_confirmed(&around),
            Ok(Err(error)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the store cannot be read"
                );
                self.record_unreadable(&around, "the store cannot be read");
            }
            Err(_) => self.record_unreadable(&around, "the store does not answer"),
        }
        self.check_health(&around);
        let checks = self.checks.fetch_add(1, Ordering::AcqRel);
        if checks.is_multiple_of(KEYS_EVERY) {
            self.reload_signing_keys(&around);
            self.reload_session_secrets(&around);
            self.check_tables(&around);
        }
        if checks.is_multiple_of(TIDY_EVERY) {
            let tidied = self.accounts.store.remove_ended(now.unix_ms);
            // Expired entries have no effect: they can stay until the store accepts changes again.
            if let Err(error) = Deadline::after(ANSWER_MAX).scope(tidied).await {
                tracing::debug!(%error, "expired entries were not removed; the next try is in 2 s");
            }
        }
    }

    /// Records tables and shares that are full.
    fn check_tables(&self, around: &Services) {
        let now = around.clock.now();
        let tables = table_monitor::tables(&self.accounts, &around.gate, now);
        for record in self.tables.lock().check(&tables, now) {
            around.audit.record(record, now);
        }
    }

    /// Records each change of the state of the store once.
    fn check_health(&self, around: &Services) {
        let status = self.accounts.store.status();
        let mut known = self.health.lock();
        if status.health == *known {
            return;
        }
        let before = std::mem::replace(&mut *known, status.health);
        drop(known);
        let mut record = Record::new(Code::StorageStateChanged);
        record.outcome =
            if status.health == Health::Ok { Outcome::Success } else { Outcome::Failure };
        record.reason = status.health.name();
        if status.health != Health::Ok {
            record.severity = Severity::Critical;
        }
        let free = status
            .free_bytes
            .map_or(String::new(), |free| format!(", {} MiB free", free / (1024 * 1024)));
        let (before, now) = (before.name(), status.health.name());
        record.detail = Some(format!("{before} before, {now} now{free}"));
        around.audit.record(record, around.clock.now());
    }

    fn record_confirmed(&self, around: &Services) {
        let now = around.clock.now();
        let authority = around.directory.authority();
        let was_doubted = authority.is_unconfirmed();
        authority.confirm(now);
        self.all_ended.store(false, Ordering::Release);
        if was_doubted {
            record(around, Code::SysMonitorEnabled, "the store answers again", now);
        }
    }

    fn record_unreadable(&self, around: &Services, why: &str) {
        let now = around.clock.now();
        if around.directory.authority().doubt() {
            self.unreadable_since_ms.store(now.monotonic_ms, Ordering::Release);
            record(around, Code::SysMonitorDisabled, why, now);
        }
        let since_ms = self.unreadable_since_ms.load(Ordering::Acquire);
        let over =
            now.monotonic_ms.saturating_sub(since_ms) >= portcullis_guard::UNCONFIRMED_MAX_MS;
        // Active connections check before each message; this ends the silent ones.
        if over && !self.all_ended.swap(true, Ordering::AcqRel) {
            recheck_all(around);
        }
    }

    /// Reads the signing keys again, and removes expired ones.
    fn reload_signing_keys(&self, around: &Services) {
        let accounts = &self.accounts;
        if let Err(error) = accounts.keys.reload() {
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                "the file of the signing keys cannot be read; the old keys stay in force"
            );
            return;
        }
        let now = around.clock.now();
        let issuers = accounts.keys.issuers(&accounts.options, now.unix_ms);
        let ids: Vec<_> = issuers.iter().filter_map(|issuer| issuer.key_id.clone()).collect();
        let mut known = self.key_ids.lock();
        if *known == ids {
            return;
        }
        let first = known.is_empty();
        *known = ids;
        drop(known);
        if let Err(error) = around.gate.replace_keys(&accounts.options.issuer, issuers) {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "the signing keys were not replaced"
            );
            return;
        }
        if !first {
            record(around, Code::KeyRotated, "the signing keys have changed", now);
            recheck_all(around);
        }
    }

    /// Reads the session secrets again.
    fn reload_session_secrets(&self, around: &Services) {
        let (secret, now) = (&self.accounts.secret, around.clock.now());
        if let Err(error) = secret.reload(now) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                "the file of the session secrets cannot be read; the old secrets stay in force"
            );
            return;
        }
        let admissions = secret.admissions(now);
        let ids = secret.list().into_iter().map(|key| key.id).collect();
        let found: (Vec<String>, usize) = (ids, admissions.len());
        let mut known = self.session_keys.lock();
        let before = known.replace(found.clone());
        drop(known);
        if before.as_ref() == Some(&found) {
            return;
        }
        around.gate.admission().replace_token_keys(&admissions);
        if before.is_some_and(|(ids, _)| ids != found.0) {
            record(around, Code::KeyRotated, "the session secrets have changed", now);
        }
    }
}

fn recheck_all(around: &Services) {
    if around.hub.try_deliver(Delta::RecheckAll).is_err() {
        tracing::warn!("a shard's queue is full; its connections are checked later");
    }
}

fn record(around: &Services, code: Code, detail: &str, now: Now) {
    let mut record = Record::new(code);
    record.outcome = Outcome::Success;
    record.detail = Some(String::from(detail));
    around.audit.record(record, now);
}
