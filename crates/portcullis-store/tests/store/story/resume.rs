//! Recovered connections in the story: missed messages, once and in order.
//! Never: concurrent senders; they are in `resume_concurrency.rs`.

use super::*;

/// A connection that came back: what it missed, at its place among everything else.
pub(super) async fn resume_story(world: &World<'_>) {
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
    world.heard.take();
    let ask = |rooms: &[&str], after, limit| {
        let rooms = rooms.iter().map(|id| room(id)).collect();
        world.store.resume(ResumeRequest { user: user("bob"), origin: 5, rooms, after, limit })
    };
    assert_eq!(world.send("ann", "lobby", "r1").await.unwrap(), stored("r1", 1));
    let first = world.heard.messages().last().unwrap().number;

    // One after the other: each sees what was stored before it.
    world.store.append(message("bob", "lobby", "r2")).await.unwrap();
    world.store.append(message("ann", "cellar", "r3")).await.unwrap();
    let one = ResumeOutcome::Resumed { rooms: 1, missed: 1 };
    let answer = ask(&["lobby", "cellar", "attic"], first, 10).await.unwrap();
    assert_eq!(answer, one, "no member of the cellar, and no attic");
    world.store.append(message("ann", "lobby", "r4")).await.unwrap();
    let two = ResumeOutcome::Resumed { rooms: 1, missed: 2 };
    assert_eq!(ask(&["lobby"], first, 10).await.unwrap(), two);
    let heard = world.heard.take();
    let told: Vec<_> = heard
        .iter()
        .map(|change| match change {
            Change::Message { row, .. } => row.text.clone(),
            Change::Resumed { origin: 5, rooms, missed } => {
                assert_eq!(*rooms, [room("lobby")]);
                missed.iter().map(|row| format!("+{}", row.text)).collect()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["r1", "r2", "r3", "+r2", "r4", "+r2+r4"]);

    // Over several rooms they come in the order they were said.
    assert_eq!(world.send("ann", "lobby", "r5").await.unwrap(), stored("r5", 4));
    let everywhere = ResumeRequest {
        user: user("ann"),
        origin: 6,
        rooms: vec![room("cellar"), room("lobby")],
        after: first,
        limit: 10,
    };
    let answer = world.store.resume(everywhere).await.unwrap();
    assert_eq!(answer, ResumeOutcome::Resumed { rooms: 2, missed: 4 });
    match world.heard.take().last() {
        Some(Change::Resumed { missed, .. }) => {
            let texts: Vec<_> = missed.iter().map(|row| &*row.text).collect();
            assert_eq!(texts, ["r2", "r3", "r4", "r5"]);
            assert!(missed.windows(2).all(|pair| pair[0].number < pair[1].number));
        }
        other => panic!("{other:?}"),
    }

    // Who missed too much is told so, and the feed is told nothing.
    assert_eq!(ask(&["lobby"], first, 2).await.unwrap(), ResumeOutcome::TooMany);
    assert_eq!(ask(&["lobby"; 129], first, 10).await.unwrap(), ResumeOutcome::TooMany);
    assert_eq!(world.heard.take(), []);
    let nothing = ResumeOutcome::Resumed { rooms: 1, missed: 0 };
    assert_eq!(ask(&["lobby"], u64::MAX, 10).await.unwrap(), nothing);
}

/// The rooms and texts of one resume.
type Told<'c> = (Vec<&'c str>, Vec<&'c str>);

/// What the feed told of resumes, in order.
fn resumes(heard: &[Change]) -> Vec<Told<'_>> {
    fn told(change: &Change) -> Option<Told<'_>> {
        let Change::Resumed { rooms, missed, .. } = change else { return None };
        let rooms = rooms.iter().map(RoomId::as_str).collect();
        Some((rooms, missed.iter().map(|row| &*row.text).collect()))
    }
    heard.iter().filter_map(told).collect()
}

/// Rooms that are left or deleted fall out at that change's place, in one batch or in several.
pub(super) async fn resume_departures_story(world: &World<'_>) {
    assert_eq!(world.room("porch", "bob", Visibility::Public).await, CreateRoomOutcome::Created);
    assert_eq!(
        world.join("porch", "ann").await,
        JoinOutcome::Joined { seq: 0, already: false, by_role: false }
    );
    let start = world.heard.messages().last().map_or(0, |row| row.number);
    world.heard.take();
    let everywhere = |origin| world.store.resume(wish("ann", origin, &["porch", "lobby"], start));
    let (store, resumed) = (&world.store, |rooms, missed| ResumeOutcome::Resumed { rooms, missed });
    store.append(message("ann", "porch", "p1")).await.unwrap();
    store.append(message("ann", "lobby", "p2")).await.unwrap();
    assert_eq!(everywhere(1).await.unwrap(), resumed(2, 2));
    assert_eq!(store.leave_room(room("porch"), user("ann")).await.unwrap(), LeaveOutcome::Left);
    store.append(message("bob", "porch", "p3")).await.unwrap();
    assert_eq!(everywhere(2).await.unwrap(), resumed(1, 1));

    // Who comes back as a member hears what was said while it was none: it may read that anyway.
    assert_eq!(
        world.join("porch", "ann").await,
        JoinOutcome::Joined { seq: 2, already: false, by_role: false }
    );
    let all = ResumeOutcome::Resumed { rooms: 2, missed: 3 };
    assert_eq!(everywhere(3).await.unwrap(), all);

    // A room made anew under a deleted one's id has none of its messages.
    let anew = NewRoom {
        id: room("porch"),
        name: Arc::from("Room porch"),
        visibility: Visibility::Public,
        owner: user("ann"),
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

    // Nobody gets nothing, and so does who names no room; a room named twice counts once.
    let nothing = ResumeOutcome::Resumed { rooms: 0, missed: 0 };
    let ghost = wish("ghost", 7, &["porch", "lobby"], 0);
    assert_eq!(world.store.resume(ghost).await.unwrap(), nothing);
    assert_eq!(world.store.resume(wish("ann", 8, &[], 0)).await.unwrap(), nothing);
    let twice = wish("ann", 9, &["porch", "porch"], start);
    let once = ResumeOutcome::Resumed { rooms: 1, missed: 1 };
    assert_eq!(world.store.resume(twice).await.unwrap(), once);

    let heard = world.heard.take();
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
    assert_eq!(resumes(&heard), expect);
}

/// The limit counts over all rooms: as many as that are told, one more is too many.
pub(super) async fn resume_bounds_story(world: &World<'_>) {
    let start = world.heard.messages().last().unwrap().number;
    for (id, text) in [("lobby", "l1"), ("cellar", "l2"), ("porch", "l3"), ("lobby", "l4")] {
        assert!(matches!(world.send("ann", id, text).await, Ok(AppendOutcome::Stored { .. })));
    }
    world.heard.take();
    let rooms = ["lobby", "cellar", "porch"];
    let enough = ResumeOutcome::Resumed { rooms: 3, missed: 4 };
    // Held between 1 and the page's bound, so that 0 asks for one.
    let cases = [(4, enough), (3, ResumeOutcome::TooMany), (0, ResumeOutcome::TooMany)];
    for (limit, expect) in cases {
        let ask = ResumeRequest { limit, ..wish("ann", 1, &rooms, start) };
        assert_eq!(world.store.resume(ask).await.unwrap(), expect, "{limit}");
    }
    let after = world.heard.take();
    assert_eq!(resumes(&after), [(rooms.to_vec(), vec!["l1", "l2", "l3", "l4"])]);

    let one = ResumeRequest { limit: 0, ..wish("ann", 1, &["porch", "cellar"], start) };
    assert_eq!(world.store.resume(one).await.unwrap(), ResumeOutcome::TooMany);
    let one = ResumeRequest { limit: 0, ..wish("ann", 1, &["porch"], start) };
    let answer = world.store.resume(one).await.unwrap();
    assert_eq!(answer, ResumeOutcome::Resumed { rooms: 1, missed: 1 });

    // As many rooms as allowed, most of which are not there.
    let names: Vec<String> = (0..127).map(|number| format!("none-{number}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.push("porch");
    let answer = world.store.resume(wish("ann", 1, &names, start)).await.unwrap();
    assert_eq!(answer, ResumeOutcome::Resumed { rooms: 1, missed: 1 });
    world.heard.take();
    names.push("lobby");
    let answer = world.store.resume(wish("ann", 1, &names, start)).await.unwrap();
    assert_eq!(answer, ResumeOutcome::TooMany);
    assert_eq!(world.heard.take(), []);
}

/// A number that was told is not given again, though its message and the store are gone.
pub(super) async fn numbers_story(mut world: World<'_>) {
    let mut highest = 0;
    for (round, deleted) in ["porch", "cellar"].into_iter().enumerate() {
        for (id, text) in [("lobby", "low"), (deleted, "high")] {
            let text = format!("{text}-{round}");
            assert!(matches!(world.send("ann", id, &text).await, Ok(AppendOutcome::Stored { .. })));
            let number = world.heard.messages().last().unwrap().number;
            assert!(number > highest, "{number} after {highest}");
            highest = number;
        }
        assert_eq!(world.delete(deleted, "ann").await, DeleteRoomOutcome::Deleted);
        world = world.reopen().await;
    }
    assert!(matches!(world.send("ann", "lobby", "next").await, Ok(AppendOutcome::Stored { .. })));
    let heard = world.heard.messages();
    assert!(heard[0].number > highest, "{} after {highest}", heard[0].number);
    // Who was there before the restart misses exactly this, and history gives the same number.
    let answer = world.store.resume(wish("ann", 1, &["lobby"], highest)).await.unwrap();
    assert_eq!(answer, ResumeOutcome::Resumed { rooms: 1, missed: 1 });
    assert_eq!(resumes(&world.heard.take()), [(vec!["lobby"], vec!["next"])]);
    let page = HistoryRequest { room: room("lobby"), before: None, after: None, limit: 1 };
    let (rows, _) = world.store.history(page).await.unwrap();
    assert_eq!(rows, heard);
}
