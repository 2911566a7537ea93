//! Revocations, and the removal of ended rows.
//! Never: a clock; each call gets the time.

use super::*;

#[tokio::test]
async fn revocation_lasts_until_its_later_end() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    let token = |until| revocation("x", RevocationKind::Token, until);
    for (until, expect) in [(50, 50), (40, 50), (60, 60)] {
        store.revoke(token(until)).await.unwrap();
        assert_eq!(feed.take(), [Change::Revoked(token(expect))], "{until}");
    }
    store.revoke(revocation("x", RevocationKind::Session, 5)).await.unwrap();
    let mut kept = store.load().await.unwrap().access.revocations;
    kept.sort_unstable_by_key(|row| row.until_unix_ms);
    assert_eq!(kept, [revocation("x", RevocationKind::Session, 5), token(60)]);
}

#[tokio::test]
async fn ended_rows_are_removed_and_ended_sessions_reported() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
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
    recheck(&store, &feed).await;
    assert_eq!(
        store.access_snapshot().await.unwrap().sessions.len(),
        3,
        "no session has ended yet"
    );
    store.remove_ended(ENDS).await.unwrap();
    let mut reported = feed.take();
    reported.sort_unstable_by_key(|change| format!("{change:?}"));
    assert_eq!(reported, [ended("s1", "ann"), ended("s2", "ann")]);
    let left = store.load().await.unwrap();
    assert_eq!(
        (left.access.sessions.len(), left.access.revocations.len()),
        (1, 2),
        "revocations are kept for a day"
    );
    assert_eq!(left.access.revocations_ended_unix_ms, 0);
    let connection = directory.sql();
    let count = "SELECT count(*) FROM invitations";
    let invitations: u32 = connection.query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(invitations, 1);
    assert_eq!(recheck(&store, &feed).await, (RecheckOutcome::Unchanged, vec![]));
}

#[tokio::test]
async fn deleted_revocations_leave_the_latest_of_their_ends() {
    let directory = StoreDirectory::new();
    let (store, _) = open_with_rows(&directory).await;
    let day_ms = 24 * 60 * 60 * 1000;
    for (name, until) in [("x", 100), ("y", 200), ("z", 300)] {
        store.revoke(revocation(name, RevocationKind::Token, until)).await.unwrap();
    }
    for (now, left, ended) in [(day_ms + 99, 3, 0), (day_ms + 200, 1, 200), (0, 1, 200)] {
        store.remove_ended(now).await.unwrap();
        let authority = store.access_snapshot().await.unwrap();
        let seen = (authority.revocations.len(), authority.revocations_ended_unix_ms);
        assert_eq!(seen, (left, ended), "{now}");
    }
    store.remove_ended(10 * day_ms).await.unwrap();
    store.close().await.unwrap();
    drop(store);
    let (store, _) = directory.open();
    let loaded = store.load().await.unwrap();
    assert_eq!(
        (loaded.access.revocations.len(), loaded.access.revocations_ended_unix_ms),
        (0, 300)
    );
}

#[tokio::test]
async fn cleanup_removes_all_ended_sessions() {
    let directory = StoreDirectory::new();
    let (store, feed) = open_with_rows(&directory).await;
    let users: Vec<_> = (0..300)
        .map(|number| store.create_user(NewUser { ..local_user(&format!("n{number}")) }))
        .collect();
    for answer in users {
        answer.await.unwrap();
    }
    let pending: Vec<_> = (0..300)
        .map(|number| {
            let name = format!("s{number}");
            store.open_session(session_of_three(&name, &format!("n{number}"), 0))
        })
        .collect();
    for answer in pending {
        answer.await.unwrap();
    }
    let mut reported = 0;
    let mut rounds = 0;
    while !store.access_snapshot().await.unwrap().sessions.is_empty() {
        feed.take();
        store.remove_ended(ENDS).await.unwrap();
        let changes = feed.take();
        reported +=
            changes.iter().filter(|change| matches!(change, Change::SessionEnded { .. })).count();
        rounds += 1;
        assert!(rounds < 9, "the cleanup does not finish");
    }
    assert_eq!(reported, 300);
}
