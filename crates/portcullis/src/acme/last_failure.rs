//! The last failed attempt, kept in the data directory for the next start.
//! Never: a server that restarts in a loop and uses up the limits of its authority.

use std::path::Path;

use portcullis_model::Now;
use portcullis_seal::private_file::{self, PrivateFileError};
use portcullis_server::random_id;
use serde::{Deserialize, Serialize};

use crate::acme::authority::failure::FailureKind;
use crate::acme::schedule::RATE_LIMITED_S;

/// The file in the data directory.
pub(crate) const FAILURE_FILE: &str = "acme-failure.json";
/// The longest wait after a restart, from the attempt on: an operator who has corrected the cause
/// does not wait for hours. Public authorities accept about five failures an hour for a name.
const RESTART_WAIT_S: u64 = 15 * 60;

/// The last failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LastFailure {
    /// The directory of the authority, and the names. A restart with others does not wait, except
    /// that a rate limit holds for other names as well.
    pub(super) directory: String,
    pub(super) names: Vec<String>,
    /// Failures since the last success.
    pub(super) failures: u32,
    /// When it failed, and the time of the next attempt.
    pub(super) at_unix_s: i64,
    pub(super) next_unix_s: i64,
    pub(super) is_rate_limited: bool,
}

impl LastFailure {
    pub(super) fn is_limited(kind: FailureKind) -> bool {
        matches!(kind, FailureKind::RateLimited)
    }

    /// Whether a start with this authority and these names follows the failure.
    pub(super) fn counts_for(&self, directory: &str, names: &[String]) -> bool {
        self.directory == directory && (self.is_rate_limited || self.names == names)
    }

    /// Reads the note. An unreadable one is the same as none.
    pub(super) fn find(data: &Path) -> Option<Self> {
        let path = data.join(FAILURE_FILE);
        let text = private_file::read(&path)
            .inspect_err(|error| tracing::warn!(%error, "failures before the start are unknown"));
        serde_json::from_slice(text.ok()??.expose()).ok()
    }

    /// Writes the note. Without it, only the wait over a restart is lost.
    pub(super) fn keep(&self, data: &Path) {
        let (Ok(suffix), Ok(text)) = (random_id::<8>(), serde_json::to_vec(self)) else { return };
        warn(private_file::replace(&data.join(FAILURE_FILE), &text, &suffix));
    }

    /// Removes the note, after a success.
    pub(super) fn remove(data: &Path) {
        warn(private_file::remove(&data.join(FAILURE_FILE)));
    }

    /// The wait that is left after a restart, in seconds.
    pub(super) fn wait_s(&self, now: Now) -> u64 {
        let (most, until) = match self.is_rate_limited {
            true => (RATE_LIMITED_S.1, self.next_unix_s),
            false => {
                let least = self.at_unix_s.saturating_add_unsigned(RESTART_WAIT_S);
                (RESTART_WAIT_S, self.next_unix_s.min(least))
            }
        };
        // A clock that was set makes no wait longer.
        u64::try_from(until.saturating_sub(now.unix_s())).unwrap_or(0).min(most)
    }
}

fn warn(written: Result<(), PrivateFileError>) {
    if let Err(error) = written {
        tracing::warn!(%error, "the time of the next attempt is lost at a restart");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(next_unix_s: i64, is_rate_limited: bool) -> LastFailure {
        LastFailure {
            directory: String::from("https://ca.example/dir"),
            names: vec![String::from("chat.example")],
            failures: 3,
            at_unix_s: 10_000,
            next_unix_s,
            is_rate_limited,
        }
    }

    #[test]
    fn restart_waits_a_quarter_of_an_hour_and_all_of_a_rate_limit() {
        for (next_unix_s, is_rate_limited, now_unix_s, expect) in [
            (10_120, false, 10_005_i64, 115),
            (10_120, false, 10_121, 0),
            (53_200, false, 10_005, 895),
            (53_200, false, 11_000, 0),
            (53_200, true, 10_005, 43_195),
            // A clock that was set back or ahead.
            (53_200, false, 0, 900),
            (53_200, true, -1_000_000, 86_400),
            (i64::MAX, true, 10_005, 86_400),
        ] {
            let now = Now { monotonic_ms: 0, unix_ms: now_unix_s.saturating_mul(1_000) };
            let failure = failure(next_unix_s, is_rate_limited);
            assert_eq!(failure.wait_s(now), expect, "{next_unix_s} {is_rate_limited} {now_unix_s}");
        }
    }

    #[test]
    fn failure_counts_for_its_names_and_a_rate_limit_for_all() {
        let directory = "https://ca.example/dir";
        for (is_rate_limited, directory, name, expect) in [
            (false, directory, "chat.example", true),
            (false, directory, "news.example", false),
            (true, directory, "news.example", true),
            (true, "https://other.example/dir", "chat.example", false),
        ] {
            let failure = failure(10_120, is_rate_limited);
            let counts = failure.counts_for(directory, &[String::from(name)]);
            assert_eq!(counts, expect, "{is_rate_limited} {directory} {name}");
        }
    }

    #[test]
    fn note_is_read_after_it_was_written_and_gone_after_a_success() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(LastFailure::find(directory.path()), None);
        failure(10_120, true).keep(directory.path());
        assert_eq!(LastFailure::find(directory.path()), Some(failure(10_120, true)));
        std::fs::write(directory.path().join(FAILURE_FILE), "{").unwrap();
        assert_eq!(LastFailure::find(directory.path()), None);
        LastFailure::remove(directory.path());
        LastFailure::remove(directory.path());
        assert_eq!(LastFailure::find(directory.path()), None);
    }
}
