//! The state after a restart in the story.
//! Never: an unclean end; the internal tests have it.

use super::*;

pub(super) async fn check_reopened_store(world: &World<'_>) {
    let loaded = world.store.load().await.unwrap();
    let mut users: Vec<_> = loaded.access.users.iter().map(|row| &*row.username).collect();
    users.sort_unstable();
    assert_eq!(users, ["Ann", "Ann from afar", "bob", "eve", "root"]);
    let mut rooms: Vec<_> =
        loaded.rooms.iter().map(|row| (row.room.id.as_str(), row.room.visibility)).collect();
    rooms.sort_unstable_by_key(|(id, _)| *id);
    assert_eq!(rooms, [("cellar", Visibility::Private), ("lobby", Visibility::Public)]);
    assert!(loaded.rooms.iter().all(|row| row.room.owner == user_id("ann")));
    let mut members: Vec<_> =
        loaded.members.iter().map(|(room, user)| (room.as_str(), user.as_str())).collect();
    members.sort_unstable();
    let expect = [("cellar", "u_ann"), ("lobby", "u_ann"), ("lobby", "u_bob"), ("lobby", "u_eve")];
    assert_eq!(members, expect);

    // Sequence numbers and keys continue after the restart.
    let newest = world.store.last_seq(room_id("lobby")).await.unwrap().unwrap();
    assert_eq!(world.history("lobby", (None, None, 1)).await, (vec![newest], true));
    let keyed = |text, sent_unix_ms| NewMessage {
        mid: Some(Mid::parse("key").unwrap()),
        digest: Some([1; 32]),
        sent_unix_ms,
        ..message("ann", "lobby", text)
    };
    let repeated = world.store.append(keyed("late", 6_000)).await.unwrap();
    assert!(matches!(repeated, AppendOutcome::Repeated { seq: 6, .. }), "{repeated:?}");
    assert_eq!(world.send("ann", "lobby", "after").await.unwrap(), stored("after", newest + 1));

    // After a day the key is free.
    let fresh = world.store.append(keyed("fresh", 5_000 + DAY_MS)).await.unwrap();
    assert!(matches!(fresh, AppendOutcome::Stored { seq, .. } if seq == newest + 2), "{fresh:?}");

    // A deleted room disappears at once; its id and the owner's slot are free.
    assert_eq!(world.delete("lobby", "ann").await, DeleteRoomOutcome::Deleted);
    assert_eq!(world.send("ann", "lobby", "no").await.unwrap(), AppendOutcome::NotMember);
    assert_eq!(world.history("lobby", (None, None, 3)).await, (vec![], false));
    assert_eq!(world.room("lobby", "bob", Visibility::Public).await, CreateRoomOutcome::Created);
    assert_eq!(world.send("bob", "lobby", "new").await.unwrap(), stored("new", 1));
}
