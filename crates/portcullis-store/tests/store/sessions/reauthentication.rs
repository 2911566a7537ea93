//! Reauthentication: a fresh proof of the password in a session.
//! Never: a check of the password.

use super::*;

#[tokio::test]
async fn reauthentication_starts_a_generation_and_the_next_turn() {
    // Turn 1 starts at 20. Each case has the request, and the turn and idle end that it gives.
    let cases = [
        ("the newest", proof("s", Some(1), 50), Some((2, 50 + IDLE))),
        ("the last, in time", proof("s", Some(0), 20 + GRACE), Some((1, 20 + IDLE))),
        ("none", proof("s", None, 50), Some((1, 20 + IDLE))),
        ("over", proof("s", Some(1), 20 + IDLE), None),
        ("a turn to come", proof("s", Some(2), 50), None),
        ("no such session", proof("none", None, 50), None),
    ];
    for (case, proof, expect) in cases {
        let directory = StoreDirectory::new();
        let (store, feed) = open_with_rows(&directory).await;
        open(&store, "s", "ann", 0).await;
        store.rotate_session(turn("s", 0, 20)).await.unwrap();
        feed.take();
        let outcome = store.reauthenticate_session(proof.clone()).await.unwrap();
        let reported = feed.take();
        let Some((turn, idle_ends)) = expect else {
            assert_eq!((outcome, reported), (ReauthenticateOutcome::Ended, vec![]), "{case}");
            continue;
        };
        let ReauthenticateOutcome::Recorded(row) = outcome else { panic!("{case}: {outcome:?}") };
        assert_eq!(reported, [Change::Session(row.clone())], "{case}");
        assert_eq!((row.turn, row.idle_ends_unix_ms), (turn, idle_ends), "{case}");
        assert_eq!((row.generation, row.authenticated_unix_ms), (1, proof.at_unix_ms), "{case}");
        assert_eq!(row.factors, Factors::PasswordAndCode, "{case}");
        assert_eq!(store.load().await.unwrap().access.sessions, [row], "{case}");
    }
}

#[tokio::test]
async fn queued_reauthentication_shares_the_turn_of_its_device() {
    const WAIT: i64 = GRACE + 5;
    // The arrival of the request, the check of its proof, and whether the session continues.
    let cases = [
        (20 - WAIT, 20, true),
        (20 - WAIT, 21, true),
        (20 + GRACE, 20 + WAIT, true),
        (20 - WAIT, 19 - GRACE, false),
        (21 + GRACE, 20 + WAIT, false),
    ];
    for (arrived, checked, expect) in cases {
        let directory = StoreDirectory::new();
        let (store, _feed) = open_with_rows(&directory).await;
        open(&store, "s", "ann", 0).await;
        store.rotate_session(turn("s", 0, 20)).await.unwrap();
        let proof = ReauthenticateRequest {
            checked_unix_ms: checked,
            grace_ms: GRACE,
            ..proof("s", Some(0), arrived)
        };
        let outcome = store.reauthenticate_session(proof).await.unwrap();
        let is_recorded = matches!(outcome, ReauthenticateOutcome::Recorded(_));
        assert_eq!(is_recorded, expect, "{arrived} {checked}: {outcome:?}");
    }
}

#[tokio::test]
async fn reauthentication_with_a_reused_turn_ends_the_session() {
    let elsewhere = Some(PresentedTurn { number: 0, device_hash: [2; 32] });
    let cases = [
        proof("s", Some(0), 21 + GRACE),
        ReauthenticateRequest { presented: elsewhere, ..proof("s", None, 21) },
    ];
    for proof in cases {
        let directory = StoreDirectory::new();
        let (store, feed) = open_with_rows(&directory).await;
        open(&store, "s", "ann", 0).await;
        store.rotate_session(turn("s", 0, 20)).await.unwrap();
        feed.take();
        let outcome = store.reauthenticate_session(proof).await.unwrap();
        assert!(matches!(outcome, ReauthenticateOutcome::Reused(_)), "{outcome:?}");
        assert_eq!(feed.take(), [ended("s", "ann")]);
    }
}
