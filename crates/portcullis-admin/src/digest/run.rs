//! Sends the digest once a week, also after a restart, at normal load.
//! Never: two digests of one week; a wait of a shard for the security log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use portcullis_audit::{parse_utc, utc};
use portcullis_guard::LoadState;
use portcullis_model::{Clock, Now};
use portcullis_server::Services;

use super::text::DigestContent;
use super::time::DigestTime;
use super::week::Week;
use crate::channel::letters::LetterSender;
use crate::self_audit::report::AuditReport;
use crate::spool::file;

const WEEK_MS: i64 = 7 * 24 * 60 * 60_000;

/// The options of the weekly digest.
#[derive(Debug, Clone)]
pub struct DigestOptions {
    /// When it is sent.
    pub time: DigestTime,
    /// The host name of the server.
    pub host: String,
    /// The open file of the security log.
    pub log: PathBuf,
    /// The file with the time of the last digest.
    pub state: PathBuf,
}

/// The weekly digest of a server.
pub struct Digest {
    options: DigestOptions,
    next: Mutex<Option<i64>>,
}

impl Digest {
    /// Reads when the last digest was sent.
    #[must_use]
    pub fn new(options: DigestOptions, clock: &dyn Clock) -> Self {
        let now = clock.now().unix_ms;
        let last = std::fs::read_to_string(&options.state).ok();
        let last = last.and_then(|text| parse_utc(text.trim())).filter(|last| *last <= now);
        if last.is_none() {
            note(&options.state, now);
        }
        let next = Mutex::new(options.time.after(last.unwrap_or(now)));
        Self { options, next }
    }

    /// Once a minute: starts the digest when it is due.
    pub(crate) fn tick(
        self: &Arc<Self>,
        services: &Arc<Services>,
        content: impl FnOnce() -> (Option<Arc<AuditReport>>, Option<LetterSender>),
    ) {
        let now = services.clock.now();
        let is_due = self.next().is_some_and(|next| next <= now.unix_ms);
        if !is_due || services.gate.load() != LoadState::Normal {
            return;
        }
        *self.next() = self.options.time.after(now.unix_ms);
        let (report, letters) = content();
        let (digest, services) = (Arc::clone(self), Arc::clone(services));
        let spawned = thread::Builder::new().name(String::from("digest")).spawn(move || {
            digest.send(report.as_deref(), letters, &services, now);
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "the weekly digest cannot start");
        }
    }

    fn send(
        &self,
        report: Option<&AuditReport>,
        letters: Option<LetterSender>,
        services: &Services,
        now: Now,
    ) {
        let DigestOptions { host, log, state, .. } = &self.options;
        let newest = services.audit.newest_note();
        let letter = write_digest(host, log, report, newest.as_deref(), now);
        match letter {
            Ok(letter) => {
                let channels = letters.map_or(0, |send| send(&digest_id(now), &letter));
                tracing::info!(channels, "the weekly digest is sent");
            }
            Err(error) => tracing::error!(%error, "the weekly digest cannot read the log"),
        }
        note(state, now.unix_ms);
    }

    fn next(&self) -> MutexGuard<'_, Option<i64>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The letter of the seven days before a time: the subject in its first line.
///
/// # Errors
/// The error of the system when the security log cannot be read.
pub fn write_digest(
    host: &str,
    log: &Path,
    report: Option<&AuditReport>,
    note: Option<&str>,
    now: Now,
) -> io::Result<String> {
    let until_unix_ms = now.unix_ms;
    let week = Week::read(log, until_unix_ms - WEEK_MS, until_unix_ms)?;
    Ok(DigestContent { host, week: &week, report, note, until_unix_ms }.letter())
}

/// The id under which mail programs and the spool know a digest.
#[must_use]
pub fn digest_id(now: Now) -> String {
    let day = utc(now.unix_ms);
    format!("digest_{}", day.get(..10).unwrap_or_default())
}

/// Stores when a digest was sent, so that a restart sends no second one.
fn note(path: &Path, unix_ms: i64) {
    if let Err(error) = file::replace(path, format!("{}\n", utc(unix_ms)).as_bytes()) {
        let path = path.display();
        tracing::error!(%error, %path, "the time of the weekly digest is not saved");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct FixedClock(i64);

    impl Clock for FixedClock {
        fn now(&self) -> Now {
            Now { monotonic_ms: 0, unix_ms: self.0 }
        }
    }

    #[test]
    fn missed_digest_is_due_after_the_start_and_a_sent_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let options = DigestOptions {
            time: DigestTime::parse("mon 08:00 UTC").unwrap(),
            host: String::from("chat.example"),
            log: folder.path().join("security.log"),
            state: folder.path().join("digest.sent"),
        };
        let at = |text: &str| parse_utc(text).unwrap();
        let next = |now: &str| *Digest::new(options.clone(), &FixedClock(at(now))).next();
        // The first start: no digest of the time before.
        assert_eq!(next("2026-11-29T22:00:00Z"), Some(at("2026-11-30T08:00:00Z")));
        // It was off on Monday.
        assert_eq!(next("2026-12-01T22:00:00Z"), Some(at("2026-11-30T08:00:00Z")));
        note(&options.state, at("2026-12-01T22:01:00Z"));
        assert_eq!(next("2026-12-01T23:00:00Z"), Some(at("2026-12-07T08:00:00Z")));
        // A note of the future is of a wrong clock.
        note(&options.state, at("2030-01-01T00:00:00Z"));
        assert_eq!(next("2026-12-01T23:00:00Z"), Some(at("2026-12-07T08:00:00Z")));
    }
}
