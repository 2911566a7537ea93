//! Sessions: opened, renewed turn by turn, ended; what is withdrawn; what others change.
//! Never: a server.

#![expect(clippy::unwrap_used, reason = "all of this file is test code")]

mod fixture;

use portcullis_model::{Role, Roles, SessionId};
use portcullis_store::{
    AccountStore, Authority, Change, ChangeStore, CreateUserOutcome, Factors, NewInvitation,
    NewSession, NewUser, OpenSessionOutcome, PresentedTurn, ReauthenticateOutcome,
    ReauthenticateRequest, RecheckOutcome, Revocation, RevocationKind, RotateOutcome,
    RotateRequest, SessionRow, SessionSelector, SqliteStore, Store, UserChange, UserChangeKind,
};

use fixture::{Heard, Place, id, own};

const GRACE: i64 = 10;
const IDLE: i64 = 100;
/// When every session ends that was opened at 0.
const ENDS: i64 = 250;
const DEVICE: [u8; 32] = [1; 32];

fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

fn new_session(name: &str, user: &str, at_unix_ms: i64) -> NewSession {
    NewSession {
        id: session(name),
        user: id(user),
        at_unix_ms,
        idle_ends_unix_ms: at_unix_ms + IDLE,
        ends_unix_ms: at_unix_ms + ENDS,
        device: String::from("a browser"),
        address: String::from("192.0.2.1"),
        device_hash: DEVICE,
        key: None,
        factors: Factors::Password,
        sessions_per_user_max: 3,
    }
}

async fn open(store: &SqliteStore, name: &str, user: &str, at_unix_ms: i64) {
    let answer = store.open_session(new_session(name, user, at_unix_ms)).await.unwrap();
    assert_eq!(answer, OpenSessionOutcome::Opened, "{name}");
}

fn turn(name: &str, turn: u64, at_unix_ms: i64) -> RotateRequest {
    RotateRequest {
        session: session(name),
        presented: PresentedTurn { number: turn, device_hash: DEVICE },
        at_unix_ms,
        grace_ms: GRACE,
        idle_ms: IDLE,
    }
}

/// A store with some users.
async fn furnished(place: &Place) -> (SqliteStore, Heard) {
    let (store, heard) = place.open();
    for name in ["Ann", "Bob"] {
        assert_eq!(store.create_user(own(name)).await.unwrap(), CreateUserOutcome::Created);
    }
    heard.take();
    (store, heard)
}

async fn standing(store: &SqliteStore, user: &str, at_unix_ms: i64) -> Vec<String> {
    let rows = store.list_sessions(&id(user), at_unix_ms).await.unwrap();
    rows.iter().map(|row| row.id.to_string()).collect()
}

fn ended(name: &str, user: &str) -> Change {
    Change::SessionEnded { session: session(name), user: id(user) }
}

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

/// What came of a turn, without the session.
fn outcome(rotated: &RotateOutcome) -> (&'static str, Option<u64>) {
    match rotated {
        RotateOutcome::Next(row) => ("next", Some(row.turn)),
        RotateOutcome::Same(row) => ("same", Some(row.turn)),
        RotateOutcome::Reused(row) => ("reused", Some(row.turn)),
        RotateOutcome::Ended => ("ended", None),
    }
}

#[tokio::test]
async fn whose_turn_it_is_decides() {
    let other = |ask: RotateRequest| RotateRequest {
        presented: PresentedTurn { device_hash: [2; 32], ..ask.presented },
        ..ask
    };
    // Each begins with turn 0 at 0; turn 1 began at 20, turn 2 at 40. What is shown, what comes
    // of it, and whether the session is there afterwards.
    let cases = [
        ("the newest", turn("s", 2, 60), ("next", Some(3)), true),
        ("the newest, just begun", turn("s", 2, 40 + GRACE), ("same", Some(2)), true),
        ("of another device", other(turn("s", 2, 60)), ("next", Some(3)), true),
        ("just begun, of another device", other(turn("s", 2, 41)), ("next", Some(3)), true),
        ("the last", turn("s", 1, 45), ("same", Some(2)), true),
        ("the last, at its last moment", turn("s", 1, 40 + GRACE), ("same", Some(2)), true),
        ("asked before, but queued later", turn("s", 1, 39), ("same", Some(2)), true),
        ("the last, too late", turn("s", 1, 41 + GRACE), ("reused", Some(2)), false),
        ("long before", turn("s", 1, 39 - GRACE), ("reused", Some(2)), false),
        ("the last, elsewhere", other(turn("s", 1, 45)), ("reused", Some(2)), false),
        ("older", turn("s", 0, 45), ("reused", Some(2)), false),
        ("of the future", turn("s", 3, 45), ("ended", None), true),
        ("of the end of time", turn("s", u64::MAX, 45), ("ended", None), true),
        ("the newest, idle for too long", turn("s", 2, 40 + IDLE), ("ended", None), true),
        ("the newest, just in time", turn("s", 2, 39 + IDLE), ("next", Some(3)), true),
        ("an old one, when it is over", turn("s", 0, 40 + IDLE), ("ended", None), true),
        ("of nobody", turn("t", 0, 45), ("ended", None), true),
    ];
    for (case, ask, expect, stays) in cases {
        let place = Place::new();
        let (store, heard) = furnished(&place).await;
        open(&store, "s", "ann", 0).await;
        for (number, at) in [(0, 20), (1, 40)] {
            let rotated = store.rotate_session(turn("s", number, at)).await.unwrap();
            assert_eq!(outcome(&rotated), ("next", Some(number + 1)));
        }
        heard.take();
        let rotated = store.rotate_session(ask).await.unwrap();
        assert_eq!(outcome(&rotated), expect, "{case}");
        let told = match rotated {
            RotateOutcome::Next(row) => vec![Change::Session(row)],
            RotateOutcome::Reused(_) => vec![ended("s", "ann")],
            RotateOutcome::Same(_) | RotateOutcome::Ended => vec![],
        };
        assert_eq!(heard.take(), told, "{case}");
        let there = standing(&store, "ann", 45).await;
        assert_eq!(there.len(), usize::from(stays), "{case}");
        if !stays {
            let again = store.rotate_session(turn("s", 2, 46)).await.unwrap();
            assert_eq!(again, RotateOutcome::Ended, "{case}: for whoever has the newest as well");
        }
    }
}

#[tokio::test]
async fn of_many_who_show_one_turn_one_begins_the_next() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
    open(&store, "s", "ann", 0).await;
    heard.take();
    // Their clocks were read before they queued, some of them in another order.
    let ask = |number: i64| store.rotate_session(turn("s", 0, 20 - number % 7));
    let asked: Vec<_> = (0..50).map(ask).collect();
    let mut next = Vec::new();
    let mut same = Vec::new();
    for answer in asked {
        match answer.await.unwrap() {
            RotateOutcome::Next(row) => next.push(row),
            RotateOutcome::Same(row) => same.push(row),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((next.len(), same.len()), (1, 49));
    assert_eq!(next[0].turn, 1);
    assert!(same.iter().all(|row| *row == next[0]));
    assert_eq!(heard.take(), [Change::Session(next[0].clone())]);
}

#[tokio::test]
async fn a_session_ends_however_often_it_is_renewed() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
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
    // For ever is no moment that overflows.
    let new = NewSession {
        idle_ends_unix_ms: i64::MAX,
        ends_unix_ms: i64::MAX,
        ..new_session("t", "ann", 0)
    };
    store.open_session(new).await.unwrap();
    let ask = RotateRequest { idle_ms: i64::MAX, ..turn("t", 0, 90) };
    let rotated = store.rotate_session(ask).await.unwrap();
    assert!(matches!(rotated, RotateOutcome::Next(row) if row.idle_ends_unix_ms == i64::MAX));
    heard.take();
}

// Each tab shows the cookie that the browser had when its request left.
#[tokio::test]
async fn tabs_that_renew_together_share_a_turn_and_none_ends_the_session() {
    let place = Place::new();
    let (store, _heard) = furnished(&place).await;
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
async fn who_is_kept_out_gets_no_next_turn() {
    // Written by another hand, so that the session is still there.
    let cases = [
        ("UPDATE users SET disabled = 1", "ended"),
        ("UPDATE users SET banned_until_unix_ms = 51", "ended"),
        ("UPDATE users SET banned_until_unix_ms = 50", "next"),
        ("UPDATE users SET muted_until_unix_ms = 51", "next"),
    ];
    for (statement, expect) in cases {
        let place = Place::new();
        let (store, _) = furnished(&place).await;
        open(&store, "s", "ann", 0).await;
        place.sql().execute_batch(statement).unwrap();
        let noted = store.reauthenticate_session(proof("s", None, 50)).await.unwrap();
        let noted = matches!(noted, ReauthenticateOutcome::Recorded(_));
        assert_eq!(noted, expect == "next", "{statement}");
        let rotated = store.rotate_session(turn("s", 0, 50)).await.unwrap();
        assert_eq!(outcome(&rotated).0, expect, "{statement}");
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

/// A proof of the password, beside a turn of the same device.
fn proof(name: &str, turn: Option<u64>, at_unix_ms: i64) -> ReauthenticateRequest {
    ReauthenticateRequest {
        session: session(name),
        presented: turn.map(|number| PresentedTurn { number, device_hash: DEVICE }),
        at_unix_ms,
        checked_unix_ms: at_unix_ms,
        factors: Factors::PasswordAndCode,
        grace_ms: GRACE,
        idle_ms: IDLE,
    }
}

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

fn revocation(name: &str, kind: RevocationKind, until_unix_ms: i64) -> Revocation {
    let (issuer, user) = (String::from("us"), String::from("u_ann"));
    Revocation { issuer, user, kind, name: String::from(name), until_unix_ms }
}

#[tokio::test]
async fn what_is_withdrawn_stays_so_until_the_later_end() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
    let token = |until| revocation("x", RevocationKind::Token, until);
    for (until, expect) in [(50, 50), (40, 50), (60, 60)] {
        store.revoke(token(until)).await.unwrap();
        assert_eq!(heard.take(), [Change::Revoked(token(expect))], "{until}");
    }
    store.revoke(revocation("x", RevocationKind::Session, 5)).await.unwrap();
    let mut kept = store.load().await.unwrap().authority.revocations;
    kept.sort_unstable_by_key(|row| row.until_unix_ms);
    assert_eq!(kept, [revocation("x", RevocationKind::Session, 5), token(60)]);
}

/// What a recheck found, and what the feed heard of it.
async fn recheck(store: &SqliteStore, heard: &Heard) -> (RecheckOutcome, Vec<Change>) {
    heard.take();
    let found = store.recheck().await.unwrap();
    (found, heard.take())
}

#[tokio::test]
async fn what_others_change_is_told_once_and_whole() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
    open(&store, "s1", "ann", 0).await;
    open(&store, "b1", "bob", 0).await;
    let whole = async || Change::Authority(Box::new(store.authority().await.unwrap()));

    let (found, told) = recheck(&store, &heard).await;
    assert_eq!(
        (found, told),
        (RecheckOutcome::Reported, vec![whole().await]),
        "the first tells all"
    );
    assert_eq!(recheck(&store, &heard).await, (RecheckOutcome::Unchanged, vec![]));

    // What goes through the store is told as it happens.
    open(&store, "s2", "ann", 0).await;
    store.revoke(revocation("y", RevocationKind::Token, 90)).await.unwrap();
    assert_eq!(recheck(&store, &heard).await, (RecheckOutcome::Unchanged, vec![]));

    type Expect = fn(&Authority) -> bool;
    let others: [(&str, Expect); 7] = [
        ("DELETE FROM sessions WHERE id = 's1'", |all| {
            let mut names: Vec<_> = all.sessions.iter().map(|row| row.id.as_str()).collect();
            names.sort_unstable();
            names == ["b1", "s2"]
        }),
        ("INSERT INTO revocations VALUES ('them', 1, 'z', 99, '')", |all| {
            let expect = Revocation {
                issuer: String::from("them"),
                user: String::new(),
                ..revocation("z", RevocationKind::Session, 99)
            };
            all.revocations.len() == 2 && all.revocations.contains(&expect)
        }),
        ("UPDATE users SET roles = 5 WHERE id = 'u_bob'", |all| {
            let admin = Roles::user().with(Role::Admin);
            all.users.iter().any(|row| row.id == id("bob") && row.roles == admin)
        }),
        ("UPDATE users SET disabled = 1 WHERE id = 'u_ann'", |all| {
            all.users.iter().all(|row| row.disabled == (row.id == id("ann")))
        }),
        ("UPDATE users SET banned_until_unix_ms = 77 WHERE id = 'u_ann'", |all| {
            all.users.iter().any(|row| row.banned_until_unix_ms == 77)
        }),
        ("UPDATE users SET valid_after_unix_ms = 66, muted_until_unix_ms = 88", |all| {
            all.users
                .iter()
                .all(|row| (row.valid_after_unix_ms, row.muted_until_unix_ms) == (66, 88))
        }),
        ("DELETE FROM revocations", |all| all.revocations.is_empty()),
    ];
    for (statement, expect) in others {
        place.sql().execute_batch(statement).unwrap();
        let (found, told) = recheck(&store, &heard).await;
        assert_eq!(found, RecheckOutcome::Reported, "{statement}");
        assert_eq!(told, [whole().await], "{statement}");
        let [Change::Authority(all)] = told.as_slice() else { panic!("{told:?}") };
        assert!(expect(all), "{statement}: {all:?}");
        let again = recheck(&store, &heard).await;
        assert_eq!(again, (RecheckOutcome::Unchanged, vec![]), "{statement}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told_as_soon_as_it_can() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
    open(&store, "s1", "ann", 0).await;
    recheck(&store, &heard).await;
    place
        .sql()
        .execute_batch("UPDATE users SET id = 'no id', disabled = 1 WHERE id = 'u_bob'")
        .unwrap();
    for _ in 0..2 {
        assert!(store.recheck().await.is_err());
        assert_eq!(heard.take(), []);
    }
    place.sql().execute_batch("UPDATE users SET id = 'u_bob' WHERE id = 'no id'").unwrap();
    let (found, told) = recheck(&store, &heard).await;
    assert_eq!(found, RecheckOutcome::Reported);
    assert!(matches!(told.as_slice(), [Change::Authority(all)] if all.sessions.len() == 1));
}

#[tokio::test]
async fn what_is_over_is_tidied_up_and_sessions_are_told() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
    open(&store, "s1", "ann", 0).await;
    let long = NewSession { idle_ends_unix_ms: 900, ..new_session("s2", "ann", 0) };
    store.open_session(long).await.unwrap();
    open(&store, "b1", "bob", ENDS).await;
    for (name, until) in [("x", 100), ("y", ENDS + 1)] {
        store.revoke(revocation(name, RevocationKind::Token, until)).await.unwrap();
    }
    for (hash, ends_unix_ms) in [([1; 32], ENDS), ([2; 32], ENDS + 1)] {
        let invitation = NewInvitation { hash, by: None, at_unix_ms: 0, ends_unix_ms };
        store.invite(invitation).await.unwrap();
    }
    recheck(&store, &heard).await;
    assert_eq!(store.authority().await.unwrap().sessions.len(), 3, "nothing is over");
    store.remove_ended(ENDS).await.unwrap();
    let mut told = heard.take();
    told.sort_unstable_by_key(|change| format!("{change:?}"));
    assert_eq!(told, [ended("s1", "ann"), ended("s2", "ann")]);
    let left = store.load().await.unwrap();
    assert_eq!(
        (left.authority.sessions.len(), left.authority.revocations.len()),
        (1, 2),
        "kept for a day"
    );
    assert_eq!(left.authority.revocations_ended_unix_ms, 0);
    let connection = place.sql();
    let count = "SELECT count(*) FROM invitations";
    let invitations: u32 = connection.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(invitations, 1);
    assert_eq!(recheck(&store, &heard).await, (RecheckOutcome::Unchanged, vec![]));
}

#[tokio::test]
async fn deleted_revocations_leave_the_latest_of_their_ends() {
    let place = Place::new();
    let (store, _) = furnished(&place).await;
    let day_ms = 24 * 60 * 60 * 1000;
    for (name, until) in [("x", 100), ("y", 200), ("z", 300)] {
        store.revoke(revocation(name, RevocationKind::Token, until)).await.unwrap();
    }
    for (now, left, ended) in [(day_ms + 99, 3, 0), (day_ms + 200, 1, 200), (0, 1, 200)] {
        store.remove_ended(now).await.unwrap();
        let authority = store.authority().await.unwrap();
        let seen = (authority.revocations.len(), authority.revocations_ended_unix_ms);
        assert_eq!(seen, (left, ended), "{now}");
    }
    store.remove_ended(10 * day_ms).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let (store, _) = place.open();
    let loaded = store.load().await.unwrap();
    assert_eq!(
        (loaded.authority.revocations.len(), loaded.authority.revocations_ended_unix_ms),
        (0, 300)
    );
}

#[tokio::test]
async fn tidying_up_goes_on_until_all_is_done() {
    let place = Place::new();
    let (store, heard) = furnished(&place).await;
    let users: Vec<_> = (0..300)
        .map(|number| store.create_user(NewUser { ..own(&format!("n{number}")) }))
        .collect();
    for answer in users {
        answer.await.unwrap();
    }
    let asked: Vec<_> = (0..300)
        .map(|number| {
            let name = format!("s{number}");
            store.open_session(new_session(&name, &format!("n{number}"), 0))
        })
        .collect();
    for answer in asked {
        answer.await.unwrap();
    }
    let mut told = 0;
    let mut looks = 0;
    while !store.authority().await.unwrap().sessions.is_empty() {
        heard.take();
        store.remove_ended(ENDS).await.unwrap();
        let changes = heard.take();
        told +=
            changes.iter().filter(|change| matches!(change, Change::SessionEnded { .. })).count();
        looks += 1;
        assert!(looks < 9, "it never ends");
    }
    assert_eq!(told, 300);
}
