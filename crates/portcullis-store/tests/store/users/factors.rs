//! Second factors: codes that are accepted once.
//! Never: the computation of a code.

use super::*;

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
