//! Finds what other programs have changed, and reports it to the feed.
//! Never: a read of the authority without a change; a read by the writer thread.

use std::collections::HashMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use portcullis_model::RoomId;
use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::changes::{Change, CommitFeed, RecheckOutcome};
use crate::error::StoreError;
use crate::rows::access_snapshot::AccessSnapshot;
use crate::rows::blocks::BlockRow;
use crate::rows::operator::OperatorAction;
use crate::sqlite::account_tables::access_snapshot::read_access_snapshot;
use crate::sqlite::account_tables::operator_actions::operator_actions;
use crate::sqlite::reader::Readers;
use crate::sqlite::tables::cleanup::deleted_rooms;
use crate::sqlite::writer::commit::Writer;

/// Longest wait of the writer until the reader has its snapshot; a reader starts in microseconds.
const SNAPSHOT_MAX: Duration = Duration::from_millis(100);

/// Work between two transactions, which needs no lock on the database.
pub(crate) type Interlude = Box<dyn FnOnce(&mut Writer<'_>, &mut dyn CommitFeed) + Send>;

/// The findings of a reader in its snapshot.
struct ExternalState {
    authority: AccessSnapshot,
    actions: Vec<(i64, OperatorAction)>,
    /// Rooms that are marked as deleted; another connection can have done that.
    deleted_rooms: Vec<RoomId>,
}

/// A request to recheck.
pub(crate) struct RecheckRequest {
    /// The reader thread.
    pub(crate) reader: Readers,
    /// The queue back to the writer.
    pub(crate) interludes: SyncSender<Interlude>,
    /// Wakes the writer, which may wait for a change.
    pub(crate) wake: Box<dyn Fn() + Send>,
    /// The caller.
    pub(crate) reply: oneshot::Sender<Result<RecheckOutcome, StoreError>>,
}

impl Writer<'_> {
    /// Checks whether another connection has changed anything; see [`crate::ChangeStore::recheck`].
    ///
    /// Runs between two transactions, and needs no lock: a reader reads committed data.
    pub(crate) fn recheck(&mut self, request: RecheckRequest) {
        self.authority.retry_removal();
        // The version of this connection's view changes when another connection has committed.
        let version =
            self.state.connection.pragma_query_value(None, "data_version", |row| row.get(0));
        let version: i64 = match version {
            Ok(version) => version,
            Err(error) => return send(request.reply, Err(error.into())),
        };
        if self.authority.is_reported(version) {
            return send(request.reply, Ok(RecheckOutcome::Unchanged));
        }
        // The other connection may have changed cached rooms and members.
        self.state.cache.clear();
        if self.authority.is_reading() {
            return send(request.reply, Err(StoreError::Busy));
        }
        self.authority.start_reading();
        let above = self.authority.reported_action();
        let RecheckRequest { reader, interludes, wake, reply } = request;
        let (has_snapshot, snapshot) = sync_channel(1);
        let queued = reader.run(move |connection| {
            let found = read_external(connection, above, &has_snapshot);
            let interlude: Interlude = Box::new(move |writer, feed| {
                send(reply, writer.report(found, version, feed));
            });
            // Fails if the writer has ended, which drops the reply.
            let _ = interludes.send(interlude);
            wake();
        });
        match queued {
            // From here on every own change is newer than the snapshot.
            Ok(()) => drop(snapshot.recv_timeout(SNAPSHOT_MAX)),
            Err(error) => {
                self.authority.end_reading();
                tracing::warn!(%error, "the authority cannot be read now");
            }
        }
    }

    /// Reports a reader's findings to the feed, updated with the writer's own changes since then.
    fn report(
        &mut self,
        found: Result<ExternalState, StoreError>,
        version: i64,
        feed: &mut dyn CommitFeed,
    ) -> Result<RecheckOutcome, StoreError> {
        let own = self.authority.end_reading();
        let ExternalState { mut authority, actions, deleted_rooms } = found?;
        let Some(own) = own else { return Err(StoreError::Busy) };
        apply_own_changes(&mut authority, own);
        let mut changes = vec![Change::AccessSnapshot(Box::new(authority))];
        for (number, action) in actions {
            self.authority.set_reported_action(number);
            changes.push(Change::Operator(action));
        }
        for room in deleted_rooms {
            self.state.cleanup.room_deleted();
            self.state.cache.remove_room(&room);
            changes.push(Change::RoomDeleted { room });
        }
        feed.committed(&changes);
        self.authority.set_reported(version);
        Ok(RecheckOutcome::Reported)
    }
}

fn send(
    reply: oneshot::Sender<Result<RecheckOutcome, StoreError>>,
    outcome: Result<RecheckOutcome, StoreError>,
) {
    // A caller that has stopped waiting will request another recheck.
    let _ = reply.send(outcome);
}

/// Reads the authority and the unreported actions of operators, as of one moment.
fn read_external(
    connection: &Connection,
    above: i64,
    has_snapshot: &SyncSender<()>,
) -> Result<ExternalState, StoreError> {
    let snapshot = connection.unchecked_transaction()?;
    // The first statement fixes the snapshot.
    let actions = operator_actions(&snapshot, above)?;
    let _ = has_snapshot.send(());
    let deleted_rooms = deleted_rooms(&snapshot)?;
    Ok(ExternalState { authority: read_access_snapshot(&snapshot)?, actions, deleted_rooms })
}

/// Applies later changes, so that the older snapshot does not undo them.
fn apply_own_changes(authority: &mut AccessSnapshot, own: Vec<Change>) {
    if own.is_empty() {
        return;
    }
    let mut users: HashMap<_, _> =
        authority.users.drain(..).map(|user| (user.id.clone(), user)).collect();
    let mut sessions: HashMap<_, _> =
        authority.sessions.drain(..).map(|session| (session.id.clone(), session)).collect();
    for change in own {
        match change {
            Change::User(user) => drop(users.insert(user.id.clone(), user)),
            Change::Session(session) => drop(sessions.insert(session.id.clone(), session)),
            Change::SessionEnded { session, .. } => drop(sessions.remove(&session)),
            Change::Revoked(revocation) => authority.revocations.push(revocation),
            Change::Blocked(block) => {
                authority.blocks.retain(|known| known.prefix != block.prefix);
                authority.blocks.push(block);
            }
            Change::Unblocked { prefix } | Change::BlockEnded(BlockRow { prefix, .. }) => {
                authority.blocks.retain(|known| known.prefix != prefix);
            }
            Change::AccessSnapshot(_)
            | Change::Operator(_)
            | Change::Invited { .. }
            | Change::Barred { .. }
            | Change::RoomCreated { .. }
            | Change::Joined { .. }
            | Change::Left { .. }
            | Change::RoomDeleted { .. }
            | Change::Message { .. }
            | Change::Resumed { .. } => {}
        }
    }
    authority.users = users.into_values().collect();
    authority.sessions = sessions.into_values().collect();
}

#[cfg(test)]
mod tests;
