//! Second factors: codes that are accepted once.
//! Never: the computation of a code.

use super::*;

fn totp(secret: u8, step: u64, recovery: &[[u8; 32]]) -> Option<NewTotp> {
    Some(NewTotp { secret: Secret::new(vec![secret; 20]), step, recovery: recovery.to_vec() })
}

#[tokio::test]
async fn totp_code_is_accepted_once() {
    let (_directory, store, feed) = open_with([local_user("Ann"), local_user("Bob")]).await;
    assert!(!store.use_totp_step(user_id("ann"), 9).await.unwrap(), "no second factor is set up");
    assert!(store.set_totp(user_id("ann"), totp(1, 10, &[]), None).await.unwrap());
    let (_, row) = last_user(&feed);
    assert!(row.has_totp);
    for (step, expect) in
        [(9, false), (10, false), (12, true), (12, false), (11, false), (13, true)]
    {
        let answer = store.use_totp_step(user_id("ann"), step).await.unwrap();
        assert_eq!(answer, expect, "{step}");
    }
    let pending: Vec<_> = (0..20).map(|_| store.use_totp_step(user_id("ann"), 14)).collect();
    let mut accepted = 0;
    for answer in pending {
        accepted += usize::from(answer.await.unwrap());
    }
    assert_eq!(accepted, 1);
    assert!(!store.use_totp_step(user_id("bob"), 99).await.unwrap());
}

/// The number of changes before the last one, and the user in the last one.
fn last_user(feed: &FeedRecorder) -> (usize, UserRow) {
    let changes = feed.take();
    match changes.last() {
        Some(Change::User(row)) => (changes.len() - 1, row.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn recovery_code_is_accepted_once_and_replaced_with_its_factor() {
    let (_directory, store, feed) = open_with([local_user("Ann"), local_user("Bob")]).await;
    open_sessions(&store, "ann", &["s1", "s2"]).await;
    open_sessions(&store, "bob", &["b1"]).await;
    let codes = [[1; 32], [2; 32], [3; 32]];
    feed.take();
    let keep = Some(session_id("s2"));
    assert!(store.set_totp(user_id("ann"), totp(1, 10, &codes), keep).await.unwrap());
    let (ended, row) = ended_then_user(&feed);
    assert_eq!((ended, row.has_totp), (vec![String::from("s1")], true));
    assert_eq!(session_names(&store, "bob").await, ["b1"]);

    let left = async || store.recovery_codes_left(&user_id("ann")).await.unwrap();
    assert_eq!(left().await, 3);
    let cases = [("bob", 1, false), ("ann", 9, false), ("ann", 1, true), ("ann", 1, false)];
    for (name, code, expect) in cases {
        let used = store.use_recovery_code(user_id(name), [code; 32]).await.unwrap();
        assert_eq!(used, expect, "{name} {code}");
    }
    let pending: Vec<_> =
        (0..20).map(|_| store.use_recovery_code(user_id("ann"), [2; 32])).collect();
    let mut accepted = 0;
    for answer in pending {
        accepted += usize::from(answer.await.unwrap());
    }
    assert_eq!((accepted, left().await), (1, 1));

    assert!(store.set_totp(user_id("ann"), totp(2, 5, &[[7; 32]]), None).await.unwrap());
    assert!(session_names(&store, "ann").await.is_empty());
    assert!(
        !store.use_recovery_code(user_id("ann"), [3; 32]).await.unwrap(),
        "a code of the old factor"
    );
    assert!(!store.use_totp_step(user_id("ann"), 5).await.unwrap());
    assert!(
        store.use_totp_step(user_id("ann"), 6).await.unwrap(),
        "the steps of the new secret start again"
    );
    assert!(store.use_recovery_code(user_id("ann"), [7; 32]).await.unwrap());

    assert!(store.set_totp(user_id("ann"), None, None).await.unwrap());
    assert!(!user_row(&store, "ann").await.has_totp);
    assert_eq!(left().await, 0);
    assert!(!store.use_totp_step(user_id("ann"), 99).await.unwrap());
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.access.users.len(), 2);
}

#[tokio::test]
async fn removed_second_factor_ends_all_sessions_but_the_one_that_is_kept() {
    let (_directory, store, _feed) = open_with([local_user("Ann"), local_user("Bob")]).await;
    open_sessions(&store, "bob", &["b1"]).await;
    for (keep, expect) in [(Some(session_id("s2")), vec!["s2"]), (None, vec![])] {
        assert!(store.set_totp(user_id("ann"), totp(1, 10, &[]), None).await.unwrap());
        open_sessions(&store, "ann", &["s1", "s2"]).await;
        assert!(store.set_totp(user_id("ann"), None, keep).await.unwrap());
        assert_eq!(session_names(&store, "ann").await, expect);
        assert_eq!(session_names(&store, "bob").await, ["b1"]);
    }
}
