//! The times of ACME, for metrics and for `/ready`.
//! Never: a decision.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use portcullis_server::{Builder, ReadyFact};

/// Times in seconds since 1970; 0 before the first one.
#[derive(Default)]
pub(crate) struct AcmeState {
    success_unix_s: AtomicI64,
    failure_unix_s: AtomicI64,
    next_unix_s: AtomicI64,
    /// Whether a certificate of the authority is in use.
    has_certificate: AtomicBool,
}

impl AcmeState {
    pub(crate) fn set_success(&self, unix_s: i64) {
        self.success_unix_s.store(unix_s, Ordering::Relaxed);
        self.has_certificate.store(true, Ordering::Relaxed);
    }

    pub(crate) fn set_failure(&self, unix_s: i64) {
        self.failure_unix_s.store(unix_s, Ordering::Relaxed);
    }

    pub(crate) fn set_next(&self, unix_s: i64) {
        self.next_unix_s.store(unix_s, Ordering::Relaxed);
    }

    /// A certificate was stored before the start.
    pub(crate) fn set_stored(&self) {
        self.has_certificate.store(true, Ordering::Relaxed);
    }

    fn ready_fact(&self) -> ReadyFact {
        match self.has_certificate.load(Ordering::Relaxed) {
            true => ReadyFact { state: "ok", is_ready: true },
            false => ReadyFact { state: "not_issued", is_ready: false },
        }
    }

    /// Adds the metrics, and the part `certificate` of `/ready`.
    pub(crate) fn report(self: &Arc<Self>, builder: &mut Builder) {
        let state = Arc::clone(self);
        builder.ready_part("certificate", move || state.ready_fact());
        let state = Arc::clone(self);
        builder.measure(
            "acme_last_success_seconds",
            "When the authority issued a certificate, in seconds since 1970; 0 if not since the \
             start",
            move || state.success_unix_s.load(Ordering::Relaxed),
        );
        let state = Arc::clone(self);
        builder.measure(
            "acme_last_failure_seconds",
            "When an attempt to get a certificate failed, in seconds since 1970; 0 if none since \
             the start",
            move || state.failure_unix_s.load(Ordering::Relaxed),
        );
        let state = Arc::clone(self);
        builder.measure(
            "acme_next_attempt_seconds",
            "When the next certificate is requested, in seconds since 1970",
            move || state.next_unix_s.load(Ordering::Relaxed),
        );
    }
}
