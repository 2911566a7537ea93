//! A second hand on the tables about people, beside a store that runs or does not.
//! Never: a server.

use std::path::Path;

use portcullis_model::{CUSTOM_ROLES_MAX, Role, Roles, Secret, SessionId};
use portcullis_store::{
    AccountStore, Change, ChangeStore, ChangeUserOutcome, CreateUserOutcome, Factors,
    NewInvitation, NewSession, NewTotp, NewUser, OpenSessionOutcome, OperatorActionKind,
    PresentedTurn, RecheckOutcome, Revocation, RevocationKind, RotateOutcome, RotateRequest,
    SessionSelector, SqliteOperatorStore, SqliteStore, Store, StoreError, UserChange,
    UserChangeKind,
};

use crate::fixture::{Heard, Place, id, own};

fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

fn new_session(name: &str, user: &str) -> NewSession {
    NewSession {
        id: session(name),
        user: id(user),
        at_unix_ms: 10,
        idle_ends_unix_ms: 100,
        ends_unix_ms: 200,
        device: String::from("a browser"),
        address: String::from("192.0.2.1"),
        device_hash: [1; 32],
        key: None,
        factors: Factors::Password,
        sessions_per_user_max: 9,
    }
}

/// A running store with Ann and Root, who administers, and somebody beside it.
async fn furnished(place: &Place) -> (SqliteStore, Heard, SqliteOperatorStore) {
    let (store, heard) = place.open();
    let root = NewUser { roles: Roles::user().with(Role::Admin), ..own("Root") };
    for user in [own("Ann"), root] {
        assert_eq!(store.create_user(user).await.unwrap(), CreateUserOutcome::Created);
    }
    let opened = store.open_session(new_session("s1", "ann")).await.unwrap();
    assert_eq!(opened, OpenSessionOutcome::Opened);
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    heard.take();
    let beside = SqliteOperatorStore::open(&place.path(), None, "root").unwrap();
    (store, heard, beside)
}

#[test]
fn only_its_own_schema_is_opened() {
    let place = Place::new();
    let open = |path: &Path| SqliteOperatorStore::open(path, None, "root").map(drop);
    assert!(matches!(open(&place.path()), Err(StoreError::Database(_))), "it makes none");
    assert!(!place.path().exists());
    let (store, _) = place.open();
    drop(store);
    assert!(open(&place.path()).is_ok());
    let connection = place.sql();
    let version = |version: u32| connection.pragma_update(None, "user_version", version).unwrap();
    let known: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    for older in [0, known - 1] {
        version(older);
        match open(&place.path()) {
            Err(StoreError::SchemaOlder { seen, known: here }) => {
                assert_eq!((seen, here), (older, known));
            }
            other => panic!("{other:?}"),
        }
    }
    version(known + 1);
    match open(&place.path()) {
        Err(StoreError::SchemaNewer { seen, known: here }) => {
            assert_eq!((seen, here), (known + 1, known));
        }
        other => panic!("{other:?}"),
    }
    // Nothing was brought up to date by the way.
    let seen: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(seen, known + 1);
    assert!(open(Path::new("/")).is_err());
}

/// How each of these acts is told, to be recorded.
const ACTS: [(OperatorActionKind, Option<&str>, &str); 7] = [
    (OperatorActionKind::Status, Some("bob"), "account created"),
    (OperatorActionKind::Opened, Some("ann"), "session opened"),
    (OperatorActionKind::Session, Some("ann"), "1 sessions ended"),
    (OperatorActionKind::Session, None, "a token or session of us revoked"),
    (OperatorActionKind::Factors, Some("ann"), "second factor added"),
    (OperatorActionKind::Status, Some("ann"), "banned for 0 s"),
    (OperatorActionKind::Roles, Some("root"), "roles set to user"),
];

/// One act beside the store, by its number; `false` when there is no such.
async fn act(beside: &SqliteOperatorStore, number: u32) -> bool {
    let change =
        |user: &str, what| beside.change_user(UserChange { user: id(user), what, at_unix_ms: 20 });
    match number {
        0 => {
            let bob = NewUser { roles: Roles::user().with(Role::Admin), ..own("Bob") };
            assert_eq!(beside.create_user(bob).await.unwrap(), CreateUserOutcome::Created);
        }
        1 => {
            let opened = beside.open_session(new_session("s2", "ann")).await.unwrap();
            assert_eq!(opened, OpenSessionOutcome::Opened);
        }
        2 => {
            let which = SessionSelector::One(session("s1"));
            assert_eq!(beside.end_sessions(id("ann"), which).await.unwrap(), [session("s1")]);
        }
        3 => {
            let name = String::from("jti");
            let issuer = String::from("us");
            let kind = RevocationKind::Token;
            let revocation =
                Revocation { issuer, user: String::new(), kind, name, until_unix_ms: 90 };
            beside.revoke(revocation).await.unwrap();
        }
        4 => {
            let totp = NewTotp { secret: Secret::new(vec![1; 20]), step: 5, recovery: vec![] };
            assert!(beside.set_totp(id("ann"), Some(totp), None).await.unwrap());
        }
        5 => {
            let banned = change("ann", UserChangeKind::Banned { until_unix_ms: 99 }).await;
            assert!(matches!(banned.unwrap(), ChangeUserOutcome::Changed(_)));
        }
        6 => {
            let demoted = change("root", UserChangeKind::Roles(Roles::user())).await;
            assert!(matches!(demoted.unwrap(), ChangeUserOutcome::Changed(_)));
        }
        _ => return false,
    }
    true
}

#[tokio::test]
async fn what_is_done_beside_reaches_the_feed_of_the_running_store() {
    let place = Place::new();
    let (store, heard, beside) = furnished(&place).await;
    let mut before = store.authority().await.unwrap();
    let mut number = 0;
    while act(&beside, number).await {
        assert_eq!(heard.take(), [], "{number}: not before it looks");
        assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported, "{number}");
        let now = store.authority().await.unwrap();
        assert_ne!(now, before, "{number}");
        assert_eq!(beside.authority().await.unwrap(), now, "{number}");
        let told = heard.take();
        let [Change::Authority(all), Change::Operator(act)] = told.as_slice() else {
            panic!("{number}: {told:?}")
        };
        assert_eq!(**all, now, "{number}");
        let (kind, user, what) = ACTS[number as usize];
        assert_eq!((act.kind, act.user.clone()), (kind, user.map(id)), "{number}");
        assert_eq!(act.detail, format!("{what}, by root at the command line"));
        assert!(act.at_unix_ms > 1_700_000_000_000, "{number}: {}", act.at_unix_ms);
        assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Unchanged, "{number}");
        before = now;
        number += 1;
    }
    assert_eq!(number, 7);
    // What does not come about is not told, nor is anything told twice.
    let nobody = UserChange { user: id("nobody"), what: UserChangeKind::RevokeAll, at_unix_ms: 20 };
    assert_eq!(beside.change_user(nobody).await.unwrap(), ChangeUserOutcome::Missing);
    let none = SessionSelector::All;
    assert!(beside.end_sessions(id("nobody"), none).await.unwrap().is_empty());
    store.recheck().await.unwrap();
    assert!(!heard.take().iter().any(|change| matches!(change, Change::Operator(_))));
    // A row somebody garbled does not keep the rest from being told.
    let garbled = "INSERT INTO operator_acts (kind, user, detail, at_unix_ms)
        VALUES ('?', 'not an id!', 'odd', 7)";
    place.sql().execute_batch(garbled).unwrap();
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    let told = heard.take();
    assert!(matches!(&told[1], Change::Operator(act) if act.user.is_none() && act.detail == "odd"));
    assert_eq!(beside.recheck().await.unwrap(), RecheckOutcome::Unchanged, "it has no feed");
    let ann = store.find_account("ann").await.unwrap().unwrap();
    assert_eq!((ann.banned_until_unix_ms, ann.has_totp), (99, true));
    assert_eq!(beside.list_accounts(0, 9).await.unwrap(), store.list_accounts(0, 9).await.unwrap());
    assert!(beside.list_sessions(&id("ann"), 20).await.unwrap().is_empty());
    assert!(beside.has_admin().await.unwrap());
}

#[tokio::test]
async fn what_counts_once_counts_once_for_both() {
    let place = Place::new();
    let (store, heard, beside) = furnished(&place).await;
    let recovery = vec![[1; 32], [2; 32]];
    let totp = NewTotp { secret: Secret::new(vec![1; 20]), step: 5, recovery };
    let keep = Some(session("s1"));
    assert!(store.set_totp(id("ann"), Some(totp), keep).await.unwrap());
    assert!(beside.use_totp_step(id("ann"), 6).await.unwrap());
    assert!(!store.use_totp_step(id("ann"), 6).await.unwrap());
    assert!(store.use_totp_step(id("ann"), 7).await.unwrap());
    assert!(!beside.use_totp_step(id("ann"), 7).await.unwrap());
    assert!(beside.use_recovery_code(id("ann"), [1; 32]).await.unwrap());
    assert!(!store.use_recovery_code(id("ann"), [1; 32]).await.unwrap());
    assert_eq!(beside.recovery_codes_left(&id("ann")).await.unwrap(), 1);
    assert_eq!(store.recovery_codes_left(&id("ann")).await.unwrap(), 1);

    let invitation = NewInvitation { hash: [9; 32], by: None, at_unix_ms: 10, ends_unix_ms: 99 };
    beside.invite(invitation).await.unwrap();
    let bob = NewUser { invitation: Some([9; 32]), ..own("Bob") };
    assert_eq!(store.create_user(bob.clone()).await.unwrap(), CreateUserOutcome::Created);
    let eve = NewUser { id: id("eve"), username: "Eve".into(), ..bob };
    assert_eq!(beside.create_user(eve).await.unwrap(), CreateUserOutcome::InvitationInvalid);
    let ann = NewUser { id: id("eve"), ..own("ANN") };
    assert_eq!(beside.create_user(ann).await.unwrap(), CreateUserOutcome::NameTaken);
    let setup = NewUser { setup: true, ..own("Toor") };
    assert_eq!(beside.create_user(setup).await.unwrap(), CreateUserOutcome::SetupUsed);

    let ask = RotateRequest {
        session: session("s1"),
        presented: PresentedTurn { number: 0, device_hash: [1; 32] },
        at_unix_ms: 20,
        grace_ms: 10,
        idle_ms: 50,
    };
    let next = beside.rotate_session(ask.clone()).await.unwrap();
    let RotateOutcome::Next(row) = next else { panic!("{next:?}") };
    assert_eq!(store.rotate_session(ask).await.unwrap(), RotateOutcome::Same(row));

    let demote =
        UserChange { user: id("root"), what: UserChangeKind::Roles(Roles::user()), at_unix_ms: 20 };
    assert_eq!(beside.change_user(demote).await.unwrap(), ChangeUserOutcome::LastAdmin);
    heard.take();
}

#[tokio::test]
async fn both_write_at_once_and_nothing_is_lost() {
    let place = Place::new();
    let (store, _, beside) = furnished(&place).await;
    let asked: Vec<_> =
        (0..50).map(|number| store.create_user(own(&format!("here{number}")))).collect();
    for number in 0..50 {
        let made = beside.create_user(own(&format!("there{number}"))).await.unwrap();
        assert_eq!(made, CreateUserOutcome::Created);
    }
    for answer in asked {
        assert_eq!(answer.await.unwrap(), CreateUserOutcome::Created);
    }
    assert_eq!(store.list_accounts(0, 1_000).await.unwrap().len(), 102);
    store.close().await.unwrap();
    // A server that has stopped is no hindrance.
    let made = beside.create_user(own("Later")).await.unwrap();
    assert_eq!(made, CreateUserOutcome::Created);
    drop((store, beside));
    let (store, _) = place.open();
    assert!(store.find_account("later").await.unwrap().is_some());
}

fn names(of: impl IntoIterator<Item = usize>) -> Vec<String> {
    of.into_iter().map(|number| format!("role{number}")).collect()
}

#[tokio::test]
async fn a_role_keeps_its_number_for_ever() {
    let place = Place::new();
    let (store, _, beside) = furnished(&place).await;
    let first = store.assign_role_numbers(names([0, 1, 2])).await.unwrap().unwrap();
    assert_eq!(first, [0, 1, 2]);
    // Another order, one left out, one new, one named twice.
    let asked = names([2, 7, 0, 7]);
    let numbers = beside.assign_role_numbers(asked.clone()).await.unwrap().unwrap();
    assert_eq!(numbers, [2, 3, 0, 3]);
    store.close().await.unwrap();
    drop((store, beside));

    let (store, _) = place.open();
    assert_eq!(store.assign_role_numbers(asked).await.unwrap().unwrap(), numbers);
    assert_eq!(store.assign_role_numbers(names([1])).await.unwrap().unwrap(), [1], "it was kept");
    assert_eq!(store.assign_role_numbers(vec![]).await.unwrap().unwrap(), [0u8; 0]);

    // Four are there. Too many at once get none at all, so that fewer still may have them.
    let many = |count: usize| names((0..3).chain([7]).chain(100..100 + count - 4));
    assert_eq!(store.assign_role_numbers(many(CUSTOM_ROLES_MAX + 1)).await.unwrap(), None);
    let other = names((0..3).chain([7]).chain(200..200 + CUSTOM_ROLES_MAX - 4));
    let mut numbers = store.assign_role_numbers(other.clone()).await.unwrap().unwrap();
    numbers.sort_unstable();
    assert_eq!(
        numbers.iter().map(|number| usize::from(*number)).collect::<Vec<_>>(),
        (0..CUSTOM_ROLES_MAX).collect::<Vec<_>>()
    );
    assert_eq!(store.assign_role_numbers(names([300])).await.unwrap(), None);
    assert!(store.assign_role_numbers(other).await.unwrap().is_some());
}
