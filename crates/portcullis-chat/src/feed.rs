//! From commits to the directory, and from there to every member, in commit order.
//! Never: a delivery before its commit, or to someone whose membership has ended.

use std::sync::{Arc, OnceLock};

use portcullis_guard::{Directory, RoomFacts, UserFacts};
use portcullis_model::{ConnectionId, Namespace, RoomId};
use portcullis_server::{Delta, Frame, Hub, Payload};
use portcullis_store::{Change, CommitFeed, MessageRow, RoomRow, UserRow};
use serde::Serialize;

use crate::presence::member_frame;
use crate::view::{DeletedView, MemberChange, MessageView, VisibilityWord};

/// Hears of commits: first the directory learns of a batch, then every shard.
///
/// The store opens before the server, so the hub is attached later, through any clone. What is
/// committed before that reaches the directory alone: nobody is connected yet.
#[derive(Clone)]
pub struct Feed {
    directory: Arc<Directory>,
    hub: Arc<OnceLock<Hub>>,
}

impl Feed {
    /// A feed that changes this directory.
    #[must_use]
    pub fn new(directory: Arc<Directory>) -> Self {
        Self { directory, hub: Arc::default() }
    }

    /// Says where to deliver from now on; the first hub attached stays.
    pub fn attach(&self, hub: Hub) {
        let _first_stays = self.hub.set(hub);
    }
}

impl CommitFeed for Feed {
    fn committed(&mut self, changes: &[Change]) {
        let mut deltas = Vec::with_capacity(changes.len() + 4);
        for change in changes {
            apply(&self.directory, change, &mut deltas);
        }
        match self.hub.get() {
            Some(hub) if !deltas.is_empty() => hub.deliver_blocking(deltas),
            Some(_) | None => {}
        }
    }
}

/// Changes the directory and says what the shards have to do, in this order.
fn apply(directory: &Directory, change: &Change, deltas: &mut Vec<Delta>) {
    match change {
        Change::User(row) => {
            let user = row.id.clone();
            let known = directory.user(&user).is_some();
            kept(directory.put_user(user_facts(row)));
            if known {
                deltas.push(Delta::Recheck { user });
            }
        }
        Change::RoomCreated { room, origin, seq: _ } => {
            kept(
                directory.put_room(room_facts(room)) && directory.add_member(&room.id, &room.owner),
            );
            subscribe(&room.id, *origin, deltas);
        }
        Change::Joined { room, user, username, seq: _, already, origin } => {
            let change = if !already {
                kept(directory.add_member(room, user));
                Some(MemberChange::Joined)
            } else if directory.watching(room, user) == 0 {
                Some(MemberChange::Online)
            } else {
                None
            };
            subscribe(room, *origin, deltas);
            let frame = change.and_then(|change| member_frame(room, user, username, change));
            publish(room, frame, deltas);
        }
        Change::Left { room, user, username } => {
            directory.remove_member(room, user);
            deltas.push(Delta::Unsubscribe { room: room.clone(), user: user.clone() });
            publish(room, member_frame(room, user, username, MemberChange::Left), deltas);
        }
        Change::RoomDeleted { room } => {
            directory.remove_room(room);
            let payload = DeletedView { room_id: room.as_str() };
            publish(room, event_frame("room:deleted", &payload), deltas);
            deltas.push(Delta::CloseRoom { room: room.clone() });
        }
        Change::Message { row, origin: _ } => {
            publish(&row.room, message_frame(row), deltas);
        }
        Change::Resumed { origin, rooms, missed } => {
            let connection = ConnectionId::from_bits(*origin);
            let missed = missed.iter().filter_map(message_frame).collect();
            deltas.push(Delta::Resume { connection, rooms: rooms.clone(), missed });
        }
    }
}

/// From here on the connection that asked hears the room; 0 is no connection.
fn subscribe(room: &RoomId, origin: u64, deltas: &mut Vec<Delta>) {
    if origin != 0 {
        let connection = ConnectionId::from_bits(origin);
        deltas.push(Delta::Subscribe { room: room.clone(), connection });
    }
}

fn publish(room: &RoomId, frame: Option<Arc<Frame>>, deltas: &mut Vec<Delta>) {
    if let Some(frame) = frame {
        deltas.push(Delta::Publish { room: room.clone(), frame });
    }
}

fn message_frame(row: &MessageRow) -> Option<Arc<Frame>> {
    let payload = Payload::of(&MessageView::new(row));
    Some(Frame::recoverable(Namespace::MAIN, "chat:message", &payload, row.number))
}

fn event_frame<T: Serialize>(name: &str, payload: &T) -> Option<Arc<Frame>> {
    serde_json::to_string(payload).ok().map(|json| Frame::event(name, &json))
}

/// Without space in the directory a user, room or member exists in the store only.
fn kept(kept: bool) {
    if !kept {
        tracing::error!("the directory is full: what is new is refused until there is space");
    }
}

/// A user as decisions see them.
pub(crate) fn user_facts(row: &UserRow) -> UserFacts {
    UserFacts {
        id: row.id.clone(),
        name: row.username.to_string(),
        roles: row.roles,
        disabled: row.disabled,
        valid_after_unix_ms: row.valid_after_unix_ms,
    }
}

/// A room as decisions see it.
pub(crate) fn room_facts(row: &RoomRow) -> RoomFacts {
    RoomFacts {
        id: row.id.clone(),
        name: row.name.to_string(),
        owner: row.owner.clone(),
        visibility: VisibilityWord::from(row.visibility).into(),
    }
}

#[cfg(test)]
mod tests {
    use portcullis_guard::DirectoryLimits;
    use portcullis_model::{MessageId, Roles, UserId};
    use portcullis_store::Visibility;

    use super::*;

    fn room() -> RoomId {
        RoomId::parse("r").unwrap()
    }

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    fn user_change(id: &str) -> Change {
        Change::User(UserRow {
            id: user(id),
            username: Arc::from(id),
            roles: Roles::user(),
            disabled: false,
            valid_after_unix_ms: 0,
        })
    }

    fn created() -> Change {
        let room = RoomRow {
            id: room(),
            name: Arc::from("Tea"),
            owner: user("ann"),
            visibility: Visibility::Private,
        };
        Change::RoomCreated { room, origin: 1, seq: 0 }
    }

    fn joined(already: bool, origin: u64) -> Change {
        let (user, username) = (user("bob"), Arc::from("bob"));
        Change::Joined { room: room(), user, username, seq: 3, already, origin }
    }

    fn left() -> Change {
        Change::Left { room: room(), user: user("bob"), username: Arc::from("bob") }
    }

    fn message() -> Change {
        let row = MessageRow {
            id: MessageId::parse("m").unwrap(),
            seq: 1,
            number: 7,
            room: room(),
            user: user("ann"),
            username: Arc::from("ann"),
            text: String::from("hello"),
            html: None,
            reply_to: None,
            sent_unix_ms: 5,
        };
        Change::Message { row, origin: 1 }
    }

    fn resumed() -> Change {
        let Change::Message { row, .. } = message() else { unreachable!("a message is one") };
        Change::Resumed { origin: 1, rooms: vec![room()], missed: vec![row] }
    }

    fn names(directory: &Directory, change: &Change) -> Vec<&'static str> {
        let mut deltas = Vec::new();
        apply(directory, change, &mut deltas);
        let name = |delta: &Delta| match delta {
            Delta::Publish { .. } => "publish",
            Delta::Announce { .. } => "announce",
            Delta::Subscribe { .. } => "subscribe",
            Delta::Unsubscribe { .. } => "unsubscribe",
            Delta::CloseRoom { .. } => "close",
            Delta::Recheck { .. } => "recheck",
            Delta::Resume { .. } => "resume",
            Delta::Operate(_) | Delta::Acknowledge(_) => "other",
        };
        deltas.iter().map(name).collect()
    }

    fn check(directory: &Directory, change: &Change, expect: &[&str]) {
        assert_eq!(names(directory, change), expect, "{change:?}");
    }

    #[test]
    fn every_change_reaches_the_directory_and_says_what_the_shards_do() {
        let directory = Directory::new(DirectoryLimits::default());
        check(&directory, &user_change("ann"), &[]);
        check(&directory, &user_change("bob"), &[]);
        check(&directory, &user_change("bob"), &["recheck"]);
        check(&directory, &created(), &["subscribe"]);
        let live = directory.room(&room()).unwrap();
        assert!(live.is_member(&user("ann")));

        check(&directory, &joined(false, 2), &["subscribe", "publish"]);
        assert!(live.is_member(&user("bob")));
        check(&directory, &joined(true, 2), &["subscribe", "publish"]);
        directory.watch(&room(), &user("bob"));
        check(&directory, &joined(true, 3), &["subscribe"]);
        check(&directory, &joined(true, 0), &[]);
        check(&directory, &message(), &["publish"]);
        check(&directory, &resumed(), &["resume"]);

        check(&directory, &left(), &["unsubscribe", "publish"]);
        assert!(!live.is_member(&user("bob")));
        check(&directory, &Change::RoomDeleted { room: room() }, &["publish", "close"]);
        assert!(directory.room(&room()).is_none());
    }

    #[test]
    fn before_the_hub_is_attached_the_directory_still_learns() {
        let directory = Arc::new(Directory::new(DirectoryLimits::default()));
        let mut feed = Feed::new(Arc::clone(&directory));
        feed.committed(&[user_change("ann"), created(), joined(false, 2), left(), message()]);
        assert_eq!(directory.room(&room()).unwrap().members(), [user("ann")]);
    }
}
