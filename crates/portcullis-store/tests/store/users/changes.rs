//! Changes of a user, and the sessions that they end.
//! Never: second factors; they are in `factors.rs`.

use super::*;

fn admin(name: &str) -> NewUser {
    NewUser { roles: Roles::user().with(Role::Admin), ..own(name) }
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
