//! Rooms in the story: membership, limits, deletion.
//! Never: messages.

use super::*;

pub(super) async fn check_rooms(world: &World<'_>) {
    world.feed.take();
    assert_eq!(world.room("lobby", "ann", Visibility::Public).await, CreateRoomOutcome::Created);
    assert_eq!(world.room("cellar", "ann", Visibility::Private).await, CreateRoomOutcome::Created);
    assert_eq!(world.room("attic", "ann", Visibility::Public).await, CreateRoomOutcome::Created);
    assert_eq!(world.room("roof", "ann", Visibility::Public).await, CreateRoomOutcome::TooMany);
    assert_eq!(world.store.last_seq(room_id("lobby")).await.unwrap(), Some(0));
    assert_eq!(world.store.last_seq(room_id("roof")).await.unwrap(), None);

    let joined = |already| JoinOutcome::Joined { seq: 0, already, by_role: false };
    let cases = [
        ("lobby", "ann", joined(true)), // the owner is a member from the start
        ("lobby", "bob", joined(false)),
        ("lobby", "bob", joined(true)),
        ("cellar", "bob", JoinOutcome::Missing), // private
        ("nowhere", "bob", JoinOutcome::Missing),
        ("lobby", "ghost", JoinOutcome::Missing),
        ("lobby", "root", joined(false)),
        ("lobby", "eve", JoinOutcome::Full),
        ("lobby", "root", joined(true)), // full, but already a member
    ];
    for (id, name, expect) in cases {
        assert_eq!(world.join(id, name).await, expect, "{name} joins {id}");
    }
    assert_eq!(world.leave("lobby", "root").await, LeaveOutcome::Left);
    assert_eq!(world.leave("lobby", "root").await, LeaveOutcome::NotMember);
    assert_eq!(world.leave("nowhere", "root").await, LeaveOutcome::NotMember);
    assert_eq!(world.join("lobby", "eve").await, joined(false), "the slot is free again");

    // The owner of a private room can leave, and join again.
    assert_eq!(world.leave("cellar", "ann").await, LeaveOutcome::Left);
    assert_eq!(world.join("cellar", "ann").await, joined(false));

    assert_eq!(world.delete("attic", "bob").await, DeleteRoomOutcome::Rejected);
    assert_eq!(world.delete("attic", "ann").await, DeleteRoomOutcome::Deleted);
    assert_eq!(world.delete("attic", "ann").await, DeleteRoomOutcome::Rejected);

    let changes = world.feed.take();
    let created = |change: &Change| matches!(change, Change::RoomCreated { origin: 7, seq: 0, .. });
    assert_eq!(changes.iter().filter(|change| created(change)).count(), 3);
    let joins: Vec<_> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Joined { room, username, already, origin: 8, .. } => {
                Some((room.as_str(), &**username, *already))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        joins,
        [
            ("lobby", "Ann", true),
            ("lobby", "bob", false),
            ("lobby", "bob", true),
            ("lobby", "root", false),
            ("lobby", "root", true),
            ("lobby", "eve", false),
            ("cellar", "Ann", false),
        ]
    );
    assert_eq!(changes.last(), Some(&Change::RoomDeleted { room: room_id("attic") }));
}
