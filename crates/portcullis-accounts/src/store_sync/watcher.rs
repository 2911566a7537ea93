//! Keeps what is known of people true: what others change in the store, and keys that are rotated.
//! Never: silent when it cannot: then no new connection is admitted, and after a minute all end; a
//! write that decides about that: a store that cannot write still confirms.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_audit::{Outcome, Record};
use portcullis_model::{Code, Deadline, Now, Severity};
use portcullis_server::{Delta, Surroundings};
use portcullis_store::Health;

use crate::accounts::Accounts;
use crate::store_sync::table_monitor::{self, TableMonitor};

/// How long after one look the next begins, in milliseconds.
pub(crate) const EVERY_MS: u64 = 500;
/// A store that answers later than this has not answered.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How many looks pass between two looks at the file of keys.
const KEYS_EVERY: u64 = 2;
/// How many looks pass between two times that what is over is removed.
const TIDY_EVERY: u64 = 4;

/// What one look remembers for the next.
pub(crate) struct Watcher {
    accounts: Arc<Accounts>,
    looks: AtomicU64,
    /// Whether connections were told that nobody can confirm anything.
    all_ended: AtomicBool,
    doubted_ms: AtomicU64,
    /// The state of the store that was recorded last.
    health: Mutex<Health>,
    /// The keys the gate has.
    key_ids: Mutex<Vec<String>>,
    /// The secrets of sessions, and how many keys of admissions the gate has.
    session_keys: Mutex<Option<(Vec<String>, usize)>>,
    tables: Mutex<TableMonitor>,
}

impl Watcher {
    pub(crate) fn new(accounts: Arc<Accounts>) -> Self {
        Self {
            accounts,
            looks: AtomicU64::new(0),
            all_ended: AtomicBool::new(false),
            doubted_ms: AtomicU64::new(0),
            health: Mutex::new(Health::Ok),
            key_ids: Mutex::default(),
            session_keys: Mutex::default(),
            tables: Mutex::default(),
        }
    }

    /// One look at everything.
    pub(crate) async fn look(self: Arc<Self>, around: Arc<Surroundings>) {
        let now = around.clock.now();
        let asked = self.accounts.store.recheck();
        match tokio::time::timeout(ANSWER_MAX, asked).await {
            Ok(Ok(_)) => self.confirmed(&around),
            Ok(Err(error)) => {
                tracing::error!(error = &error as &dyn std::error::Error, "the store is down");
                self.doubted(&around, "the store cannot be read");
            }
            Err(_) => self.doubted(&around, "the store does not answer"),
        }
        self.look_at_health(&around);
        let looks = self.looks.fetch_add(1, Ordering::AcqRel);
        if looks.is_multiple_of(KEYS_EVERY) {
            self.look_at_keys(&around);
            self.look_at_session_secrets(&around);
            self.look_at_tables(&around);
        }
        if looks.is_multiple_of(TIDY_EVERY) {
            let tidied = self.accounts.store.remove_ended(now.unix_ms);
            // What is over has no effect: it can stay until the store takes changes again.
            if let Err(error) = Deadline::after(ANSWER_MAX).scope(tidied).await {
                tracing::debug!(%error, "what is over was not removed; the next time tries again");
            }
        }
    }

    /// Records tables and shares that are full.
    fn look_at_tables(&self, around: &Surroundings) {
        let now = around.clock.now();
        let tables = table_monitor::tables(&self.accounts, &around.gate, now);
        for record in self.tables.lock().look(&tables, now) {
            around.audit.record(record, now);
        }
    }

    /// Records when the store becomes full, failing, damaged or well again; once each.
    fn look_at_health(&self, around: &Surroundings) {
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

    fn confirmed(&self, around: &Surroundings) {
        let now = around.clock.now();
        let authority = around.directory.authority();
        let was_doubted = authority.is_doubted();
        authority.confirm(now);
        self.all_ended.store(false, Ordering::Release);
        if was_doubted {
            record(around, Code::SysMonitorEnabled, "the store answers again", now);
        }
    }

    fn doubted(&self, around: &Surroundings, why: &str) {
        let now = around.clock.now();
        if around.directory.authority().doubt() {
            self.doubted_ms.store(now.monotonic_ms, Ordering::Release);
            record(around, Code::SysMonitorDisabled, why, now);
        }
        let since_ms = self.doubted_ms.load(Ordering::Acquire);
        let over =
            now.monotonic_ms.saturating_sub(since_ms) >= portcullis_guard::UNCONFIRMED_MAX_MS;
        // Connections notice by themselves when they next act; the silent ones are told.
        if over && !self.all_ended.swap(true, Ordering::AcqRel) {
            tell_all(around);
        }
    }

    /// Takes in a ring that another process has changed, and drops keys whose time is over.
    fn look_at_keys(&self, around: &Surroundings) {
        let accounts = &self.accounts;
        if let Err(error) = accounts.keys.reload() {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the keys in force stay: the ring cannot be read");
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
            tracing::error!(error = &error as &dyn std::error::Error, "keys were not replaced");
            return;
        }
        if !first {
            record(around, Code::KeyRotated, "the keys of our own tokens have changed", now);
            tell_all(around);
        }
    }
}

impl Watcher {
    /// Takes in secrets of sessions that another process has changed.
    fn look_at_session_secrets(&self, around: &Surroundings) {
        let (secret, now) = (&self.accounts.secret, around.clock.now());
        if let Err(error) = secret.reload(now) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the secrets of sessions in force stay: cannot be read");
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
            record(around, Code::KeyRotated, "the secrets of sessions have changed", now);
        }
    }
}

fn tell_all(around: &Surroundings) {
    if around.hub.try_deliver(Delta::RecheckAll).is_err() {
        tracing::warn!("a shard is behind; its connections find out when they next act");
    }
}

fn record(around: &Surroundings, code: Code, detail: &str, now: Now) {
    let mut record = Record::new(code);
    record.outcome = Outcome::Success;
    record.detail = Some(String::from(detail));
    around.audit.record(record, now);
}
