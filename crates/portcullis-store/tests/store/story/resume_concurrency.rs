//! Recovery in the story beside concurrent senders.
//! Never: a fixed order between the threads.

use super::*;

/// Clients send messages while others recover repeatedly: missed and live messages together are
/// all messages, once.
pub(super) async fn check_concurrent_resumes(world: &World<'_>) {
    const SENDERS: u64 = 4;
    const EACH: u64 = 100;
    const RECEIVERS: u64 = 3;
    const TIMES: u64 = 40;
    const BEFORE: u64 = 20;
    let rooms = ["lobby", "cellar", "porch"];
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    world.feed.take();
    // Every recovered connection has missed something.
    for (count, id) in (0..BEFORE).zip(rooms.iter().cycle()) {
        let answer = world.send("ann", id, &format!("before-{count}")).await.unwrap();
        assert!(matches!(answer, AppendOutcome::Stored { .. }), "{answer:?}");
    }
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            scope.spawn(move || {
                let runtime = runtime();
                for (count, id) in (0..EACH).zip(rooms.iter().cycle()) {
                    let text = format!("back-{sender}-{count}");
                    let answer = runtime.block_on(world.send("ann", id, &text)).unwrap();
                    assert!(matches!(answer, AppendOutcome::Stored { .. }), "{answer:?}");
                }
            });
        }
        for receiver in 1..=RECEIVERS {
            scope.spawn(move || {
                let runtime = runtime();
                for time in 0..TIMES {
                    // The connection has the first half of the messages; it has missed the rest.
                    let reported = world.feed.messages();
                    let after = reported[reported.len() / 2].number;
                    let origin = (after << 16) | (receiver << 8) | time;
                    let resume =
                        world.store.resume(resume_request("ann", origin, &rooms[1..], after));
                    let answer = runtime.block_on(resume).unwrap();
                    assert!(
                        matches!(answer, ResumeOutcome::Resumed { rooms: 2, .. }),
                        "{answer:?}"
                    );
                    let resumes = world.feed.count(|change| {
                        matches!(change, Change::Resumed { origin: of, .. } if *of == origin)
                    });
                    assert_eq!(resumes, 1);
                }
            });
        }
    });
    let changes = world.feed.take();
    let mut resumed = 0;
    let mut before: Vec<&MessageRow> = Vec::new();
    for change in &changes {
        match change {
            Change::Message { row, .. } => before.push(row),
            Change::Resumed { origin, rooms, missed } => {
                let after = origin >> 16;
                let expect: Vec<&MessageRow> = before
                    .iter()
                    .copied()
                    .filter(|row| row.number > after && rooms.contains(&row.room))
                    .collect();
                assert_eq!(missed.iter().collect::<Vec<_>>(), expect);
                assert!(!missed.is_empty());
                resumed += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(before.windows(2).all(|pair| pair[0].number < pair[1].number));
    assert_eq!(before.len(), usize::try_from(BEFORE + SENDERS * EACH).unwrap());
    assert_eq!(resumed, RECEIVERS * TIMES);
}
