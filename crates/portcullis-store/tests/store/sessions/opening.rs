//! Sessions that are opened, evicted and ended.
//! Never: a rotation under test.

use super::*;

#[tokio::test]
async fn opened_session_is_stored_and_reported() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    let new = NewSession {
        key: Some(vec![4; 65]),
        factors: Factors::PasswordAndCode,
        idle_ends_unix_ms: 9_000, // past the end
        ..new_session("s1", "ann", 7)
    };
    assert_eq!(store.open_session(new).await.unwrap(), OpenSessionOutcome::Opened);
    let expect = SessionRow {
        id: session_id("s1"),
        user: user_id("ann"),
        created_unix_ms: 7,
        authenticated_unix_ms: 7,
        renewed_unix_ms: 7,
        turn: 0,
        idle_ends_unix_ms: 7 + ENDS,
        ends_unix_ms: 7 + ENDS,
        device: String::from("a browser"),
        address: String::from("192.0.2.1"),
        key: Some(vec![4; 65]),
        factors: Factors::PasswordAndCode,
        generation: 0,
    };
    assert_eq!(feed.take(), [Change::Session(expect.clone())]);
    let still_open = store.list_sessions(&user_id("ann"), 7 + ENDS - 1).await.unwrap();
    assert_eq!(still_open, std::slice::from_ref(&expect));
    assert_eq!(open_session_names(&store, "ann", 7 + ENDS).await, [""; 0]);
    assert_eq!(open_session_names(&store, "bob", 7).await, [""; 0]);
    assert_eq!(store.load().await.unwrap().access.sessions, [expect]);
    // An id that is taken opens no session and ends no other one.
    for (name, at) in [("s2", 8), ("s3", 9)] {
        open(&store, name, "ann", at).await;
    }
    feed.take();
    assert!(store.open_session(session_of_three("s1", "ann", 9)).await.is_err());
    assert_eq!(feed.take(), []);
    assert_eq!(open_session_names(&store, "ann", 9).await, ["s3", "s2", "s1"]);
}

#[tokio::test]
async fn new_session_of_a_full_user_ends_the_least_recently_renewed() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    open(&store, "b1", "bob", 0).await;
    for (name, at) in [("s1", 1), ("s2", 2), ("s3", 3)] {
        open(&store, name, "ann", at).await;
    }
    let renewed = store.rotate_session(turn("s1", 0, 20)).await.unwrap();
    assert!(matches!(renewed, RotateOutcome::Next(_)));
    feed.take();
    open(&store, "s4", "ann", 21).await;
    let reported = feed.take();
    assert_eq!(reported[0], ended("s2", "ann"));
    assert!(
        matches!(&reported[1..], [Change::Session(row)] if row.id == session_id("s4")),
        "{reported:?}"
    );
    assert_eq!(open_session_names(&store, "ann", 21).await, ["s4", "s1", "s3"]);
    // The limit is lower than the number of open sessions.
    let new = NewSession { sessions_per_user_max: 1, ..new_session("s5", "ann", 22) };
    store.open_session(new).await.unwrap();
    assert_eq!(open_session_names(&store, "ann", 22).await, ["s5"]);
    assert_eq!(feed.take().len(), 4);
    assert_eq!(open_session_names(&store, "bob", 22).await, ["b1"]);
}

#[tokio::test]
async fn last_login_is_stored_with_its_session_and_stays_when_the_session_ends() {
    let directory = StoreDirectory::new();
    let (store, _feed) = open_with_rows(&directory).await;
    let last_login =
        async |name: &str| store.find_account(name).await.unwrap().unwrap().last_login_unix_ms;
    assert_eq!(last_login("bob").await, None);
    for (name, at_unix_ms) in [("b1", 40), ("b2", 50)] {
        store.open_session(new_session(name, "bob", at_unix_ms)).await.unwrap();
    }
    assert_eq!(last_login("bob").await, Some(50));
    store.end_sessions(user_id("bob"), SessionSelector::All).await.unwrap();
    assert_eq!(last_login("bob").await, Some(50));
    let ban = UserChangeKind::Banned { until_unix_ms: 90 };
    let change = UserChange { user: user_id("bob"), what: ban, at_unix_ms: 60 };
    store.change_user(change).await.unwrap();
    let rejected = store.open_session(new_session("b3", "bob", 70)).await.unwrap();
    assert_eq!(rejected, OpenSessionOutcome::UserMissing);
    assert_eq!(last_login("bob").await, Some(50), "a rejected login does not count");
}

#[tokio::test]
async fn blocked_user_opens_no_session() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    let cases = [
        ("ann", Some(UserChangeKind::Disabled(true)), OpenSessionOutcome::UserMissing),
        ("ann", Some(UserChangeKind::Disabled(false)), OpenSessionOutcome::Opened),
        (
            "ann",
            Some(UserChangeKind::Banned { until_unix_ms: 51 }),
            OpenSessionOutcome::UserMissing,
        ),
        ("ann", Some(UserChangeKind::Banned { until_unix_ms: 50 }), OpenSessionOutcome::Opened),
        ("ghost", None, OpenSessionOutcome::UserMissing),
    ];
    for (number, (name, what, expect)) in cases.into_iter().enumerate() {
        let case = format!("{number}: {name} {what:?}");
        if let Some(what) = what {
            let change = UserChange { user: user_id(name), what, at_unix_ms: 10 };
            store.change_user(change).await.unwrap();
        }
        feed.take();
        let new = session_of_three(&format!("s{number}"), name, 50);
        assert_eq!(store.open_session(new).await.unwrap(), expect, "{case}");
        assert_eq!(feed.take().len(), usize::from(expect == OpenSessionOutcome::Opened), "{case}");
    }
}

#[tokio::test]
async fn selected_sessions_end_and_others_stay() {
    use SessionSelector as Which;
    let cases: [(&str, Which, &[&str]); 7] = [
        ("ann", Which::One(session_id("s2")), &["s2"]),
        ("ann", Which::One(session_id("b1")), &[]), // a session of another user
        ("ann", Which::One(session_id("none")), &[]),
        ("ann", Which::All, &["s1", "s2", "s3"]),
        ("ann", Which::AllExcept(session_id("s1")), &["s2", "s3"]),
        ("ann", Which::AllExcept(session_id("b1")), &["s1", "s2", "s3"]),
        ("ghost", Which::All, &[]),
    ];
    for (user, which, expect) in cases {
        let directory = StoreDirectory::new();
        let (store, feed) = open_with_rows(&directory).await;
        for (name, owner) in [("s1", "ann"), ("s2", "ann"), ("s3", "ann"), ("b1", "bob")] {
            open(&store, name, owner, 0).await;
        }
        feed.take();
        let ended_ids = store.end_sessions(user_id(user), which.clone()).await.unwrap();
        let mut ended_ids: Vec<_> = ended_ids.iter().map(SessionId::as_str).collect();
        ended_ids.sort_unstable();
        assert_eq!(ended_ids, expect, "{user} {which:?}");
        let reported = feed.take();
        assert_eq!(reported.len(), expect.len(), "{user} {which:?}");
        assert!(expect.iter().all(|name| reported.contains(&ended(name, "ann"))), "{reported:?}");
        let left = store.access_snapshot().await.unwrap().sessions;
        assert_eq!(left.len(), 4 - expect.len(), "{user} {which:?}");
    }
}
