//! Rechecks: changes of other programs reach the feed.
//! Never: the thread that starts a recheck.

use super::*;

#[tokio::test]
async fn external_change_is_reported_once_as_the_whole_authority() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    open(&store, "s1", "ann", 0).await;
    open(&store, "b1", "bob", 0).await;
    let whole = async || Change::AccessSnapshot(Box::new(store.access_snapshot().await.unwrap()));

    let (outcome, reported) = recheck(&store, &feed).await;
    assert_eq!(
        (outcome, reported),
        (RecheckOutcome::Reported, vec![whole().await]),
        "the first recheck reports everything"
    );
    assert_eq!(recheck(&store, &feed).await, (RecheckOutcome::Unchanged, vec![]));

    // Changes through the store are reported as they happen.
    open(&store, "s2", "ann", 0).await;
    store.revoke(revocation("y", RevocationKind::Token, 90)).await.unwrap();
    assert_eq!(recheck(&store, &feed).await, (RecheckOutcome::Unchanged, vec![]));

    type Expect = fn(&AccessSnapshot) -> bool;
    let statements: [(&str, Expect); 7] = [
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
            all.users.iter().any(|row| row.id == user_id("bob") && row.roles == admin)
        }),
        ("UPDATE users SET disabled = 1 WHERE id = 'u_ann'", |all| {
            all.users.iter().all(|row| row.disabled == (row.id == user_id("ann")))
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
    for (statement, expect) in statements {
        directory.sql().execute_batch(statement).unwrap();
        let (outcome, reported) = recheck(&store, &feed).await;
        assert_eq!(outcome, RecheckOutcome::Reported, "{statement}");
        assert_eq!(reported, [whole().await], "{statement}");
        let [Change::AccessSnapshot(all)] = reported.as_slice() else { panic!("{reported:?}") };
        assert!(expect(all), "{statement}: {all:?}");
        let again = recheck(&store, &feed).await;
        assert_eq!(again, (RecheckOutcome::Unchanged, vec![]), "{statement}");
    }
}

#[tokio::test]
async fn unreadable_authority_is_reported_once_it_is_readable() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    open(&store, "s1", "ann", 0).await;
    recheck(&store, &feed).await;
    directory
        .sql()
        .execute_batch("UPDATE users SET id = 'no id', disabled = 1 WHERE id = 'u_bob'")
        .unwrap();
    for _ in 0..2 {
        assert!(store.recheck().await.is_err());
        assert_eq!(feed.take(), []);
    }
    directory.sql().execute_batch("UPDATE users SET id = 'u_bob' WHERE id = 'no id'").unwrap();
    let (outcome, reported) = recheck(&store, &feed).await;
    assert_eq!(outcome, RecheckOutcome::Reported);
    assert!(
        matches!(reported.as_slice(), [Change::AccessSnapshot(all)] if all.sessions.len() == 1)
    );
}
