//! The operator's store on the tables of users, beside a store that runs or does not.
//! Never: a server.

use std::path::Path;

use portcullis_model::{CUSTOM_ROLES_MAX, Role, Roles, Secret};
use portcullis_store::{
    AccountStore, Change, ChangeStore, ChangeUserOutcome, CreateUserOutcome, NewInvitation,
    NewTotp, NewUser, OpenSessionOutcome, OperatorActionKind, PresentedTurn, RecheckOutcome,
    Revocation, RevocationKind, RotateOutcome, RotateRequest, SessionSelector, SqliteOperatorStore,
    SqliteStore, Store, StoreError, UserChange, UserChangeKind,
};

use crate::fixture::{FeedRecorder, StoreDirectory, local_user, new_session, session_id, user_id};

/// A running store with Ann and the administrator Root, and an operator's store beside it.
async fn open_with_rows(
    directory: &StoreDirectory,
) -> (SqliteStore, FeedRecorder, SqliteOperatorStore) {
    let (store, feed) = directory.open();
    let root = NewUser { roles: Roles::user().with(Role::Admin), ..local_user("Root") };
    for user in [local_user("Ann"), root] {
        assert_eq!(store.create_user(user).await.unwrap(), CreateUserOutcome::Created);
    }
    let opened = store.open_session(new_session("s1", "ann", 10)).await.unwrap();
    assert_eq!(opened, OpenSessionOutcome::Opened);
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    feed.take();
    let operator = SqliteOperatorStore::open(&directory.path(), None, "root").unwrap();
    (store, feed, operator)
}

#[test]
fn operator_store_opens_only_its_own_schema() {
    let directory = StoreDirectory::new();
    let open = |path: &Path| SqliteOperatorStore::open(path, None, "root").map(drop);
    assert!(
        matches!(open(&directory.path()), Err(StoreError::Database(_))),
        "it creates no database"
    );
    assert!(!directory.path().exists());
    let (store, _) = directory.open();
    drop(store);
    assert!(open(&directory.path()).is_ok());
    let connection = directory.sql();
    let version = |version: u32| connection.pragma_update(None, "user_version", version).unwrap();
    let known: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    for older in [0, known - 1] {
        version(older);
        match open(&directory.path()) {
            Err(StoreError::SchemaOlder { seen, known: here }) => {
                assert_eq!((seen, here), (older, known));
            }
            other => panic!("{other:?}"),
        }
    }
    version(known + 1);
    match open(&directory.path()) {
        Err(StoreError::SchemaNewer { seen, known: here }) => {
            assert_eq!((seen, here), (known + 1, known));
        }
        other => panic!("{other:?}"),
    }
    // The failed open has not migrated the schema.
    let seen: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    assert_eq!(seen, known + 1);
    assert!(open(Path::new("/")).is_err());
}

/// The reported kind, user and detail of each operation.
const OPERATOR_ACTIONS: [(OperatorActionKind, Option<&str>, &str); 7] = [
    (OperatorActionKind::Status, Some("bob"), "account created"),
    (OperatorActionKind::Opened, Some("ann"), "session opened"),
    (OperatorActionKind::Session, Some("ann"), "1 sessions ended"),
    (OperatorActionKind::Session, None, "a token or session of us revoked"),
    (OperatorActionKind::Factors, Some("ann"), "second factor added"),
    (OperatorActionKind::Status, Some("ann"), "banned for 0 s"),
    (OperatorActionKind::Roles, Some("root"), "roles set to user"),
];

/// Runs one operation beside the store, by its number; `false` after the last one.
async fn apply(operator: &SqliteOperatorStore, number: u32) -> bool {
    let change = |user: &str, what| {
        operator.change_user(UserChange { user: user_id(user), what, at_unix_ms: 20 })
    };
    match number {
        0 => {
            let bob = NewUser { roles: Roles::user().with(Role::Admin), ..local_user("Bob") };
            assert_eq!(operator.create_user(bob).await.unwrap(), CreateUserOutcome::Created);
        }
        1 => {
            let opened = operator.open_session(new_session("s2", "ann", 10)).await.unwrap();
            assert_eq!(opened, OpenSessionOutcome::Opened);
        }
        2 => {
            let which = SessionSelector::One(session_id("s1"));
            assert_eq!(
                operator.end_sessions(user_id("ann"), which).await.unwrap(),
                [session_id("s1")]
            );
        }
        3 => {
            let name = String::from("jti");
            let issuer = String::from("us");
            let kind = RevocationKind::Token;
            let revocation =
                Revocation { issuer, user: String::new(), kind, name, until_unix_ms: 90 };
            operator.revoke(revocation).await.unwrap();
        }
        4 => {
            let totp = NewTotp { secret: Secret::new(vec![1; 20]), step: 5, recovery: vec![] };
            assert!(operator.set_totp(user_id("ann"), Some(totp), None).await.unwrap());
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
async fn operator_change_reaches_the_feed_of_the_running_store() {
    let directory = StoreDirectory::new();
    let (store, feed, operator) = open_with_rows(&directory).await;
    let mut before = store.access_snapshot().await.unwrap();
    let mut number = 0;
    while apply(&operator, number).await {
        assert_eq!(feed.take(), [], "{number}: nothing is reported before the recheck");
        assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported, "{number}");
        let now = store.access_snapshot().await.unwrap();
        assert_ne!(now, before, "{number}");
        assert_eq!(operator.access_snapshot().await.unwrap(), now, "{number}");
        let reported = feed.take();
        let [Change::AccessSnapshot(all), Change::Operator(action)] = reported.as_slice() else {
            panic!("{number}: {reported:?}")
        };
        assert_eq!(**all, now, "{number}");
        let (kind, user, what) = OPERATOR_ACTIONS[number as usize];
        assert_eq!((action.kind, action.user.clone()), (kind, user.map(user_id)), "{number}");
        assert_eq!(action.detail, format!("{what}, by root at the command line"));
        assert!(action.at_unix_ms > 1_700_000_000_000, "{number}: {}", action.at_unix_ms);
        assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Unchanged, "{number}");
        before = now;
        number += 1;
    }
    assert_eq!(number, 7);
    // An operation without effect is not reported, and none is reported twice.
    let unknown =
        UserChange { user: user_id("unknown"), what: UserChangeKind::RevokeAll, at_unix_ms: 20 };
    assert_eq!(operator.change_user(unknown).await.unwrap(), ChangeUserOutcome::Missing);
    let none = SessionSelector::All;
    assert!(operator.end_sessions(user_id("unknown"), none).await.unwrap().is_empty());
    store.recheck().await.unwrap();
    assert!(!feed.take().iter().any(|change| matches!(change, Change::Operator(_))));
    // A malformed row does not stop the report of the others.
    let malformed = "INSERT INTO operator_acts (kind, user, detail, at_unix_ms)
        VALUES ('?', 'not an id!', 'odd', 7)";
    directory.sql().execute_batch(malformed).unwrap();
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    let reported = feed.take();
    let Change::Operator(action) = &reported[1] else { panic!("{reported:?}") };
    assert_eq!((action.user.clone(), &*action.detail), (None, "odd"));
    assert_eq!(
        operator.recheck().await.unwrap(),
        RecheckOutcome::Unchanged,
        "an operator's store has no feed"
    );
    let ann = store.find_account("ann").await.unwrap().unwrap();
    assert_eq!((ann.banned_until_unix_ms, ann.has_totp), (99, true));
    assert_eq!(
        operator.list_accounts(0, 9).await.unwrap(),
        store.list_accounts(0, 9).await.unwrap()
    );
    assert!(operator.list_sessions(&user_id("ann"), 20).await.unwrap().is_empty());
    assert!(operator.has_admin().await.unwrap());
}

#[tokio::test]
async fn single_use_values_are_single_use_across_both_stores() {
    let directory = StoreDirectory::new();
    let (store, feed, operator) = open_with_rows(&directory).await;
    let recovery = vec![[1; 32], [2; 32]];
    let totp = NewTotp { secret: Secret::new(vec![1; 20]), step: 5, recovery };
    let keep = Some(session_id("s1"));
    assert!(store.set_totp(user_id("ann"), Some(totp), keep).await.unwrap());
    assert!(operator.use_totp_step(user_id("ann"), 6).await.unwrap());
    assert!(!store.use_totp_step(user_id("ann"), 6).await.unwrap());
    assert!(store.use_totp_step(user_id("ann"), 7).await.unwrap());
    assert!(!operator.use_totp_step(user_id("ann"), 7).await.unwrap());
    assert!(operator.use_recovery_code(user_id("ann"), [1; 32]).await.unwrap());
    assert!(!store.use_recovery_code(user_id("ann"), [1; 32]).await.unwrap());
    assert_eq!(operator.recovery_codes_left(&user_id("ann")).await.unwrap(), 1);
    assert_eq!(store.recovery_codes_left(&user_id("ann")).await.unwrap(), 1);

    let invitation = NewInvitation { hash: [9; 32], by: None, at_unix_ms: 10, ends_unix_ms: 99 };
    operator.invite(invitation).await.unwrap();
    let bob = NewUser { invitation: Some([9; 32]), ..local_user("Bob") };
    assert_eq!(store.create_user(bob.clone()).await.unwrap(), CreateUserOutcome::Created);
    let eve = NewUser { id: user_id("eve"), username: "Eve".into(), ..bob };
    assert_eq!(operator.create_user(eve).await.unwrap(), CreateUserOutcome::InvitationInvalid);
    let ann = NewUser { id: user_id("eve"), ..local_user("ANN") };
    assert_eq!(operator.create_user(ann).await.unwrap(), CreateUserOutcome::NameTaken);
    let setup = NewUser { setup: true, ..local_user("Toor") };
    assert_eq!(operator.create_user(setup).await.unwrap(), CreateUserOutcome::SetupUsed);

    let request = RotateRequest {
        session: session_id("s1"),
        presented: PresentedTurn { number: 0, device_hash: [1; 32] },
        at_unix_ms: 20,
        grace_ms: 10,
        idle_ms: 50,
    };
    let next = operator.rotate_session(request.clone()).await.unwrap();
    let RotateOutcome::Next(row) = next else { panic!("{next:?}") };
    assert_eq!(store.rotate_session(request).await.unwrap(), RotateOutcome::Same(row));

    let demote = UserChange {
        user: user_id("root"),
        what: UserChangeKind::Roles(Roles::user()),
        at_unix_ms: 20,
    };
    assert_eq!(operator.change_user(demote).await.unwrap(), ChangeUserOutcome::LastAdmin);
    feed.take();
}

#[tokio::test]
async fn concurrent_writes_of_both_stores_are_all_kept() {
    let directory = StoreDirectory::new();
    let (store, _, operator) = open_with_rows(&directory).await;
    let pending: Vec<_> =
        (0..50).map(|number| store.create_user(local_user(&format!("server{number}")))).collect();
    for number in 0..50 {
        let created = operator.create_user(local_user(&format!("operator{number}"))).await.unwrap();
        assert_eq!(created, CreateUserOutcome::Created);
    }
    for answer in pending {
        assert_eq!(answer.await.unwrap(), CreateUserOutcome::Created);
    }
    assert_eq!(store.list_accounts(0, 1_000).await.unwrap().len(), 102);
    store.close().await.unwrap();
    // The operator's store also writes after the server has stopped.
    let created = operator.create_user(local_user("Later")).await.unwrap();
    assert_eq!(created, CreateUserOutcome::Created);
    drop((store, operator));
    let (store, _) = directory.open();
    assert!(store.find_account("later").await.unwrap().is_some());
}

fn names(numbers: impl IntoIterator<Item = usize>) -> Vec<String> {
    numbers.into_iter().map(|number| format!("role{number}")).collect()
}

#[tokio::test]
async fn role_number_never_changes() {
    let directory = StoreDirectory::new();
    let (store, _, operator) = open_with_rows(&directory).await;
    let first = store.assign_role_numbers(names([0, 1, 2])).await.unwrap().unwrap();
    assert_eq!(first, [0, 1, 2]);
    // Another order, one role omitted, one new, one named twice.
    let requested = names([2, 7, 0, 7]);
    let numbers = operator.assign_role_numbers(requested.clone()).await.unwrap().unwrap();
    assert_eq!(numbers, [2, 3, 0, 3]);
    store.close().await.unwrap();
    drop((store, operator));

    let (store, _) = directory.open();
    assert_eq!(store.assign_role_numbers(requested).await.unwrap().unwrap(), numbers);
    assert_eq!(
        store.assign_role_numbers(names([1])).await.unwrap().unwrap(),
        [1],
        "an omitted role keeps its number"
    );
    assert_eq!(store.assign_role_numbers(vec![]).await.unwrap().unwrap(), [0u8; 0]);

    // Four numbers are assigned. A request for too many assigns none of them.
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
