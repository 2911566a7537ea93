//! Applies committed changes to the directory and delivers them to members, in commit order.
//! Never: a delivery before its commit, or to a user whose membership has ended.

use std::sync::Arc;

use portcullis_guard::{Charge, Directory, Party, RoomFacts};
use portcullis_model::{ConnectionId, Moment, Namespace, RoomId};
use portcullis_server::{DeliveryTiming, Delta, Frame, Payload};
use portcullis_store::{Change, MessageRow, RoomRow};
use serde::Serialize;

use crate::presence::member_frame;
use crate::view::{DeletedView, MemberChange, MemberView, MessageView, VisibilityWord};

/// Updates the directory, and appends the orders to the shards.
///
/// A whole batch is applied before the shards get its orders.
pub fn apply(directory: &Directory, change: &Change, deltas: &mut Vec<Delta>) {
    match change {
        Change::User(_)
        | Change::Session(_)
        | Change::SessionEnded { .. }
        | Change::Revoked(_)
        | Change::Blocked(_)
        | Change::Unblocked { .. }
        | Change::BlockEnded(_)
        | Change::AccessSnapshot(_)
        | Change::Operator(_) => {}
        Change::Invited { room, user, party } => {
            directory.invite(room, user, Party::from_bits(*party));
        }
        Change::Barred { room, user, party } => {
            directory.bar(room, user, Party::from_bits(*party));
        }
        Change::RoomCreated { room, origin, seq: _, created_unix_ms, party } => {
            let party = Party::from_bits(*party);
            let charge = Charge { party, active_unix_ms: *created_unix_ms };
            directory.put_charged_room(room_facts(room), charge);
            directory.add_charged_member(&room.id, &room.owner, party);
            subscribe(&room.id, *origin, deltas);
        }
        Change::Joined { room, user, username, seq: _, already, by_role, origin, party } => {
            let is_new =
                !already && directory.add_charged_member(room, user, Party::from_bits(*party));
            let online = || (directory.watching(room, user) == 0).then_some(MemberChange::Online);
            let change = if is_new { Some(MemberChange::Joined) } else { online() };
            subscribe(room, *origin, deltas);
            let external = directory.is_external(user);
            let member =
                |change| MemberView::new(room, user, username, change, external).by_role(*by_role);
            publish(room, change.and_then(|change| member_frame(&member(change))), deltas);
        }
        Change::Left { room, user, username } => {
            directory.remove_member(room, user);
            let external = directory.is_external(user);
            let view = MemberView::new(room, user, username, MemberChange::Left, external);
            // The connections of the user get it too, so that a kicked user is notified.
            publish(room, member_frame(&view), deltas);
            deltas.push(Delta::Unsubscribe { room: room.clone(), user: user.clone() });
        }
        Change::RoomDeleted { room } => {
            directory.remove_room(room);
            let payload = DeletedView { room_id: room.as_str() };
            publish(room, event_frame("room:deleted", &payload), deltas);
            deltas.push(Delta::CloseRoom { room: room.clone() });
        }
        Change::Message { row, origin: _, accepted } => {
            directory.note_activity(&row.room, row.sent_unix_ms);
            publish_since(&row.room, message_frame(directory, row), *accepted, deltas);
        }
        Change::Resumed { origin, rooms, missed } => {
            let connection = ConnectionId::from_bits(*origin);
            let missed = missed.iter().filter_map(|row| message_frame(directory, row)).collect();
            deltas.push(Delta::Resume { connection, rooms: rooms.clone(), missed });
        }
    }
}

/// Subscribes the connection of the request to the room; 0 means no connection.
fn subscribe(room: &RoomId, origin: u64, deltas: &mut Vec<Delta>) {
    if origin != 0 {
        let connection = ConnectionId::from_bits(origin);
        deltas.push(Delta::Subscribe { room: room.clone(), connection });
    }
}

fn publish(room: &RoomId, frame: Option<Arc<Frame>>, deltas: &mut Vec<Delta>) {
    publish_since(room, frame, None, deltas);
}

/// Publishes an event; its delivery is measured from the acceptance of its request.
fn publish_since(
    room: &RoomId,
    frame: Option<Arc<Frame>>,
    accepted: Option<Moment>,
    deltas: &mut Vec<Delta>,
) {
    if let Some(frame) = frame {
        let timing = DeliveryTiming::since(accepted);
        deltas.push(Delta::Publish { room: room.clone(), frame, timing });
    }
}

fn message_frame(directory: &Directory, row: &MessageRow) -> Option<Arc<Frame>> {
    let payload = Payload::of(&MessageView::new(row, directory.is_external(&row.user)));
    Some(Frame::recoverable(Namespace::MAIN, "chat:message", &payload, row.number))
}

fn event_frame<T: Serialize>(name: &str, payload: &T) -> Option<Arc<Frame>> {
    serde_json::to_string(payload).ok().map(|json| Frame::event(name, &json))
}

/// The facts about a room for decisions.
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
    use portcullis_guard::{DirectoryLimits, Relation};
    use portcullis_model::{MessageId, UserId};
    use portcullis_store::Visibility;

    use super::*;

    fn room() -> RoomId {
        RoomId::parse("r").unwrap()
    }

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    fn created() -> Change {
        let room = RoomRow {
            id: room(),
            name: Arc::from("Tea"),
            owner: user("ann"),
            visibility: Visibility::Private,
        };
        Change::RoomCreated { room, origin: 1, seq: 0, created_unix_ms: 5, party: 0 }
    }

    fn joined(already: bool, origin: u64) -> Change {
        let (user, username) = (user("bob"), Arc::from("bob"));
        let (room, by_role, party) = (room(), false, 0);
        Change::Joined { room, user, username, seq: 3, already, by_role, origin, party }
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
        Change::Message { row, origin: 1, accepted: None }
    }

    fn resumed() -> Change {
        let Change::Message { row, .. } = message() else {
            unreachable!("message() returns a message")
        };
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
            Delta::Resume { .. } => "resume",
            Delta::Recheck { .. }
            | Delta::RecheckAll
            | Delta::RecheckBlocks
            | Delta::Select(_)
            | Delta::Inspect(_)
            | Delta::Probe { .. }
            | Delta::Replace { .. }
            | Delta::Operate(_)
            | Delta::Acknowledge(_) => "other",
        };
        deltas.iter().map(name).collect()
    }

    fn check(directory: &Directory, change: &Change, expect: &[&str]) {
        assert_eq!(names(directory, change), expect, "{change:?}");
    }

    #[test]
    fn change_updates_the_directory_and_orders_the_shards() {
        let directory = Directory::new(DirectoryLimits::default());
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

        check(&directory, &left(), &["publish", "unsubscribe"]);
        assert!(!live.is_member(&user("bob")));
        let barred = Change::Barred { room: room(), user: user("bob"), party: 0 };
        check(&directory, &barred, &[]);
        assert_eq!(live.relation(&user("bob")), Relation::Barred);
        let invited = Change::Invited { room: room(), user: user("bob"), party: 0 };
        check(&directory, &invited, &[]);
        assert_eq!(live.relation(&user("bob")), Relation::Invited);
        check(&directory, &Change::RoomDeleted { room: room() }, &["publish", "close"]);
        assert!(directory.room(&room()).is_none());
    }
}
