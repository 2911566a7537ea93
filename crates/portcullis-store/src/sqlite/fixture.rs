//! Users, rooms, messages and feeds that the tests of the embedded store share.
//! Never: part of a build other than that of tests.

use std::sync::Arc;

use portcullis_model::{MessageId, Mid, Roles, RoomId, UserId, Visibility};

use crate::changes::{Change, CommitFeed};
use crate::health::disk_watch::DiskWatch;
use crate::rows::messages::NewMessage;
use crate::rows::rooms::NewRoom;
use crate::rows::users::NewUser;
use crate::sqlite::writer::commit::Writer;
use crate::sqlite::writer::task::Task;

/// A feed that ignores all changes.
pub(crate) struct SilentFeed;

impl CommitFeed for SilentFeed {
    fn committed(&mut self, _changes: &[Change]) {}
}

/// A disk that is never full.
pub(crate) fn healthy() -> DiskWatch {
    DiskWatch::new(0, Box::new(|| None), Arc::default())
}

/// Commits a batch, without work between two attempts to get the lock.
pub(crate) fn commit(
    writer: &mut Writer<'_>,
    batch: &mut Vec<Box<dyn Task>>,
    feed: &mut dyn CommitFeed,
) {
    writer.commit(batch, feed, &mut |_, _| ());
}

pub(crate) fn ann() -> NewUser {
    NewUser {
        id: UserId::parse("ann").unwrap(),
        username: Arc::from("Ann"),
        password_phc: None,
        issuer: None,
        subject: None,
        roles: Roles::user(),
        created_unix_ms: 0,
        setup: false,
        invitation: None,
        roles_issued_unix_ms: None,
    }
}

pub(crate) fn lobby() -> NewRoom {
    NewRoom {
        id: RoomId::parse("lobby").unwrap(),
        name: Arc::from("Lobby"),
        visibility: Visibility::Public,
        owner: ann().id,
        created_unix_ms: 0,
        origin: 0,
        party: 0,
        fence: None,
        rooms_per_user_max: 9,
    }
}

/// A message of Ann in the lobby, with its own key.
pub(crate) fn message(number: u32, sent_unix_ms: i64) -> NewMessage {
    NewMessage {
        id: MessageId::parse(&format!("m{number}")).unwrap(),
        room: lobby().id,
        user: ann().id,
        username: Arc::from("Ann"),
        text: "x".repeat(100),
        html: None,
        reply_to: None,
        mid: Mid::parse(&format!("k{number}")).ok(),
        digest: Some([7; 32]),
        sent_unix_ms,
        origin: 0,
        fence: None,
    }
}
