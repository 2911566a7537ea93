//! How long a test waits for anything before it fails.
//! Never: a measured duration; a wait ends as soon as its condition is met.

use std::time::{Duration, Instant};

/// The longest wait.
pub const WAIT: Duration = Duration::from_secs(15);

/// A moment after which waiting is a failure.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    #[expect(clippy::disallowed_methods, reason = "tests wait by the machine's clock")]
    pub(crate) fn after(wait: Duration) -> Self {
        Self(Instant::now() + wait)
    }

    #[expect(clippy::disallowed_methods, reason = "tests wait by the machine's clock")]
    pub(crate) fn left(self) -> Option<Duration> {
        self.0.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }

    /// Fails the test once the moment has passed; `what` names the missing result.
    pub(crate) fn check(self, what: &str) {
        assert!(self.left().is_some(), "{what} did not come in time");
    }
}
