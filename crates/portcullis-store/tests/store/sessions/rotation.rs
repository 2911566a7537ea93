//! Rotation: the presented turn of a refresh token decides.
//! Never: the token itself.

use super::*;

/// The outcome of a rotation, without the session.
fn outcome(rotated: &RotateOutcome) -> (&'static str, Option<u64>) {
    match rotated {
        RotateOutcome::Next(row) => ("next", Some(row.turn)),
        RotateOutcome::Same(row) => ("same", Some(row.turn)),
        RotateOutcome::Reused(row) => ("reused", Some(row.turn)),
        RotateOutcome::Ended => ("ended", None),
    }
}

#[tokio::test]
async fn presented_turn_decides_the_rotation() {
    let other = |request: RotateRequest| RotateRequest {
        presented: PresentedTurn { device_hash: [2; 32], ..request.presented },
        ..request
    };
    // Turn 0 starts at 0, turn 1 at 20, turn 2 at 40. Each case has the request, its outcome,
    // and whether the session stays.
    let cases = [
        ("the newest", turn("s", 2, 60), ("next", Some(3)), true),
        ("the newest, just started", turn("s", 2, 40 + GRACE), ("same", Some(2)), true),
        ("of another device", other(turn("s", 2, 60)), ("next", Some(3)), true),
        ("just started, of another device", other(turn("s", 2, 41)), ("next", Some(3)), true),
        ("the last", turn("s", 1, 45), ("same", Some(2)), true),
        ("the last, at its last moment", turn("s", 1, 40 + GRACE), ("same", Some(2)), true),
        ("requested before, but queued later", turn("s", 1, 39), ("same", Some(2)), true),
        ("the last, too late", turn("s", 1, 41 + GRACE), ("reused", Some(2)), false),
        ("long before", turn("s", 1, 39 - GRACE), ("reused", Some(2)), false),
        ("the last, elsewhere", other(turn("s", 1, 45)), ("reused", Some(2)), false),
        ("older", turn("s", 0, 45), ("reused", Some(2)), false),
        ("of the future", turn("s", 3, 45), ("ended", None), true),
        ("of the end of time", turn("s", u64::MAX, 45), ("ended", None), true),
        ("the newest, idle for too long", turn("s", 2, 40 + IDLE), ("ended", None), true),
        ("the newest, just in time", turn("s", 2, 39 + IDLE), ("next", Some(3)), true),
        ("an old one, when it is over", turn("s", 0, 40 + IDLE), ("ended", None), true),
        ("of an unknown session", turn("t", 0, 45), ("ended", None), true),
    ];
    for (case, request, expect, stays) in cases {
        let directory = StoreDirectory::new();
        let (store, feed) = open_with_rows(&directory).await;
        open(&store, "s", "ann", 0).await;
        for (number, at) in [(0, 20), (1, 40)] {
            let rotated = store.rotate_session(turn("s", number, at)).await.unwrap();
            assert_eq!(outcome(&rotated), ("next", Some(number + 1)));
        }
        feed.take();
        let rotated = store.rotate_session(request).await.unwrap();
        assert_eq!(outcome(&rotated), expect, "{case}");
        let reported = match rotated {
            RotateOutcome::Next(row) => vec![Change::Session(row)],
            RotateOutcome::Reused(_) => vec![ended("s", "ann")],
            RotateOutcome::Same(_) | RotateOutcome::Ended => vec![],
        };
        assert_eq!(feed.take(), reported, "{case}");
        let still_open = open_session_names(&store, "ann", 45).await;
        assert_eq!(still_open.len(), usize::from(stays), "{case}");
        if !stays {
            let again = store.rotate_session(turn("s", 2, 46)).await.unwrap();
            assert_eq!(again, RotateOutcome::Ended, "{case}: also for the newest turn");
        }
    }
}

#[tokio::test]
async fn concurrent_rotations_of_one_turn_share_the_next_turn() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    open(&store, "s", "ann", 0).await;
    feed.take();
    // The times were read before the requests were queued, partly in another order.
    let request = |number: i64| store.rotate_session(turn("s", 0, 20 - number % 7));
    let pending: Vec<_> = (0..50).map(request).collect();
    let mut next = Vec::new();
    let mut same = Vec::new();
    for answer in pending {
        match answer.await.unwrap() {
            RotateOutcome::Next(row) => next.push(row),
            RotateOutcome::Same(row) => same.push(row),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((next.len(), same.len()), (1, 49));
    assert_eq!(next[0].turn, 1);
    assert!(same.iter().all(|row| *row == next[0]));
    assert_eq!(feed.take(), [Change::Session(next[0].clone())]);
}

#[tokio::test]
async fn renewed_session_ends_at_its_absolute_end() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    open(&store, "s", "ann", 0).await;
    let mut idle_ends = Vec::new();
    for (number, at) in [(0, 90), (1, 180), (2, 240)] {
        match store.rotate_session(turn("s", number, at)).await.unwrap() {
            RotateOutcome::Next(row) => {
                assert_eq!((row.renewed_unix_ms, row.created_unix_ms), (at, 0));
                assert_eq!(row.ends_unix_ms, ENDS);
                idle_ends.push(row.idle_ends_unix_ms);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(idle_ends, [190, ENDS, ENDS]);
    assert_eq!(store.rotate_session(turn("s", 3, ENDS)).await.unwrap(), RotateOutcome::Ended);
    // The largest time does not overflow.
    let new = NewSession {
        idle_ends_unix_ms: i64::MAX,
        ends_unix_ms: i64::MAX,
        ..new_session("t", "ann", 0)
    };
    store.open_session(new).await.unwrap();
    let request = RotateRequest { idle_ms: i64::MAX, ..turn("t", 0, 90) };
    let rotated = store.rotate_session(request).await.unwrap();
    assert!(matches!(rotated, RotateOutcome::Next(row) if row.idle_ends_unix_ms == i64::MAX));
    feed.take();
}

// Each tab sends the cookie that the browser had at the time of the request.
#[tokio::test]
async fn concurrent_tabs_share_a_turn_and_keep_the_session() {
    let directory = StoreDirectory::new();
    let (store, _feed) = open_with_rows(&directory).await;
    open(&store, "s", "ann", 0).await;
    let steps = [
        (0, 20, ("next", Some(1))),
        (1, 21, ("same", Some(1))),
        (0, 22, ("same", Some(1))),
        (1, 21 + GRACE, ("next", Some(2))),
        (1, 22 + GRACE, ("same", Some(2))),
        (2, 23 + GRACE, ("same", Some(2))),
        (1, 21 + GRACE + GRACE, ("same", Some(2))),
        (0, 22 + GRACE + GRACE, ("reused", Some(2))),
    ];
    for (number, at, expect) in steps {
        let rotated = store.rotate_session(turn("s", number, at)).await.unwrap();
        assert_eq!(outcome(&rotated), expect, "turn {number} at {at}");
    }
}

#[tokio::test]
async fn blocked_user_gets_no_next_turn() {
    // Another program writes this, so the session still exists.
    let cases = [
        ("UPDATE users SET disabled = 1", "ended"),
        ("UPDATE users SET banned_until_unix_ms = 51", "ended"),
        ("UPDATE users SET banned_until_unix_ms = 50", "next"),
        ("UPDATE users SET muted_until_unix_ms = 51", "next"),
    ];
    for (statement, expect) in cases {
        let directory = StoreDirectory::new();
        let (store, _) = open_with_rows(&directory).await;
        open(&store, "s", "ann", 0).await;
        directory.sql().execute_batch(statement).unwrap();
        let outcome_of_proof = store.reauthenticate_session(proof("s", None, 50)).await.unwrap();
        let is_recorded = matches!(outcome_of_proof, ReauthenticateOutcome::Recorded(_));
        assert_eq!(is_recorded, expect == "next", "{statement}");
        let rotated = store.rotate_session(turn("s", 0, 50)).await.unwrap();
        assert_eq!(outcome(&rotated).0, expect, "{statement}");
    }
}
