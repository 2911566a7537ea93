//! Blocked networks, in the store of the server and in the one of an operator.
//! Never: a check of the network; the guard makes it.

use std::slice::from_ref;

use portcullis_model::BlockScope;
use portcullis_model::limits::BLOCKS_MAX;
use portcullis_store::{
    AccountStore, BlockRow, BlockStore, Change, ChangeStore, OperatorActionKind, PutBlockOutcome,
    RecheckOutcome, SqliteOperatorStore, Store,
};

use crate::fixture::StoreDirectory;

fn block(prefix: &str, until_unix_ms: i64) -> BlockRow {
    BlockRow {
        prefix: String::from(prefix),
        scope: BlockScope::Unauthenticated,
        reason: String::from("a flood"),
        by: String::from("root"),
        created_unix_ms: 10,
        until_unix_ms,
    }
}

#[tokio::test]
async fn blocks_are_replaced_listed_removed_and_reported() {
    let directory = StoreDirectory::new();
    let (store, feed) = directory.open();
    let first = block("2001:db8::/48", 100);
    let replaced = BlockRow { scope: BlockScope::All, ..block("203.0.113.0/24", 200) };
    for row in [&block("203.0.113.0/24", 90), &first, &replaced] {
        assert_eq!(store.put_block(row.clone()).await.unwrap(), PutBlockOutcome::Stored);
        assert_eq!(feed.take(), [Change::Blocked(row.clone())]);
    }
    assert_eq!(store.list_blocks(99).await.unwrap(), [first.clone(), replaced.clone()]);
    assert_eq!(store.list_blocks(100).await.unwrap(), from_ref(&replaced));

    assert!(!store.remove_block("203.0.113.7/32").await.unwrap());
    assert_eq!(feed.take(), []);
    assert!(store.remove_block("2001:db8::/48").await.unwrap());
    assert_eq!(feed.take(), [Change::Unblocked { prefix: first.prefix.clone() }]);

    store.close().await.unwrap();
    let (store, feed) = directory.open();
    let loaded = store.load().await.unwrap();
    assert_eq!(loaded.access.blocks, from_ref(&replaced), "after a restart");
    store.remove_ended(199).await.unwrap();
    assert_eq!(feed.take(), [], "it has not ended");
    store.remove_ended(200).await.unwrap();
    assert_eq!(feed.take(), [Change::BlockEnded(replaced)]);
    assert_eq!(store.list_blocks(0).await.unwrap(), []);
}

#[tokio::test]
async fn full_store_rejects_new_networks_until_a_block_ends() {
    let directory = StoreDirectory::new();
    let (store, _) = directory.open();
    let mut other = directory.sql();
    let rows = other.transaction().unwrap();
    for number in 0..BLOCKS_MAX {
        let until = if number == 0 { 50 } else { 100 };
        let insert = "INSERT INTO blocks VALUES (?1, 'all', 'a flood', 'root', 10, ?2)";
        rows.execute(insert, (format!("2001:db8::{number:x}/128"), until)).unwrap();
    }
    rows.commit().unwrap();
    let operator = SqliteOperatorStore::open(&directory.path(), None, "root").unwrap();
    let known = block("2001:db8::1/128", 100);
    let new = block("203.0.113.0/24", 100);
    let outcomes = [(known, PutBlockOutcome::Stored), (new.clone(), PutBlockOutcome::Full)];
    for (row, expect) in outcomes {
        assert_eq!(store.put_block(row.clone()).await.unwrap(), expect, "{}", row.prefix);
        assert_eq!(operator.put_block(row.clone()).await.unwrap(), expect, "{}", row.prefix);
    }
    let later = BlockRow { created_unix_ms: 50, ..new };
    assert_eq!(store.put_block(later).await.unwrap(), PutBlockOutcome::Stored);
}

#[tokio::test]
async fn block_with_a_damaged_scope_is_in_force_for_all_clients() {
    let directory = StoreDirectory::new();
    let (store, _) = directory.open();
    let insert = "INSERT INTO blocks VALUES ('203.0.113.0/24', ?1, 'a flood', 'root', 10, 100)";
    for damaged in ["", "al", "ALL", "unauthenticated "] {
        directory.sql().execute(insert, [damaged]).unwrap();
        let listed = store.list_blocks(20).await.unwrap();
        let scopes: Vec<_> = listed.iter().map(|row| row.scope).collect();
        assert_eq!(scopes, [BlockScope::All], "{damaged:?}");
        // Adding it again mends it.
        let row = block("203.0.113.0/24", 100);
        assert_eq!(store.put_block(row.clone()).await.unwrap(), PutBlockOutcome::Stored);
        assert_eq!(store.list_blocks(20).await.unwrap(), [row]);
        assert!(store.remove_block("203.0.113.0/24").await.unwrap());
    }
}

#[tokio::test]
async fn block_of_an_operator_is_reported_by_the_recheck() {
    let directory = StoreDirectory::new();
    let (store, feed) = directory.open();
    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    feed.take();
    let operator = SqliteOperatorStore::open(&directory.path(), None, "root").unwrap();
    let row = block("203.0.113.0/24", 60_010);
    assert_eq!(operator.put_block(row.clone()).await.unwrap(), PutBlockOutcome::Stored);
    assert_eq!(operator.list_blocks(10).await.unwrap(), from_ref(&row));
    assert!(operator.remove_block("203.0.113.0/24").await.unwrap());
    assert!(!operator.remove_block("203.0.113.0/24").await.unwrap());
    assert_eq!(operator.put_block(row.clone()).await.unwrap(), PutBlockOutcome::Stored);

    assert_eq!(store.recheck().await.unwrap(), RecheckOutcome::Reported);
    let reported = feed.take();
    let [Change::AccessSnapshot(access), actions @ ..] = reported.as_slice() else {
        panic!("{reported:?}")
    };
    assert_eq!(access.blocks, [row]);
    let details: Vec<_> = actions
        .iter()
        .filter_map(|change| match change {
            Change::Operator(action) if action.kind == OperatorActionKind::Block => {
                Some(action.detail.trim_end_matches(", by root at the command line"))
            }
            _ => None,
        })
        .collect();
    let blocked = "blocked 203.0.113.0/24 unauthenticated for 60 s: a flood";
    assert_eq!(details, [blocked, "unblocked 203.0.113.0/24", blocked]);
}
