//! Compares the clock at the start with the newest stored time: was it set back while it was off?
//! Never: a start that is rejected, or a stored time that is changed.

use portcullis_audit::{Audit, clock_step, newest_time, parse_utc, utc};
use portcullis_model::Now;
use portcullis_store::SessionRow;

use crate::config::Settings;
use crate::start::files::output_files::LAST_BACKUP;

/// A clock may be behind by so much, as for tokens of the server.
const BEHIND_MAX_MS: i64 = 60_000;

/// The newest time that a server has stored before this start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredTime {
    unix_ms: i64,
    /// What it is the time of.
    of: &'static str,
}

impl StoredTime {
    /// Reads the times of the sessions, of the last lines of the security log, and of the last
    /// backup; the newest of them. What cannot be read has no time: other checks report it.
    pub(crate) fn newest(settings: &Settings, sessions: &[SessionRow]) -> Option<Self> {
        let of_session = |row: &SessionRow| {
            row.renewed_unix_ms.max(row.authenticated_unix_ms).max(row.created_unix_ms)
        };
        let note = std::fs::read_to_string(settings.storage.data.join(LAST_BACKUP)).ok();
        let of_backup = note.and_then(|note| parse_utc(note.lines().next()?.trim()));
        Self::newest_of([
            (sessions.iter().map(of_session).max(), "a session"),
            (newest_time(&settings.audit.file).ok().flatten(), "the security log"),
            (of_backup, "the last backup"),
        ])
    }

    fn newest_of(times: [(Option<i64>, &'static str); 3]) -> Option<Self> {
        let known = times.into_iter().filter_map(|(time, of)| Some(Self { unix_ms: time?, of }));
        known.max_by_key(|time| time.unix_ms)
    }

    /// Reports a clock that is clearly behind this time, in both logs.
    pub(crate) fn report_clock_behind(self, audit: &Audit, now: Now) {
        let Some(behind_ms) = self.behind_ms(now) else { return };
        let found = self.text(behind_ms);
        tracing::warn!(
            "{found}. Until it has reached this time, access tokens and one-time codes of that \
             time are rejected, and sessions, bans and blocks end later; limits are not affected. \
             If the clock is wrong, synchronize it (NTP)"
        );
        let mut record = clock_step(-behind_ms);
        record.detail = Some(found);
        audit.record(record, now);
    }

    /// How far the clock is behind this time, if it is too far.
    fn behind_ms(self, now: Now) -> Option<i64> {
        let behind_ms = self.unix_ms.saturating_sub(now.unix_ms);
        (behind_ms > BEHIND_MAX_MS).then_some(behind_ms)
    }

    fn text(self, behind_ms: i64) -> String {
        let Self { unix_ms, of } = self;
        format!(
            "the clock is {} s behind the newest stored time, {} ({of}): it was set back while the \
             server was stopped, or was ahead before",
            behind_ms / 1_000,
            utc(unix_ms)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_is_behind_the_newest_time_by_more_than_a_minute() {
        let newest = |times: [Option<i64>; 3]| {
            let [one, two, three] = times;
            StoredTime::newest_of([(one, "a"), (two, "b"), (three, "c")])
        };
        assert_eq!(newest([None; 3]), None);
        for (times, expect) in [
            ([Some(9), None, None], (9, "a")),
            ([Some(9), Some(10), None], (10, "b")),
            ([Some(9), Some(10), Some(11)], (11, "c")),
        ] {
            let found = newest(times).unwrap();
            assert_eq!((found.unix_ms, found.of), expect);
        }
        let stored = StoredTime { unix_ms: 1_785_585_600_000, of: "a session" };
        for (behind_ms, expect) in [(-1, None), (0, None), (60_000, None), (60_001, Some(60_001))] {
            let unix_ms = stored.unix_ms - behind_ms;
            let found = stored.behind_ms(Now { monotonic_ms: 0, unix_ms });
            assert_eq!(found, expect, "{behind_ms}");
        }
        let text = stored.text(7_200_999);
        let expect = "the clock is 7200 s behind the newest stored time, 2026-08-01T12:00:00.000Z \
                      (a session)";
        assert!(text.starts_with(expect), "{text}");
    }
}
