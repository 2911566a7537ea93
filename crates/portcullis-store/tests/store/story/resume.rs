//! Recovered connections in the story: missed messages, once and in order.
//! Never: concurrent senders; they are in `resume_concurrency.rs`.

use super::*;

/// A recovered connection gets the missed messages, in order with all other changes.
pub(super) async fn check_resume(world: &World<'_>) {
    for name in ["ann", "bob"] {
        assert_eq!(world.user(name).await, CreateUserOutcome::Created);
    }
    for (id, visibility) in [("lobby", Visibility::Public), ("cellar", Visibility::Private)] {
        assert_eq!(world.room(id, "ann", visibility).await, CreateRoomOutcome::Created);
    }
    assert_eq!(
        world.join("lobby", "bob").await,
        JoinOutcome::Joined { seq: 0, already: false, by_role: false }
    );
    world.feed.take();
    let resume = |rooms: &[&str], after, limit| {
        let rooms = rooms.iter().map(|id| room_id(id)).collect();
        world.store.resume(ResumeRequest { user: user_id("bob"), origin: 5, rooms, after, limit })
    };
    assert_eq!(world.send("ann", "lobby", "r1").await.unwrap(), stored("r1", 1));
    let first = world.feed.messages().last().unwrap().number;

    // The requests run in order; each sees the messages stored before it.
    world.store.append(message("bob", "lobby", "r2")).await.unwrap();
    world.store.append(message("ann", "cellar", "r3")).await.unwrap();
    let one = ResumeOutcome::Resumed { rooms: 1, missed: 1 };
    let answer = resume(&["lobby", "cellar", "attic"], first, 10).await.unwrap();
    assert_eq!(answer, one, "not a member of the cellar, and the attic does not exist");
    world.store.append(message("ann", "lobby", "r4")).await.unwrap();
    let two = ResumeOutcome::Resumed { rooms: 1, missed: 2 };
    assert_eq!(resume(&["lobby"], first, 10).await.unwrap(), two);
    let changes = world.feed.take();
    let reported: Vec<_> = changes
        .iter()
        .map(|change| match change {
            Change::Message { row, .. } => row.text.clone(),
            Change::Resumed { origin: 5, rooms, missed } => {
                assert_eq!(*rooms, [room_id("lobby")]);
                missed.iter().map(|row| format!("+{}", row.text)).collect()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(reported, ["r1", "r2", "r3", "+r2", "r4", "+r2+r4"]);

    // Messages of several rooms have the order in which they were stored.
    assert_eq!(world.send("ann", "lobby", "r5").await.unwrap(), stored("r5", 4));
    let everywhere = ResumeRequest {
        user: user_id("ann"),
        origin: 6,
        rooms: vec![room_id("cellar"), room_id("lobby")],
        after: first,
        limit: 10,
    };
    let answer = world.store.resume(everywhere).await.unwrap();
    assert_eq!(answer, ResumeOutcome::Resumed { rooms: 2, missed: 4 });
    match world.feed.take().last() {
        Some(Change::Resumed { missed, .. }) => {
            let texts: Vec<_> = missed.iter().map(|row| &*row.text).collect();
            assert_eq!(texts, ["r2", "r3", "r4", "r5"]);
            assert!(missed.windows(2).all(|pair| pair[0].number < pair[1].number));
        }
        other => panic!("{other:?}"),
    }

    // A connection that missed too much gets `TooMany`, and the feed reports nothing.
    assert_eq!(resume(&["lobby"], first, 2).await.unwrap(), ResumeOutcome::TooMany);
    assert_eq!(resume(&["lobby"; 129], first, 10).await.unwrap(), ResumeOutcome::TooMany);
    assert_eq!(world.feed.take(), []);
    let nothing = ResumeOutcome::Resumed { rooms: 1, missed: 0 };
    assert_eq!(resume(&["lobby"], u64::MAX, 10).await.unwrap(), nothing);
}

/// The rooms and texts of one resume.
type ResumeReport<'c> = (Vec<&'c str>, Vec<&'c str>);

/// The resumes that the feed reports, in order.
fn resumes(changes: &[Change]) -> Vec<ResumeReport<'_>> {
    fn report(change: &Change) -> Option<ResumeReport<'_>> {
        let Change::Resumed { rooms, missed, .. } = change else { return None };
        let rooms = rooms.iter().map(RoomId::as_str).collect();
        Some((rooms, missed.iter().map(|row| &*row.text).collect()))
    }
    changes.iter().filter_map(report).collect()
}

/// A resume omits rooms that are left or deleted before it, in one batch or in several.
pub(super) async fn check_departures(world: &World<'_>) {
    assert_eq!(world.room("porch", "bob", Visibility::Public).await, CreateRoomOutcome::Created);
    assert_eq!(
        world.join("porch", "ann").await,
        JoinOutcome::Joined { seq: 0, already: false, by_role: false }
    );
    let start = world.feed.messages().last().map_or(0, |row| row.number);
    world.feed.take();
    let everywhere =
        |origin| world.store.resume(resume_request("ann", origin, &["porch", "lobby"], start));
    let (store, resumed) = (&world.store, |rooms, missed| ResumeOutcome::Resumed { rooms, missed });
    store.append(message("ann", "porch", "p1")).await.unwrap();
    store.append(message("ann", "lobby", "p2")).await.unwrap();
    assert_eq!(everywhere(1).await.unwrap(), resumed(2, 2));
    assert_eq!(
        store.leave_room(room_id("porch"), user_id("ann")).await.unwrap(),
        LeaveOutcome::Left
    );
    store.append(message("bob", "porch", "p3")).await.unwrap();
    assert_eq!(everywhere(2).await.unwrap(), resumed(1, 1));

    // A user who joins again also gets the messages from before: the history has them too.
    assert_eq!(
        world.join("porch", "ann").await,
        JoinOutcome::Joined { seq: 2, already: false, by_role: false }
    );
    let all = ResumeOutcome::Resumed { rooms: 2, missed: 3 };
    assert_eq!(everywhere(3).await.unwrap(), all);

    // A new room with the id of a deleted one has none of its messages.
    let anew = NewRoom {
        id: room_id("porch"),
        name: Arc::from("Room porch"),
        visibility: Visibility::Public,
        owner: user_id("ann"),
        created_unix_ms: 1,
        origin: 7,
        rooms_per_user_max: 9,
        party: 0,
        fence: None,
    };
    store.append(message("bob", "porch", "p4")).await.unwrap();
    let deleted = store.delete_room(deletion("porch", "bob")).await.unwrap();
    assert_eq!(deleted, DeleteRoomOutcome::Deleted);
    assert_eq!(everywhere(4).await.unwrap(), resumed(1, 1));
    assert_eq!(store.create_room(anew).await.unwrap(), CreateRoomOutcome::Created);
    assert_eq!(everywhere(5).await.unwrap(), resumed(2, 1));
    store.append(message("ann", "porch", "p5")).await.unwrap();
    assert_eq!(everywhere(6).await.unwrap(), resumed(2, 2));

    // An unknown user and a request without rooms get nothing. A room named twice counts once.
    let nothing = ResumeOutcome::Resumed { rooms: 0, missed: 0 };
    let ghost = resume_request("ghost", 7, &["porch", "lobby"], 0);
    assert_eq!(world.store.resume(ghost).await.unwrap(), nothing);
    assert_eq!(world.store.resume(resume_request("ann", 8, &[], 0)).await.unwrap(), nothing);
    let twice = resume_request("ann", 9, &["porch", "porch"], start);
    let once = ResumeOutcome::Resumed { rooms: 1, missed: 1 };
    assert_eq!(world.store.resume(twice).await.unwrap(), once);

    let changes = world.feed.take();
    let expect: [(&[&str], &[&str]); 9] = [
        (&["porch", "lobby"], &["p1", "p2"]),
        (&["lobby"], &["p2"]),
        (&["porch", "lobby"], &["p1", "p2", "p3"]),
        (&["lobby"], &["p2"]),
        (&["porch", "lobby"], &["p2"]),
        (&["porch", "lobby"], &["p2", "p5"]),
        (&[], &[]),
        (&[], &[]),
        (&["porch"], &["p5"]),
    ];
    let expect = expect.map(|(rooms, missed)| (rooms.to_vec(), missed.to_vec()));
    assert_eq!(resumes(&changes), expect);
}

/// The limit is for all rooms together: one message more is too many.
pub(super) async fn check_bounds(world: &World<'_>) {
    let start = world.feed.messages().last().unwrap().number;
    for (id, text) in [("lobby", "l1"), ("cellar", "l2"), ("porch", "l3"), ("lobby", "l4")] {
        assert!(matches!(world.send("ann", id, text).await, Ok(AppendOutcome::Stored { .. })));
    }
    world.feed.take();
    let rooms = ["lobby", "cellar", "porch"];
    let enough = ResumeOutcome::Resumed { rooms: 3, missed: 4 };
    // The limit is clamped to at least 1, so 0 means 1.
    let cases = [(4, enough), (3, ResumeOutcome::TooMany), (0, ResumeOutcome::TooMany)];
    for (limit, expect) in cases {
        let resume = ResumeRequest { limit, ..resume_request("ann", 1, &rooms, start) };
        assert_eq!(world.store.resume(resume).await.unwrap(), expect, "{limit}");
    }
    let after = world.feed.take();
    assert_eq!(resumes(&after), [(rooms.to_vec(), vec!["l1", "l2", "l3", "l4"])]);

    let one = ResumeRequest { limit: 0, ..resume_request("ann", 1, &["porch", "cellar"], start) };
    assert_eq!(world.store.resume(one).await.unwrap(), ResumeOutcome::TooMany);
    let one = ResumeRequest { limit: 0, ..resume_request("ann", 1, &["porch"], start) };
    let answer = world.store.resume(one).await.unwrap();
    assert_eq!(answer, ResumeOutcome::Resumed { rooms: 1, missed: 1 });

    // The largest allowed number of rooms, most of which do not exist.
    let names: Vec<String> = (0..127).map(|number| format!("none-{number}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.push("porch");
    let answer = world.store.resume(resume_request("ann", 1, &names, start)).await.unwrap();
    assert_eq!(answer, ResumeOutcome::Resumed { rooms: 1, missed: 1 });
    world.feed.take();
    names.push("lobby");
    let answer = world.store.resume(resume_request("ann", 1, &names, start)).await.unwrap();
    assert_eq!(answer, ResumeOutcome::TooMany);
    assert_eq!(world.feed.take(), []);
}

/// A reported number is never assigned again, even after its message is deleted and a restart.
pub(super) async fn check_numbers(mut world: World<'_>) {
    let mut highest = 0;
    for (round, deleted) in ["porch", "cellar"].into_iter().enumerate() {
        for (id, text) in [("lobby", "low"), (deleted, "high")] {
            let text = format!("{text}-{round}");
            assert!(matches!(world.send("ann", id, &text).await, Ok(AppendOutcome::Stored { .. })));
            let number = world.feed.messages().last().unwrap().number;
            assert!(number > highest, "{number} after {highest}");
            highest = number;
        }
        assert_eq!(world.delete(deleted, "ann").await, DeleteRoomOutcome::Deleted);
        world = world.reopen().await;
    }
    assert!(matches!(world.send("ann", "lobby", "next").await, Ok(AppendOutcome::Stored { .. })));
    let changes = world.feed.messages();
    assert!(changes[0].number > highest, "{} after {highest}", changes[0].number);
    // A connection from before the restart has missed exactly this message.
    let answer = world.store.resume(resume_request("ann", 1, &["lobby"], highest)).await.unwrap();
    assert_eq!(answer, ResumeOutcome::Resumed { rooms: 1, missed: 1 });
    assert_eq!(resumes(&world.feed.take()), [(vec!["lobby"], vec!["next"])]);
    let page = HistoryRequest { room: room_id("lobby"), before: None, after: None, limit: 1 };
    let (rows, _) = world.store.history(page).await.unwrap();
    assert_eq!(rows, changes);
}
