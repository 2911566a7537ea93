//! Reauthentication: a fresh proof of the password in a session.
//! Never: a check of the password.

use super::*;

#[tokio::test]
async fn fresh_proof_begins_a_generation_and_the_next_turn_of_the_token_shown() {
    // Turn 1 began at 20. What is shown, and the turn, generation and idle end that come of it.
    let cases = [
        ("the newest", proof("s", Some(1), 50), Some((2, 50 + IDLE))),
        ("the last, in time", proof("s", Some(0), 20 + GRACE), Some((1, 20 + IDLE))),
        ("none", proof("s", None, 50), Some((1, 20 + IDLE))),
        ("over", proof("s", Some(1), 20 + IDLE), None),
        ("a turn to come", proof("s", Some(2), 50), None),
        ("no such session", proof("none", None, 50), None),
    ];
    for (case, proof, expect) in cases {
        let place = Place::new();
        let (store, heard) = furnished(&place).await;
        open(&store, "s", "ann", 0).await;
        store.rotate_session(turn("s", 0, 20)).await.unwrap();
        heard.take();
        let outcome = store.reauthenticate_session(proof.clone()).await.unwrap();
        let told = heard.take();
        let Some((turn, idle_ends)) = expect else {
            assert_eq!((outcome, told), (ReauthenticateOutcome::Ended, vec![]), "{case}");
            continue;
        };
        let ReauthenticateOutcome::Recorded(row) = outcome else { panic!("{case}: {outcome:?}") };
        assert_eq!(told, [Change::Session(row.clone())], "{case}");
        assert_eq!((row.turn, row.idle_ends_unix_ms), (turn, idle_ends), "{case}");
        assert_eq!((row.generation, row.authenticated_unix_ms), (1, proof.at_unix_ms), "{case}");
        assert_eq!(row.factors, Factors::PasswordAndCode, "{case}");
        assert_eq!(store.load().await.unwrap().authority.sessions, [row], "{case}");
    }
}

#[tokio::test]
async fn fresh_proof_that_waited_longer_than_the_grace_shares_the_turn_of_its_device() {
    const WAIT: i64 = GRACE + 5;
    // When the request arrived, when its proof was checked, and whether the session goes on.
    let cases = [
        (20 - WAIT, 20, true),
        (20 - WAIT, 21, true),
        (20 + GRACE, 20 + WAIT, true),
        (20 - WAIT, 19 - GRACE, false),
        (21 + GRACE, 20 + WAIT, false),
    ];
    for (arrived, checked, expect) in cases {
        let place = Place::new();
        let (store, _heard) = furnished(&place).await;
        open(&store, "s", "ann", 0).await;
        store.rotate_session(turn("s", 0, 20)).await.unwrap();
        let proof = ReauthenticateRequest {
            checked_unix_ms: checked,
            grace_ms: GRACE,
            ..proof("s", Some(0), arrived)
        };
        let outcome = store.reauthenticate_session(proof).await.unwrap();
        let goes_on = matches!(outcome, ReauthenticateOutcome::Recorded(_));
        assert_eq!(goes_on, expect, "{arrived} {checked}: {outcome:?}");
    }
}

#[tokio::test]
async fn fresh_proof_beside_a_copy_of_an_old_turn_ends_the_session() {
    let elsewhere = Some(PresentedTurn { number: 0, device_hash: [2; 32] });
    let cases = [
        proof("s", Some(0), 21 + GRACE),
        ReauthenticateRequest { presented: elsewhere, ..proof("s", None, 21) },
    ];
    for proof in cases {
        let place = Place::new();
        let (store, heard) = furnished(&place).await;
        open(&store, "s", "ann", 0).await;
        store.rotate_session(turn("s", 0, 20)).await.unwrap();
        heard.take();
        let outcome = store.reauthenticate_session(proof).await.unwrap();
        assert!(matches!(outcome, ReauthenticateOutcome::Reused(_)), "{outcome:?}");
        assert_eq!(heard.take(), [ended("s", "ann")]);
    }
}
