//! Messages that quiet hours hold.
//! Never: a message that is lost; an end of an alert that its receiver does not know.

use portcullis_audit::AlertState;
use serde::{Deserialize, Serialize};

use crate::spool::delivery::Delivery;

/// The time until the next attempt after a restart.
const RESUMED_AFTER_MS: i64 = 30_000;

/// The place of a message among those of its alert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// The receiver does not know yet that the alert fires.
    Begins,
    /// The receiver knows it already.
    #[default]
    Continues,
    /// The alert is resolved.
    Ends,
}

/// The stage of a message, and the end of the quiet hours that hold it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub(crate) stage: Stage,
    pub(crate) until_unix_ms: Option<i64>,
}

impl Hold {
    /// A message that is not held.
    pub(crate) fn of(state: AlertState) -> Self {
        let stage = match state {
            AlertState::Firing | AlertState::Reopened => Stage::Begins,
            AlertState::Updated | AlertState::Flapping => Stage::Continues,
            AlertState::Resolved => Stage::Ends,
        };
        Self { stage, until_unix_ms: None }
    }
}

impl Delivery {
    /// Holds the message until a time. The day after which it is given up starts then.
    pub(crate) fn hold(&mut self, until_unix_ms: i64) {
        let progress = &mut self.progress;
        if progress.attempts == 0 {
            self.hold.until_unix_ms = Some(until_unix_ms);
        }
        let wait_ms = until_unix_ms.saturating_sub(progress.due_unix_ms).max(0);
        progress.due_unix_ms = progress.due_unix_ms.saturating_add(wait_ms);
        progress.queued_unix_ms = progress.queued_unix_ms.saturating_add(wait_ms);
    }

    /// The server has started again: its operator may have mended what failed, or may have changed
    /// the quiet hours. A held message is due now, and one that failed is due soon.
    pub(crate) fn resume(&mut self, unix_ms: i64) {
        let was_held = self.hold.until_unix_ms.take().is_some();
        let progress = &mut self.progress;
        let soon = unix_ms.saturating_add(RESUMED_AFTER_MS);
        if was_held {
            progress.due_unix_ms = progress.due_unix_ms.min(unix_ms);
        } else if progress.attempts > 0 {
            progress.due_unix_ms = progress.due_unix_ms.min(soon);
        }
        progress.queued_unix_ms = progress.queued_unix_ms.min(unix_ms);
    }

    /// Takes the place of a former message of the same alert, which was not delivered.
    ///
    /// `false` when the alert began and ended while it was held: the receiver gets nothing.
    pub(crate) fn follow(&mut self, former: &Self) -> bool {
        let was_held = former.hold.until_unix_ms.is_some() && former.progress.attempts == 0;
        let is_same_night = former.hold.until_unix_ms == self.hold.until_unix_ms;
        match (former.hold.stage, self.hold.stage) {
            (Stage::Begins, Stage::Ends) => return !(was_held && is_same_night),
            (Stage::Begins, Stage::Begins | Stage::Continues) => self.hold.stage = Stage::Begins,
            // The receiver still believes that it fires.
            (Stage::Continues | Stage::Ends, Stage::Begins) => self.hold.stage = Stage::Continues,
            (Stage::Continues | Stage::Ends, Stage::Continues | Stage::Ends) => {}
        }
        true
    }
}
