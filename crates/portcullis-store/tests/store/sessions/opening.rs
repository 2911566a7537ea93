//! Sessions that are opened, evicted and ended.
//! Never: a rotation under test.

use super::*;

#[tokio::test]
async fn a_session_is_opened_as_asked_and_told() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
    let new = NewSession {
        key: Some(vec![4; 65]),
        factors: Factors::PasswordAndCode,
        idle_ends_unix_ms: 9_000, // past the end
        ..new_session("s1", "ann", 7)
    };
    assert_eq!(store.open_session(new).await.unwrap(), OpenSessionOutcome::Opened);
    let expect = SessionRow {
        id: session("s1"),
        user: id("ann"),
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
    assert_eq!(heard.take(), [Change::Session(expect.clone())]);
    let standing_last = store.list_sessions(&id("ann"), 7 + ENDS - 1).await.unwrap();
    assert_eq!(standing_last, std::slice::from_ref(&expect));
    assert_eq!(standing(&store, "ann", 7 + ENDS).await, [""; 0]);
    assert_eq!(standing(&store, "bob", 7).await, [""; 0]);
    assert_eq!(store.load().await.unwrap().authority.sessions, [expect]);
    // A name that is taken opens nothing, and nobody makes room for it.
    for (name, at) in [("s2", 8), ("s3", 9)] {
        open(&store, name, "ann", at).await;
    }
    heard.take();
    assert!(store.open_session(new_session("s1", "ann", 9)).await.is_err());
    assert_eq!(heard.take(), []);
    assert_eq!(standing(&store, "ann", 9).await, ["s3", "s2", "s1"]);
}

#[tokio::test]
async fn the_session_not_renewed_for_longest_makes_room() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
    open(&store, "b1", "bob", 0).await;
    for (name, at) in [("s1", 1), ("s2", 2), ("s3", 3)] {
        open(&store, name, "ann", at).await;
    }
    let renewed = store.rotate_session(turn("s1", 0, 20)).await.unwrap();
    assert!(matches!(renewed, RotateOutcome::Next(_)));
    heard.take();
    open(&store, "s4", "ann", 21).await;
    let said = heard.take();
    assert_eq!(said[0], ended("s2", "ann"));
    assert!(matches!(&said[1..], [Change::Session(row)] if row.id == session("s4")), "{said:?}");
    assert_eq!(standing(&store, "ann", 21).await, ["s4", "s1", "s3"]);
    // Fewer are allowed than there are.
    let new = NewSession { sessions_per_user_max: 1, ..new_session("s5", "ann", 22) };
    store.open_session(new).await.unwrap();
    assert_eq!(standing(&store, "ann", 22).await, ["s5"]);
    assert_eq!(heard.take().len(), 4);
    assert_eq!(standing(&store, "bob", 22).await, ["b1"]);
}

#[tokio::test]
async fn who_may_not_come_in_opens_nothing() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
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
            let change = UserChange { user: id(name), what, at_unix_ms: 10 };
            store.change_user(change).await.unwrap();
        }
        heard.take();
        let new = new_session(&format!("s{number}"), name, 50);
        assert_eq!(store.open_session(new).await.unwrap(), expect, "{case}");
        assert_eq!(heard.take().len(), usize::from(expect == OpenSessionOutcome::Opened), "{case}");
    }
}

#[tokio::test]
async fn the_sessions_named_end_and_no_others() {
    use SessionSelector as Which;
    let cases: [(&str, Which, &[&str]); 7] = [
        ("ann", Which::One(session("s2")), &["s2"]),
        ("ann", Which::One(session("b1")), &[]), // another's
        ("ann", Which::One(session("none")), &[]),
        ("ann", Which::All, &["s1", "s2", "s3"]),
        ("ann", Which::AllExcept(session("s1")), &["s2", "s3"]),
        ("ann", Which::AllExcept(session("b1")), &["s1", "s2", "s3"]),
        ("ghost", Which::All, &[]),
    ];
    for (user, which, expect) in cases {
        let place = Place::new();
        let (store, heard) = furnished(&place).await;
        for (name, owner) in [("s1", "ann"), ("s2", "ann"), ("s3", "ann"), ("b1", "bob")] {
            open(&store, name, owner, 0).await;
        }
        heard.take();
        let gone = store.end_sessions(id(user), which.clone()).await.unwrap();
        let mut gone: Vec<_> = gone.iter().map(SessionId::as_str).collect();
        gone.sort_unstable();
        assert_eq!(gone, expect, "{user} {which:?}");
        let told = heard.take();
        assert_eq!(told.len(), expect.len(), "{user} {which:?}");
        assert!(expect.iter().all(|name| told.contains(&ended(name, "ann"))), "{told:?}");
        let left = store.authority().await.unwrap().sessions;
        assert_eq!(left.len(), 4 - expect.len(), "{user} {which:?}");
    }
}
