//! Recovery in the story beside concurrent senders.
//! Never: a fixed order between the threads.

use super::*;

/// Many speak while others come back again and again: what was missed, and what comes live after
/// it, is everything, once.
pub(super) async fn resume_crowd_story(world: &World<'_>) {
    const SENDERS: u64 = 4;
    const EACH: u64 = 100;
    const COMERS: u64 = 3;
    const TIMES: u64 = 40;
    const BEFORE: u64 = 20;
    let rooms = ["lobby", "cellar", "porch"];
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    world.heard.take();
    // So that everyone who comes back has missed something.
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
        for comer in 1..=COMERS {
            scope.spawn(move || {
                let runtime = runtime();
                for time in 0..TIMES {
                    // It has half of what it could have; the rest was missed.
                    let told = world.heard.messages();
                    let after = told[told.len() / 2].number;
                    let origin = (after << 16) | (comer << 8) | time;
                    let ask = world.store.resume(wish("ann", origin, &rooms[1..], after));
                    let answer = runtime.block_on(ask).unwrap();
                    assert!(
                        matches!(answer, ResumeOutcome::Resumed { rooms: 2, .. }),
                        "{answer:?}"
                    );
                    let heard = world.heard.0.lock().unwrap();
                    let told = |change: &Change| {
                        matches!(change,
                        Change::Resumed { origin: told, .. } if *told == origin)
                    };
                    assert_eq!(heard.iter().filter(|change| told(change)).count(), 1);
                }
            });
        }
    });
    let heard = world.heard.take();
    let mut resumed = 0;
    let mut before: Vec<&MessageRow> = Vec::new();
    for change in &heard {
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
    assert_eq!(resumed, COMERS * TIMES);
}
