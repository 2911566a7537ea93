//! State that the writer keeps between rechecks of the authority.
//! Never: a decision when to recheck.

use rusqlite::Connection;

use crate::changes::Change;
use crate::error::StoreError;
use crate::sqlite::account_tables::operator_actions::remove_operator_actions;

/// Most own changes that are kept while a reader reads the authority.
const OWN_MAX: usize = 65_536;

/// The changes of other connections, as far as the writer has reported them.
#[derive(Debug, Default)]
pub(super) struct AuthorityWatch {
    /// `PRAGMA data_version` at the last report to the feed.
    reported_version: Option<i64>,
    /// The writer's own changes since the snapshot that a reader reads; `None` without one.
    own: Option<Vec<Change>>,
    actions: ReportedActions,
}

/// The reported actions of operators, which can be removed.
#[derive(Debug, Default)]
struct ReportedActions {
    /// The highest number that was reported; 0 for none.
    number: i64,
    /// Whether the current batch removes them.
    is_removing: bool,
    /// Whether their removal failed; the next recheck allows another attempt.
    has_failed: bool,
}

impl AuthorityWatch {
    /// Whether the changes up to a version of the database were reported.
    pub(super) fn is_reported(&self, version: i64) -> bool {
        self.reported_version == Some(version)
    }

    /// Records that the changes up to a version were reported.
    pub(super) fn set_reported(&mut self, version: i64) {
        self.reported_version = Some(version);
    }

    /// Whether a reader reads the authority.
    pub(super) fn is_reading(&self) -> bool {
        self.own.is_some()
    }

    /// Starts to keep the writer's own changes.
    pub(super) fn start_reading(&mut self) {
        self.own = Some(Vec::new());
    }

    /// Ends the reading; returns the own changes since its start, or `None` if they are too many.
    pub(super) fn end_reading(&mut self) -> Option<Vec<Change>> {
        let own = self.own.take().unwrap_or_default();
        (own.len() <= OWN_MAX).then_some(own)
    }

    /// Records a commit of the writer.
    pub(super) fn committed(&mut self, changes: &[Change]) {
        if std::mem::take(&mut self.actions.is_removing) {
            // The table is empty up to there, and its numbers may start again.
            self.actions.number = 0;
        }
        if let Some(own) = &mut self.own {
            let of_authority = changes.iter().filter(|change| change.is_of_authority());
            own.extend(of_authority.take(OWN_MAX + 1 - own.len()).cloned());
        }
    }

    /// Records that the batch was rolled back.
    pub(super) fn rolled_back(&mut self) {
        self.actions.has_failed |= std::mem::take(&mut self.actions.is_removing);
    }

    /// The highest number of a reported action.
    pub(super) fn reported_action(&self) -> i64 {
        self.actions.number
    }

    /// Records that an action was reported.
    pub(super) fn set_reported_action(&mut self, number: i64) {
        self.actions.number = self.actions.number.max(number);
    }

    /// Allows another attempt to remove reported actions.
    pub(super) fn retry_removal(&mut self) {
        self.actions.has_failed = false;
    }

    /// Whether reported actions wait to be removed.
    pub(super) fn has_reported_actions(&self) -> bool {
        self.actions.number > 0 && !self.actions.has_failed
    }

    /// Removes the reported actions; inside a transaction.
    pub(super) fn remove_reported(&mut self, connection: &Connection) -> Result<(), StoreError> {
        if self.has_reported_actions() {
            self.actions.is_removing = true;
            remove_operator_actions(connection, self.actions.number)?;
        }
        Ok(())
    }
}
