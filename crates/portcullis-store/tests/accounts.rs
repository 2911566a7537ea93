//! People: how they come, what changes about them, what proves who they are.
//! Never: a server.

#![expect(clippy::unwrap_used, clippy::panic, reason = "all of this file is test code")]

mod fixture;

use std::sync::Arc;

use portcullis_model::{Role, Roles, Secret, SessionId};
use portcullis_store::{
    AccountStore, Change, ChangeStore, ChangeUserOutcome, CreateUserOutcome, Factors,
    NewInvitation, NewSession, NewTotp, NewUser, SqliteStore, Store, UserChange, UserChangeKind,
    UserRow,
};

use fixture::{Heard, Place, id, own};

/// When everything about sessions happens here.
const NOW: i64 = 1_000;

fn admin(name: &str) -> NewUser {
    NewUser { roles: Roles::user().with(Role::Admin), ..own(name) }
}

/// A user another issuer vouches for.
fn foreign(name: &str) -> NewUser {
    NewUser {
        password_phc: None,
        issuer: Some(String::from("https://id.example")),
        subject: Some(String::from("7")),
        ..own(name)
    }
}

async fn create(store: &SqliteStore, user: NewUser) {
    assert_eq!(store.create_user(user).await.unwrap(), CreateUserOutcome::Created);
}

async fn change(store: &SqliteStore, name: &str, what: UserChangeKind) -> ChangeUserOutcome {
    store.change_user(UserChange { user: id(name), what, at_unix_ms: NOW }).await.unwrap()
}

fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

async fn open_sessions(store: &SqliteStore, name: &str, sessions: &[&str]) {
    for text in sessions {
        let new = NewSession {
            id: session(text),
            user: id(name),
            at_unix_ms: NOW,
            idle_ends_unix_ms: NOW + 100,
            ends_unix_ms: NOW + 1_000,
            device: String::from("a browser"),
            address: String::from("192.0.2.1"),
            device_hash: [1; 32],
            key: None,
            factors: Factors::Password,
            sessions_per_user_max: 9,
        };
        store.open_session(new).await.unwrap();
    }
}

async fn sessions(store: &SqliteStore, name: &str) -> Vec<String> {
    let rows = store.list_sessions(&id(name), NOW).await.unwrap();
    let mut names: Vec<_> = rows.iter().map(|row| row.id.to_string()).collect();
    names.sort_unstable();
    names
}

async fn user_row(store: &SqliteStore, name: &str) -> UserRow {
    let users = store.authority().await.unwrap().users;
    users.into_iter().find(|row| row.id == id(name)).unwrap()
}

/// The sessions that ended and the user that changed, which the feed says last.
fn ended_then_user(heard: &Heard) -> (Vec<String>, UserRow) {
    let mut heard = heard.take();
    let Some(Change::User(row)) = heard.pop() else { panic!("the user comes last: {heard:?}") };
    let ended = heard.into_iter().map(|change| match change {
        Change::SessionEnded { session, user } if user == row.id => session.to_string(),
        other => panic!("{other:?}"),
    });
    let mut ended: Vec<_> = ended.collect();
    ended.sort_unstable();
    (ended, row)
}

#[tokio::test]
async fn an_invitation_makes_one_user_until_its_end() {
    let place = Place::new();
    let (store, heard) = place.open();
    create(&store, own("Ann")).await;
    for (hash, by) in [([1; 32], Some(id("ann"))), ([2; 32], None)] {
        let invitation = NewInvitation { hash, by, at_unix_ms: 5, ends_unix_ms: 100 };
        store.invite(invitation).await.unwrap();
    }
    heard.take();
    let cases = [
        ("eve", 9, 10, CreateUserOutcome::InvitationInvalid), // unknown
        ("eve", 1, 100, CreateUserOutcome::InvitationInvalid), // over
        ("ANN", 9, 10, CreateUserOutcome::InvitationInvalid), // does not learn which names exist
        ("ANN", 1, 10, CreateUserOutcome::NameTaken),
        ("bob", 1, 99, CreateUserOutcome::Created), // a name that was taken has not used it up
        ("eve", 1, 99, CreateUserOutcome::InvitationInvalid),
        ("cid", 2, 99, CreateUserOutcome::Created),
    ];
    for (name, hash, created_unix_ms, expect) in cases {
        let user_id = portcullis_model::UserId::parse(&format!("new_{name}")).unwrap();
        let invitation = Some([hash; 32]);
        let open = store.has_invitation([hash; 32], created_unix_ms).await.unwrap();
        assert_eq!(
            open,
            expect != CreateUserOutcome::InvitationInvalid,
            "{name} {hash} {created_unix_ms}"
        );
        let user = NewUser { id: user_id, invitation, created_unix_ms, ..own(name) };
        let answer = store.create_user(user).await.unwrap();
        assert_eq!(answer, expect, "{name} {hash} {created_unix_ms}");
        let told = heard.take().len();
        assert_eq!(told, usize::from(expect == CreateUserOutcome::Created), "{name}");
    }
}

#[tokio::test]
async fn of_many_with_one_invitation_one_comes_in() {
    let place = Place::new();
    let (store, _) = place.open();
    let invitation = NewInvitation { hash: [1; 32], by: None, at_unix_ms: 0, ends_unix_ms: 100 };
    store.invite(invitation).await.unwrap();
    let ask = |number| {
        let user = NewUser { invitation: Some([1; 32]), ..own(&format!("guest{number}")) };
        store.create_user(user)
    };
    // All wait for the writer at once.
    let asked: Vec<_> = (0..20).map(ask).collect();
    let mut made = 0;
    for answer in asked {
        made += usize::from(answer.await.unwrap() == CreateUserOutcome::Created);
    }
    assert_eq!((made, store.list_accounts(0, 99).await.unwrap().len()), (1, 1));
}

#[tokio::test]
async fn a_foreign_user_is_brought_up_to_date() {
    let place = Place::new();
    let (store, heard) = place.open();
    create(&store, foreign("Far")).await;
    heard.take();
    let moderator = Roles::user().with(Role::Moderator);
    let of_token = |issued| NewUser { roles_issued_unix_ms: Some(issued), ..foreign("Far") };
    let cases = [
        (foreign("Further"), "Further", Roles::user()),
        (NewUser { roles: moderator, ..foreign("Further") }, "Further", Roles::user()),
        (NewUser { roles: moderator, ..of_token(20) }, "Far", moderator),
        (of_token(30), "Far", Roles::user()),
        // An older token, and one of the same moment.
        (NewUser { roles: moderator, ..of_token(29) }, "Far", Roles::user()),
        (NewUser { roles: moderator, ..of_token(30) }, "Far", moderator),
    ];
    for (user, name, roles) in cases {
        // Whatever id is brought along, it is the user there was.
        create(&store, NewUser { id: id("another"), ..user }).await;
        let (ended, row) = ended_then_user(&heard);
        assert_eq!((ended.len(), &row.id, &*row.username), (0, &id("far"), name));
        assert_eq!((row.roles, row.foreign), (roles, true));
    }
    // An invitation is used up by who is new only.
    let invitation = NewInvitation { hash: [1; 32], by: None, at_unix_ms: 0, ends_unix_ms: 100 };
    store.invite(invitation).await.unwrap();
    create(&store, NewUser { invitation: Some([1; 32]), ..foreign("Far") }).await;
    create(&store, NewUser { invitation: Some([1; 32]), ..own("Bob") }).await;
    assert!(store.credentials("far").await.unwrap().is_none());
    assert!(store.credentials_of(&id("far")).await.unwrap().is_none());
    assert!(store.find_account("far").await.unwrap().is_none(), "a foreign name finds nobody");
    let person = store.find_account("u_far").await.unwrap().unwrap();
    assert_eq!(person.issuer.as_deref(), Some("https://id.example"));
}

#[tokio::test]
async fn people_are_found_and_listed() {
    let place = Place::new();
    let (store, _) = place.open();
    create(&store, own("Ann")).await;
    create(&store, own("Bob")).await;
    // Called like Ann's id: whoever asks for the id means Ann.
    create(&store, NewUser { id: id("eve"), ..own("u_ann") }).await;
    let cases = [("u_ann", "Ann"), ("ANN", "Ann"), ("u_eve", "u_ann"), ("bob", "Bob")];
    for (asked, expect) in cases {
        let person = store.find_account(asked).await.unwrap().unwrap();
        assert_eq!(&*person.username, expect, "{asked}");
    }
    assert!(store.find_account("nobody").await.unwrap().is_none());
    let pages: [(u64, u32, &[&str]); 5] = [
        (0, 2, &["Ann", "Bob"]),
        (1, 9, &["Bob", "u_ann"]),
        (3, 9, &[]),
        (u64::MAX, 9, &[]),
        (0, 0, &[]),
    ];
    for (skip, limit, expect) in pages {
        let people = store.list_accounts(skip, limit).await.unwrap();
        let names: Vec<_> = people.iter().map(|person| &*person.username).collect();
        assert_eq!(names, expect, "{skip} {limit}");
    }
}

#[tokio::test]
async fn every_change_of_a_user_does_what_it_says_and_ends_what_it_ends() {
    use UserChangeKind as Kind;
    let password = |keep: Option<&str>| Kind::Password {
        phc: Secret::new(String::from("new phc")),
        keep: keep.map(session),
    };
    let before = UserRow {
        id: id("ann"),
        username: Arc::from("Ann"),
        roles: Roles::user(),
        disabled: false,
        valid_after_unix_ms: 0,
        banned_until_unix_ms: 0,
        muted_until_unix_ms: 0,
        roles_after_unix_ms: 0,
        has_totp: false,
        foreign: false,
    };
    let voided = UserRow { valid_after_unix_ms: NOW, ..before.clone() };
    let until_unix_ms = NOW + 50;
    let named = UserRow { username: Arc::from("ANN"), ..before.clone() };
    let moderator = Roles::user().with(Role::Moderator);
    // What changes, what the user is then, and which sessions end.
    let cases: [(Kind, UserRow, &[&str]); 9] = [
        (
            Kind::Roles(moderator),
            UserRow { roles: moderator, roles_after_unix_ms: NOW, ..before.clone() },
            &[],
        ),
        (
            Kind::Muted { until_unix_ms },
            UserRow { muted_until_unix_ms: until_unix_ms, ..before.clone() },
            &[],
        ),
        (Kind::Username(Arc::from("ANN")), named, &[]),
        (Kind::Disabled(true), UserRow { disabled: true, ..voided.clone() }, &["s1", "s2"]),
        (
            Kind::Banned { until_unix_ms },
            UserRow { banned_until_unix_ms: until_unix_ms, ..voided.clone() },
            &["s1", "s2"],
        ),
        (Kind::RevokeAll, voided, &["s1", "s2"]),
        (password(None), before.clone(), &["s1", "s2"]),
        (password(Some("s1")), before.clone(), &["s2"]),
        (password(Some("b1")), before, &["s1", "s2"]), // another's session saves none
    ];
    for (what, expect, ends) in cases {
        let case = format!("{what:?}");
        let place = Place::new();
        let (store, heard) = place.open();
        create(&store, own("Ann")).await;
        create(&store, own("Bob")).await;
        open_sessions(&store, "ann", &["s1", "s2"]).await;
        open_sessions(&store, "bob", &["b1"]).await;
        heard.take();
        let answer = change(&store, "ann", what).await;
        assert_eq!(answer, ChangeUserOutcome::Changed(expect.clone()), "{case}");
        let (ended, row) = ended_then_user(&heard);
        assert_eq!(
            (ended.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), &row),
            (ends, &expect),
            "{case}"
        );
        assert_eq!(user_row(&store, "ann").await, expect, "{case}");
        assert_eq!(sessions(&store, "ann").await.len(), 2 - ends.len(), "{case}");
        assert_eq!(sessions(&store, "bob").await, ["b1"], "{case}");
        assert_eq!(
            store.find_account("u_ann").await.unwrap().unwrap().changed_unix_ms,
            NOW,
            "{case}"
        );
    }
}

#[tokio::test]
async fn what_is_lifted_is_lifted_and_tokens_stay_void() {
    use UserChangeKind as Kind;
    let place = Place::new();
    let (store, _) = place.open();
    create(&store, own("Ann")).await;
    let steps = [
        Kind::Disabled(true),
        Kind::Disabled(false),
        Kind::Banned { until_unix_ms: NOW + 9 },
        Kind::Banned { until_unix_ms: 0 },
        Kind::Muted { until_unix_ms: NOW + 9 },
        Kind::Muted { until_unix_ms: 0 },
    ];
    for what in steps {
        let answer = change(&store, "ann", what).await;
        assert!(matches!(answer, ChangeUserOutcome::Changed(_)), "{answer:?}");
    }
    let row = user_row(&store, "ann").await;
    assert!(!row.disabled && row.banned_until_unix_ms <= NOW && row.muted_until_unix_ms <= NOW);
    assert_eq!(row.valid_after_unix_ms, NOW);
    // A clock that was set back makes no voided token good again.
    let what = Kind::RevokeAll;
    let earlier = UserChange { user: id("ann"), what, at_unix_ms: NOW - 500 };
    store.change_user(earlier).await.unwrap();
    assert_eq!(user_row(&store, "ann").await.valid_after_unix_ms, NOW);
}

#[tokio::test]
async fn role_taken_here_stays_taken_for_tokens_issued_before() {
    let place = Place::new();
    let (store, _heard) = place.open();
    let admin = Roles::user().with(Role::Admin);
    let show = |issued_unix_ms| {
        let user = NewUser { roles: admin, ..foreign("Far") };
        create(&store, NewUser { roles_issued_unix_ms: Some(issued_unix_ms), ..user })
    };
    // The clock of an issuer may be ahead.
    for issued_unix_ms in [NOW - 9, NOW + 5] {
        show(issued_unix_ms).await;
        assert_eq!(user_row(&store, "far").await.roles, admin);
        // The only administrator is another issuer's, who can give the role again.
        let answer = change(&store, "far", UserChangeKind::Roles(Roles::user())).await;
        assert!(matches!(answer, ChangeUserOutcome::Changed(_)), "{answer:?}");
        show(issued_unix_ms).await;
        show(NOW - 1).await;
        assert_eq!(user_row(&store, "far").await.roles, Roles::user(), "{issued_unix_ms}");
    }
    show(NOW + 6).await;
    assert_eq!(user_row(&store, "far").await.roles, admin, "a token issued since");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    use UserChangeKind as Kind;
    let place = Place::new();
    let (store, heard) = place.open();
    create(&store, admin("Root")).await;
    create(&store, admin("Toor")).await;
    create(&store, own("Ann")).await;
    let demote = || Kind::Roles(Roles::user());
    let promote = || Kind::Roles(Roles::user().with(Role::Admin));
    let banned = |until_unix_ms| Kind::Banned { until_unix_ms };
    let cases = [
        ("ann", Kind::Disabled(true), true), // none herself
        ("toor", banned(NOW + 9), true),
        ("root", demote(), false), // who is banned does not count
        ("root", Kind::Disabled(true), false),
        ("root", banned(NOW + 1), false),
        ("root", banned(NOW), true), // lifts
        ("root", Kind::Disabled(false), true),
        ("root", Kind::Muted { until_unix_ms: NOW + 9 }, true),
        ("root", Kind::RevokeAll, true),
        ("root", promote(), true),
        ("toor", banned(0), true),
        ("root", demote(), true),
        ("toor", Kind::Disabled(true), false),
        ("root", promote(), true),
        ("toor", Kind::Disabled(true), true),
        ("root", demote(), false), // nor who is locked out
        ("toor", demote(), true),
        ("root", demote(), false),
    ];
    for (step, (name, what, changes)) in cases.into_iter().enumerate() {
        heard.take();
        let case = format!("{step}: {name} {what:?}");
        match change(&store, name, what).await {
            ChangeUserOutcome::Changed(_) => assert!(changes, "{case}"),
            answer => {
                assert_eq!((answer, changes), (ChangeUserOutcome::LastAdmin, false), "{case}")
            }
        }
        assert_eq!(heard.take().is_empty(), !changes, "{case}");
    }
}

#[tokio::test]
async fn names_are_taken_whatever_their_case_and_not_by_foreigners() {
    let place = Place::new();
    let (store, heard) = place.open();
    create(&store, own("Ann")).await;
    create(&store, own("bob")).await;
    create(&store, foreign("Far")).await;
    heard.take();
    let cases = [
        ("bob", "ANN", false),
        ("bob", "BOB", true),
        ("bob", "Robert", true),
        ("ann", "Bob", true), // it is free again
        ("far", "bob", true), // takes nothing
        ("far", "Carol", true),
        ("bob", "carol", true), // nothing was taken
    ];
    for (name, new, expect) in cases {
        let answer = change(&store, name, UserChangeKind::Username(Arc::from(new))).await;
        assert_eq!(
            matches!(answer, ChangeUserOutcome::Changed(_)),
            expect,
            "{name} {new} {answer:?}"
        );
        assert!(expect || answer == ChangeUserOutcome::NameTaken, "{name} {new}");
        assert_eq!(heard.take().len(), usize::from(expect), "{name} {new}");
    }
    let found = store.credentials("CAROL").await.unwrap().unwrap();
    assert_eq!(found.id, id("bob"));
    assert!(store.credentials("robert").await.unwrap().is_none());
    let taken = "SELECT count(*) FROM users WHERE issuer IS NOT NULL AND folded IS NOT NULL";
    let taken: u32 = place.sql().query_row(taken, [], |row| row.get(0)).unwrap();
    assert_eq!(taken, 0);
}

#[tokio::test]
async fn who_is_not_there_changes_nothing() {
    let place = Place::new();
    let (store, heard) = place.open();
    create(&store, foreign("Far")).await;
    heard.take();
    let phc = || Secret::new(String::from("phc"));
    let cases = [
        ("ghost", UserChangeKind::RevokeAll),
        ("ghost", UserChangeKind::Password { phc: phc(), keep: None }),
        ("far", UserChangeKind::Password { phc: phc(), keep: None }), // another issuer's affair
    ];
    for (name, what) in cases {
        let case = format!("{name} {what:?}");
        assert_eq!(change(&store, name, what).await, ChangeUserOutcome::Missing, "{case}");
    }
    let totp = NewTotp { secret: Secret::new(vec![1]), step: 1, recovery: vec![] };
    assert!(!store.set_totp(id("ghost"), Some(totp), None).await.unwrap());
    assert!(!store.use_totp_step(id("ghost"), 9).await.unwrap());
    assert!(!store.use_recovery_code(id("ghost"), [1; 32]).await.unwrap());
    assert!(store.credentials_of(&id("ghost")).await.unwrap().is_none());
    assert_eq!(heard.take(), []);
}

#[tokio::test]
async fn a_dearer_hash_takes_the_place_of_the_one_it_was_made_for() {
    let place = Place::new();
    let (store, _) = place.open();
    create(&store, own("Ann")).await;
    let text = |text: &str| Secret::new(String::from(text));
    let cases = [
        ("ann", "phc of Bob", "x", false),
        ("ann", "phc of Ann", "dearer", true),
        ("ann", "phc of Ann", "x", false), // somebody was faster
        ("ghost", "phc of Ann", "x", false),
    ];
    for (name, old, new, expect) in cases {
        let answer = store.rehash(id(name), text(old), text(new)).await.unwrap();
        assert_eq!(answer, expect, "{name} {old}");
    }
    let row = store.credentials("ann").await.unwrap().unwrap();
    assert_eq!(row.password_phc.expose(), "dearer");
}

fn totp(secret: u8, step: u64, recovery: &[[u8; 32]]) -> Option<NewTotp> {
    Some(NewTotp { secret: Secret::new(vec![secret; 20]), step, recovery: recovery.to_vec() })
}

#[tokio::test]
async fn a_code_counts_once() {
    let place = Place::new();
    let (store, heard) = place.open();
    create(&store, own("Ann")).await;
    create(&store, own("Bob")).await;
    assert!(!store.use_totp_step(id("ann"), 9).await.unwrap(), "none is asked for");
    assert!(store.set_totp(id("ann"), totp(1, 10, &[]), None).await.unwrap());
    let (_, row) = ended_then_user_only(&heard);
    assert!(row.has_totp);
    for (step, expect) in
        [(9, false), (10, false), (12, true), (12, false), (11, false), (13, true)]
    {
        let answer = store.use_totp_step(id("ann"), step).await.unwrap();
        assert_eq!(answer, expect, "{step}");
    }
    let asked: Vec<_> = (0..20).map(|_| store.use_totp_step(id("ann"), 14)).collect();
    let mut counted = 0;
    for answer in asked {
        counted += usize::from(answer.await.unwrap());
    }
    assert_eq!(counted, 1);
    assert!(!store.use_totp_step(id("bob"), 99).await.unwrap());
}

/// The last word about a user, past what was said of others.
fn ended_then_user_only(heard: &Heard) -> (usize, UserRow) {
    let heard = heard.take();
    match heard.last() {
        Some(Change::User(row)) => (heard.len() - 1, row.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_recovery_code_counts_once_and_a_new_factor_brings_its_own() {
    let place = Place::new();
    let (store, heard) = place.open();
    create(&store, own("Ann")).await;
    create(&store, own("Bob")).await;
    open_sessions(&store, "ann", &["s1", "s2"]).await;
    open_sessions(&store, "bob", &["b1"]).await;
    let codes = [[1; 32], [2; 32], [3; 32]];
    heard.take();
    let keep = Some(session("s2"));
    assert!(store.set_totp(id("ann"), totp(1, 10, &codes), keep).await.unwrap());
    let (ended, row) = ended_then_user(&heard);
    assert_eq!((ended, row.has_totp), (vec![String::from("s1")], true));
    assert_eq!(sessions(&store, "bob").await, ["b1"]);

    let left = async || store.recovery_codes_left(&id("ann")).await.unwrap();
    assert_eq!(left().await, 3);
    let cases = [("bob", 1, false), ("ann", 9, false), ("ann", 1, true), ("ann", 1, false)];
    for (name, code, expect) in cases {
        let used = store.use_recovery_code(id(name), [code; 32]).await.unwrap();
        assert_eq!(used, expect, "{name} {code}");
    }
    let asked: Vec<_> = (0..20).map(|_| store.use_recovery_code(id("ann"), [2; 32])).collect();
    let mut counted = 0;
    for answer in asked {
        counted += usize::from(answer.await.unwrap());
    }
    assert_eq!((counted, left().await), (1, 1));

    assert!(store.set_totp(id("ann"), totp(2, 5, &[[7; 32]]), None).await.unwrap());
    assert!(sessions(&store, "ann").await.is_empty());
    assert!(!store.use_recovery_code(id("ann"), [3; 32]).await.unwrap(), "an old one");
    assert!(!store.use_totp_step(id("ann"), 5).await.unwrap());
    assert!(store.use_totp_step(id("ann"), 6).await.unwrap(), "the new secret counts anew");
    assert!(store.use_recovery_code(id("ann"), [7; 32]).await.unwrap());

    assert!(store.set_totp(id("ann"), None, None).await.unwrap());
    assert!(!user_row(&store, "ann").await.has_totp);
    assert_eq!(left().await, 0);
    assert!(!store.use_totp_step(id("ann"), 99).await.unwrap());
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.authority.users.len(), 2);
}

#[tokio::test]
async fn removed_second_factor_ends_all_sessions_but_the_one_that_is_kept() {
    let place = Place::new();
    let (store, _heard) = place.open();
    create(&store, own("Ann")).await;
    create(&store, own("Bob")).await;
    open_sessions(&store, "bob", &["b1"]).await;
    for (keep, expect) in [(Some(session("s2")), vec!["s2"]), (None, vec![])] {
        assert!(store.set_totp(id("ann"), totp(1, 10, &[]), None).await.unwrap());
        open_sessions(&store, "ann", &["s1", "s2"]).await;
        assert!(store.set_totp(id("ann"), None, keep).await.unwrap());
        assert_eq!(sessions(&store, "ann").await, expect);
        assert_eq!(sessions(&store, "bob").await, ["b1"]);
    }
}
