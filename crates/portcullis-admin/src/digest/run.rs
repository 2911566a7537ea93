//! Sends the digest once a week, also after a restart, at normal load.
//! Never: two digests of one week; a wait of a shard for the security log.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use portcullis_audit::utc;
use portcullis_guard::LoadState;
use portcullis_model::{Clock, Now};
use portcullis_server::Services;

use super::schedule::{DigestSchedule, LastDigest};
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
    schedule: Mutex<DigestSchedule>,
}

impl Digest {
    /// Reads when the last digest was sent.
    #[must_use]
    pub fn new(options: DigestOptions, clock: &dyn Clock) -> Self {
        let text = std::fs::read_to_string(&options.state).ok();
        let last = text.as_deref().and_then(LastDigest::parse);
        let schedule = DigestSchedule::new(options.time.clone(), last, clock.now());
        if last != Some(schedule.last()) {
            note(&options.state, schedule.last());
        }
        Self { options, schedule: Mutex::new(schedule) }
    }

    /// Once a minute: starts the digest when it is due.
    pub(crate) fn tick(
        self: &Arc<Self>,
        services: &Arc<Services>,
        content: impl FnOnce() -> (Option<Arc<AuditReport>>, Option<LetterSender>),
    ) {
        let now = services.clock.now();
        if self.schedule().follow_clock(now) {
            self.note_last();
        }
        if !self.schedule().is_due(now) || services.gate.load() != LoadState::Normal {
            return;
        }
        self.schedule().start();
        let (report, letters) = content();
        let (digest, services) = (Arc::clone(self), Arc::clone(services));
        let spawned = thread::Builder::new().name(String::from("digest")).spawn(move || {
            digest.send(report.as_deref(), letters, &services, now);
        });
        if let Err(error) = spawned {
            self.schedule().set_failed(now);
            tracing::error!(%error, "the weekly digest cannot start; it is tried again in an hour");
        }
    }

    fn send(
        &self,
        report: Option<&AuditReport>,
        letters: Option<LetterSender>,
        services: &Services,
        now: Now,
    ) {
        let newest = services.audit.newest_note();
        let Some(letter) = self.letter(report, newest.as_deref(), now) else {
            self.schedule().set_failed(services.clock.now());
            return;
        };
        let channels = letters.map_or(0, |send| send(&digest_id(now), &letter));
        if channels > 0 {
            tracing::info!(channels, "the weekly digest is sent");
        } else if self.schedule().set_not_taken(services.clock.now()) {
            tracing::warn!("no mail channel took the weekly digest: it is tried again in an hour");
            return;
        } else {
            tracing::error!("no mail channel took the weekly digest: this one is lost");
        }
        self.schedule().set_sent(services.clock.now());
        self.note_last();
    }

    /// The letter; `None` when the log cannot be read, which is tried some times.
    fn letter(&self, report: Option<&AuditReport>, note: Option<&str>, now: Now) -> Option<String> {
        let DigestOptions { host, log, .. } = &self.options;
        match write_digest(host, log, report, note, now) {
            Ok(letter) => Some(letter),
            Err(error) if self.schedule().has_given_up() => {
                tracing::error!(%error, "the weekly digest has no numbers of the security log");
                let (week, until_unix_ms) = (Err(error.to_string()), now.unix_ms);
                Some(DigestContent { host, week, report, note, until_unix_ms }.letter())
            }
            Err(error) => {
                tracing::error!(
                    %error,
                    "the weekly digest cannot read the log; it is tried again in an hour"
                );
                None
            }
        }
    }

    fn note_last(&self) {
        let last = self.schedule().last();
        note(&self.options.state, last);
    }

    fn schedule(&self) -> MutexGuard<'_, DigestSchedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
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
    Ok(DigestContent { host, week: Ok(&week), report, note, until_unix_ms }.letter())
}

/// The id under which mail programs and the spool know a digest.
#[must_use]
pub fn digest_id(now: Now) -> String {
    let day = utc(now.unix_ms);
    format!("digest_{}", day.get(..10).unwrap_or_default())
}

/// Stores when a digest was sent, so that a restart sends no second one.
fn note(path: &Path, last: LastDigest) {
    if let Err(error) = file::replace(path, last.to_text().as_bytes()) {
        let path = path.display();
        tracing::error!(%error, %path, "the time of the weekly digest is not saved");
    }
}

#[cfg(test)]
mod tests {
    use portcullis_audit::parse_utc;

    use super::*;

    #[derive(Debug)]
    struct FixedClock(Now);

    impl Clock for FixedClock {
        fn now(&self) -> Now {
            self.0
        }
    }

    #[test]
    fn digest_of_a_log_that_cannot_be_read_is_tried_again_and_then_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let options = DigestOptions {
            time: DigestTime::parse("mon 08:00 UTC").unwrap(),
            host: String::from("chat.example"),
            log: folder.path().join("missing").join("security.log"),
            state: folder.path().join("digest.sent"),
        };
        let now = Now { monotonic_ms: 0, unix_ms: parse_utc("2026-11-29T22:00").unwrap() };
        let digest = Digest::new(options.clone(), &FixedClock(now));
        let noted = || std::fs::read_to_string(&options.state).unwrap();
        assert_eq!(noted(), "started 2026-11-29T22:00:00.000Z\n");
        for _ in 0..3 {
            assert_eq!(digest.letter(None, None, now), None);
            digest.schedule().set_failed(now);
        }
        let letter = digest.letter(None, None, now).unwrap();
        assert!(letter.contains("The security log cannot be read"), "{letter}");
        assert_eq!(noted(), "started 2026-11-29T22:00:00.000Z\n", "nothing was sent");
        // A restart keeps the time.
        let again = Digest::new(options.clone(), &FixedClock(now));
        assert_eq!(again.schedule().last(), LastDigest::Started(now.unix_ms));
    }
}
