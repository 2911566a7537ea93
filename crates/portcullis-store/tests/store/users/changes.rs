//! Changes of a user, and the sessions that they end.
//! Never: second factors; they are in `factors.rs`.

use super::*;

fn admin(name: &str) -> NewUser {
    NewUser { roles: Roles::user().with(Role::Admin), ..local_user(name) }
}

#[tokio::test]
async fn user_change_is_stored_and_reported_and_ends_its_sessions() {
    use UserChangeKind as Kind;
    let password = |keep: Option<&str>| Kind::Password {
        phc: Secret::new(String::from("new phc")),
        keep: keep.map(session_id),
    };
    let before = UserRow {
        id: user_id("ann"),
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
    // The change, the row of the user after it, and the sessions that end.
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
        (password(Some("b1")), before, &["s1", "s2"]), // a session of another user keeps none
    ];
    for (what, expect, ends) in cases {
        let case = format!("{what:?}");
        let (_directory, store, feed) = open_with([local_user("Ann"), local_user("Bob")]).await;
        open_sessions(&store, "ann", &["s1", "s2"]).await;
        open_sessions(&store, "bob", &["b1"]).await;
        feed.take();
        let answer = change(&store, "ann", what).await;
        assert_eq!(answer, ChangeUserOutcome::Changed(expect.clone()), "{case}");
        let (ended, row) = ended_then_user(&feed);
        assert_eq!(
            (ended.iter().map(String::as_str).collect::<Vec<_>>().as_slice(), &row),
            (ends, &expect),
            "{case}"
        );
        assert_eq!(user_row(&store, "ann").await, expect, "{case}");
        assert_eq!(session_names(&store, "ann").await.len(), 2 - ends.len(), "{case}");
        assert_eq!(session_names(&store, "bob").await, ["b1"], "{case}");
        assert_eq!(
            store.find_account("u_ann").await.unwrap().unwrap().changed_unix_ms,
            NOW,
            "{case}"
        );
    }
}

#[tokio::test]
async fn lifted_restriction_leaves_old_tokens_revoked() {
    use UserChangeKind as Kind;
    let (_directory, store, _) = open_with([local_user("Ann")]).await;
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
    // A clock that is set back does not make a revoked token valid.
    let what = Kind::RevokeAll;
    let earlier = UserChange { user: user_id("ann"), what, at_unix_ms: NOW - 500 };
    store.change_user(earlier).await.unwrap();
    assert_eq!(user_row(&store, "ann").await.valid_after_unix_ms, NOW);
}

#[tokio::test]
async fn removed_role_stays_removed_for_older_tokens() {
    let (_directory, store, _feed) = open_with([]).await;
    let admin = Roles::user().with(Role::Admin);
    let show = |issued_unix_ms| {
        let user = NewUser { roles: admin, ..foreign_user("Far") };
        create(&store, NewUser { roles_issued_unix_ms: Some(issued_unix_ms), ..user })
    };
    // The clock of an issuer may be ahead.
    for issued_unix_ms in [NOW - 9, NOW + 5] {
        show(issued_unix_ms).await;
        assert_eq!(user_row(&store, "far").await.roles, admin);
        // The last administrator is foreign: its issuer can grant the role again.
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
async fn last_administrator_is_protected() {
    use UserChangeKind as Kind;
    let (_directory, store, feed) =
        open_with([admin("Root"), admin("Toor"), local_user("Ann")]).await;
    let demote = || Kind::Roles(Roles::user());
    let promote = || Kind::Roles(Roles::user().with(Role::Admin));
    let banned = |until_unix_ms| Kind::Banned { until_unix_ms };
    let cases = [
        ("ann", Kind::Disabled(true), true), // not an administrator
        ("toor", banned(NOW + 9), true),
        ("root", demote(), false), // a banned administrator does not count
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
        ("root", demote(), false), // a disabled administrator does not count either
        ("toor", demote(), true),
        ("root", demote(), false),
    ];
    for (step, (name, what, changes)) in cases.into_iter().enumerate() {
        feed.take();
        let case = format!("{step}: {name} {what:?}");
        match change(&store, name, what).await {
            ChangeUserOutcome::Changed(_) => assert!(changes, "{case}"),
            answer => {
                assert_eq!((answer, changes), (ChangeUserOutcome::LastAdmin, false), "{case}")
            }
        }
        assert_eq!(feed.take().is_empty(), !changes, "{case}");
    }
}

#[tokio::test]
async fn usernames_are_unique_in_any_case_among_local_users() {
    let (directory, store, feed) =
        open_with([local_user("Ann"), local_user("bob"), foreign_user("Far")]).await;
    feed.take();
    let cases = [
        ("bob", "ANN", false),
        ("bob", "BOB", true),
        ("bob", "Robert", true),
        ("ann", "Bob", true), // the name is free again
        ("far", "bob", true), // a foreign user reserves no name
        ("far", "Carol", true),
        ("bob", "carol", true), // the name was not reserved
    ];
    for (name, new, expect) in cases {
        let answer = change(&store, name, UserChangeKind::Username(Arc::from(new))).await;
        assert_eq!(
            matches!(answer, ChangeUserOutcome::Changed(_)),
            expect,
            "{name} {new} {answer:?}"
        );
        assert!(expect || answer == ChangeUserOutcome::NameTaken, "{name} {new}");
        assert_eq!(feed.take().len(), usize::from(expect), "{name} {new}");
    }
    let found = store.credentials("CAROL").await.unwrap().unwrap();
    assert_eq!(found.id, user_id("bob"));
    assert!(store.credentials("robert").await.unwrap().is_none());
    let taken = "SELECT count(*) FROM users WHERE issuer IS NOT NULL AND folded IS NOT NULL";
    let taken: u32 = directory.sql().query_row(taken, [], |row| row.get(0)).unwrap();
    assert_eq!(taken, 0);
}

#[tokio::test]
async fn change_of_an_unknown_user_has_no_effect() {
    let (_directory, store, feed) = open_with([foreign_user("Far")]).await;
    feed.take();
    let phc = || Secret::new(String::from("phc"));
    let cases = [
        ("ghost", UserChangeKind::RevokeAll),
        ("ghost", UserChangeKind::Password { phc: phc(), keep: None }),
        ("far", UserChangeKind::Password { phc: phc(), keep: None }), // it has none
    ];
    for (name, what) in cases {
        let case = format!("{name} {what:?}");
        assert_eq!(change(&store, name, what).await, ChangeUserOutcome::Missing, "{case}");
    }
    let totp = NewTotp { secret: Secret::new(vec![1]), step: 1, recovery: vec![] };
    assert!(!store.set_totp(user_id("ghost"), Some(totp), None).await.unwrap());
    assert!(!store.use_totp_step(user_id("ghost"), 9).await.unwrap());
    assert!(!store.use_recovery_code(user_id("ghost"), [1; 32]).await.unwrap());
    assert!(store.credentials_of(&user_id("ghost")).await.unwrap().is_none());
    assert_eq!(feed.take(), []);
}

#[tokio::test]
async fn rehash_replaces_only_the_hash_it_was_made_from() {
    let (_directory, store, _) = open_with([local_user("Ann")]).await;
    let text = |text: &str| Secret::new(String::from(text));
    let cases = [
        ("ann", "phc of Bob", "x", false),
        ("ann", "phc of Ann", "stronger", true),
        ("ann", "phc of Ann", "x", false), // the hash has changed meanwhile
        ("ghost", "phc of Ann", "x", false),
    ];
    for (name, old, new, expect) in cases {
        let answer = store.rehash(user_id(name), text(old), text(new)).await.unwrap();
        assert_eq!(answer, expect, "{name} {old}");
    }
    let row = store.credentials("ann").await.unwrap().unwrap();
    assert_eq!(row.password_phc.expose(), "stronger");
}
