//! Fields sealed at rest: reads, the bytes in the files, resealing.
//! Never: a real cipher; the seal of these tests binds a value to its record and hides nothing.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use portcullis_model::{Mid, Secret};
use portcullis_store::{
    AccountStore, AppendOutcome, Change, CreateRoomOutcome, CreateUserOutcome, FieldSeal,
    HistoryRequest, MessageRow, MessageStore, NewMessage, NewTotp, ResumeOutcome, ResumeRequest,
    RoomStore, SealFault, SqliteOperatorStore, SqliteOptions, SqliteStore, Store, StoreError,
};

use crate::fixture::{
    FeedRecorder, StoreDirectory, local_user, new_message, new_room, room_id, user_id,
};

const TEXT: &str = "a-text-that-must-stay-secret";
const HTML: &str = "<b>nor-its-formatting</b>";
const DIGEST: [u8; 32] = *b"a-digest-gives-short-texts-away!";
const SECRET: &[u8] = b"the-secret-of-a-factor";

/// Seals with the newest key, which is a number, and opens with the keys from `oldest` on.
///
/// A sealed value is the key's number, a checksum, and the value under a mask of its record.
struct Masks {
    oldest: u8,
    newest: AtomicU8,
}

impl Masks {
    fn new(oldest: u8, newest: u8) -> Arc<Self> {
        Arc::new(Self { oldest, newest: AtomicU8::new(newest) })
    }

    fn newest(&self) -> u8 {
        self.newest.load(Ordering::Relaxed)
    }
}

fn hash(value: impl Hash) -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish().to_be_bytes()
}

fn masked(scope: (u8, &str, &str, &str), bytes: &[u8]) -> Vec<u8> {
    let mask = hash(scope);
    bytes.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask ^ 0x80).collect()
}

impl FieldSeal for Masks {
    fn seal(
        &self,
        tenant: &str,
        record: &str,
        field: &str,
        plain: &[u8],
    ) -> Result<Vec<u8>, SealFault> {
        let key = self.newest();
        let scope = (key, tenant, record, field);
        Ok([&[key][..], &hash((scope, plain)), &masked(scope, plain)].concat())
    }

    fn open(
        &self,
        tenant: &str,
        record: &str,
        field: &str,
        sealed: &[u8],
    ) -> Result<Vec<u8>, SealFault> {
        let (key, rest) = sealed.split_first().ok_or(SealFault)?;
        let (sum, rest) = rest.split_first_chunk::<8>().ok_or(SealFault)?;
        let scope = (*key, tenant, record, field);
        let plain = masked(scope, rest);
        let is_known = (self.oldest..=self.newest()).contains(key);
        if is_known && hash((scope, plain.as_slice())) == *sum { Ok(plain) } else { Err(SealFault) }
    }

    fn is_current(&self, sealed: &[u8]) -> bool {
        sealed.first() == Some(&self.newest())
    }
}

fn open_sealed(directory: &StoreDirectory, seal: Arc<Masks>) -> (SqliteStore, FeedRecorder) {
    let feed = FeedRecorder::default();
    let options = SqliteOptions::default();
    (
        SqliteStore::open_sealed(&directory.path(), options, Box::new(feed.clone()), seal).unwrap(),
        feed,
    )
}

/// Ann and Bob, both in the lobby, Ann in the attic as well.
async fn insert_rows(store: &SqliteStore) {
    for name in ["Ann", "Bob"] {
        assert_eq!(store.create_user(local_user(name)).await.unwrap(), CreateUserOutcome::Created);
    }
    for name in ["lobby", "attic"] {
        assert_eq!(
            store.create_room(new_room(name, "ann")).await.unwrap(),
            CreateRoomOutcome::Created
        );
    }
    let join = portcullis_store::JoinRequest {
        room: room_id("lobby"),
        user: user_id("bob"),
        origin: 0,
        members_max: 9,
        party: 0,
    };
    store.join_room(join).await.unwrap();
}

fn message(name: &str, to: &str, user: &str) -> NewMessage {
    NewMessage {
        text: format!("{TEXT} {name}"),
        html: Some(format!("{HTML} {name}")),
        mid: Mid::parse(name).ok(),
        digest: Some(DIGEST),
        ..new_message(name, to, user)
    }
}

async fn send(store: &SqliteStore, name: &str, to: &str, user: &str) {
    let stored = store.append(message(name, to, user)).await.unwrap();
    assert!(matches!(stored, AppendOutcome::Stored { .. }), "{stored:?}");
}

async fn history(store: &SqliteStore, of: &str) -> Result<Vec<MessageRow>, StoreError> {
    let page = HistoryRequest { room: room_id(of), before: None, after: None, limit: 500 };
    store.history(page).await.map(|(rows, _)| rows)
}

async fn resume(store: &SqliteStore) -> Result<ResumeOutcome, StoreError> {
    let resume = ResumeRequest {
        user: user_id("ann"),
        origin: 0,
        rooms: vec![room_id("lobby")],
        after: 0,
        limit: 500,
    };
    store.resume(resume).await
}

/// Expects a repeat to return the stored message, and a repeat with other content to fail.
async fn assert_repeated(store: &SqliteStore, message: NewMessage, expect: u64) {
    let other = NewMessage { digest: Some([8; 32]), ..message.clone() };
    let again = store.append(message).await.unwrap();
    assert!(matches!(again, AppendOutcome::Repeated { seq, .. } if seq == expect), "{again:?}");
    let elsewhere = NewMessage { room: room_id("attic"), ..other.clone() };
    for rejected in [other.clone(), NewMessage { digest: None, ..other }, elsewhere] {
        let answer = store.append(rejected).await.unwrap();
        assert!(matches!(answer, AppendOutcome::Conflict | AppendOutcome::NotMember), "{answer:?}");
    }
}

fn assert_whole(rows: &[MessageRow], names: &[&str]) {
    let found: Vec<_> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(found, names);
    for row in rows {
        assert_eq!(row.text, format!("{TEXT} {}", row.id));
        assert_eq!(row.html, Some(format!("{HTML} {}", row.id)));
    }
}

/// Whether any file of the database holds these bytes.
fn on_disk(directory: &StoreDirectory, bytes: &[u8]) -> bool {
    let path = directory.path();
    let wal = path.with_extension("db-wal");
    let holds = |path: &std::path::Path| {
        let content = std::fs::read(path).unwrap_or_default();
        content.windows(bytes.len()).any(|window| window == bytes)
    };
    holds(&path) || holds(&wal)
}

async fn set_totp(store: &impl AccountStore, user: &str) {
    let totp = NewTotp { secret: Secret::new(SECRET.to_vec()), step: 1, recovery: vec![] };
    assert!(store.set_totp(user_id(user), Some(totp), None).await.unwrap());
}

async fn secret(store: &impl AccountStore, user: &str) -> Result<Vec<u8>, StoreError> {
    let row = store.credentials_of(&user_id(user)).await?.unwrap();
    Ok(row.totp.unwrap().expose().clone())
}

#[tokio::test]
async fn sealed_fields_are_readable_and_not_in_the_files() {
    for sealed in [true, false] {
        let directory = StoreDirectory::new();
        let (store, feed) =
            if sealed { open_sealed(&directory, Masks::new(1, 1)) } else { directory.open() };
        insert_rows(&store).await;
        set_totp(&store, "ann").await;
        feed.take();
        for name in ["m1", "m2"] {
            send(&store, name, "lobby", "ann").await;
        }
        let plain = NewMessage { html: None, text: String::new(), ..message("m3", "lobby", "bob") };
        store.append(plain).await.unwrap();

        let reported = feed.take().into_iter().map(|change| match change {
            Change::Message { row, .. } => row,
            other => panic!("{other:?}"),
        });
        let reported: Vec<_> = reported.collect();
        let read = history(&store, "lobby").await.unwrap();
        let ids = |rows: &[MessageRow]| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&read), ids(&reported));
        assert_whole(read.get(..2).unwrap(), &["m1", "m2"]);
        assert_whole(reported.get(..2).unwrap(), &["m1", "m2"]);
        let last = read.last().unwrap();
        assert_eq!((last.text.as_str(), &last.html), ("", &None));
        assert_eq!(resume(&store).await.unwrap(), ResumeOutcome::Resumed { rooms: 1, missed: 3 });
        let changes = feed.take();
        let [Change::Resumed { missed, .. }] = changes.as_slice() else { panic!("{changes:?}") };
        assert_eq!(*missed, read);
        assert_eq!(secret(&store, "ann").await.unwrap(), SECRET);

        // Twice: after the write, and after a close has merged the log into the database.
        for _ in 0..2 {
            for bytes in [TEXT.as_bytes(), HTML.as_bytes(), &DIGEST, SECRET] {
                assert_eq!(
                    on_disk(&directory, bytes),
                    !sealed,
                    "{}",
                    String::from_utf8_lossy(bytes)
                );
            }
            assert!(on_disk(&directory, b"u_ann"), "the search covers the files of the database");
            store.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn plain_fields_stay_readable_after_sealing_starts() {
    let directory = StoreDirectory::new();
    let (store, _) = directory.open();
    insert_rows(&store).await;
    set_totp(&store, "ann").await;
    send(&store, "m1", "lobby", "ann").await;
    store.close().await.unwrap();
    drop(store);

    let (store, _) = open_sealed(&directory, Masks::new(1, 1));
    send(&store, "m2", "lobby", "bob").await;
    assert_whole(&history(&store, "lobby").await.unwrap(), &["m1", "m2"]);
    assert_eq!(resume(&store).await.unwrap(), ResumeOutcome::Resumed { rooms: 1, missed: 2 });
    assert_eq!(secret(&store, "ann").await.unwrap(), SECRET);
    set_totp(&store, "bob").await;
    for (name, user, seq) in [("m1", "ann", 1), ("m2", "bob", 2)] {
        assert_repeated(&store, message(name, "lobby", user), seq).await;
    }
    store.close().await.unwrap();
    drop(store);

    // Without the keys, a read of sealed values fails and returns no sealed bytes.
    let (store, feed) = directory.open();
    feed.take();
    assert!(matches!(history(&store, "lobby").await, Err(StoreError::Unsealable { .. })));
    assert!(matches!(resume(&store).await, Err(StoreError::Unsealable { .. })));
    assert_eq!(feed.take(), []);
    assert_eq!(secret(&store, "ann").await.unwrap(), SECRET);
    assert!(matches!(secret(&store, "bob").await, Err(StoreError::Unsealable { .. })));
    let sent = store.append(message("m3", "attic", "ann")).await.unwrap();
    assert!(matches!(sent, AppendOutcome::Stored { .. }), "the other rooms still work");
    assert_whole(&history(&store, "attic").await.unwrap(), &["m3"]);
}

#[tokio::test]
async fn sealed_value_opens_in_its_own_record_only() {
    let of = |name: &str| {
        format!(
            "UPDATE messages SET sealed = (SELECT sealed FROM messages WHERE id = '{name}')
             WHERE id = 'm1'"
        )
    };
    // m1 and m2 are Ann's in the lobby, b1 is Bob's there, a1 is Ann's in the attic.
    let cases = [
        ("another message's", of("m2")),
        ("another writer's", of("b1")),
        ("another room's", of("a1")),
        ("of another sender", String::from("UPDATE messages SET user = 3 - user WHERE id = 'm1'")),
        ("with another id", String::from("UPDATE messages SET id = 'm9' WHERE id = 'm1'")),
        ("cut", String::from("UPDATE messages SET sealed = substr(sealed, 1, 30) WHERE id = 'm1'")),
        ("empty", String::from("UPDATE messages SET sealed = x'' WHERE id = 'm1'")),
        (
            "a factor's",
            String::from(
                "UPDATE messages SET sealed = (SELECT totp FROM users
            WHERE id = 'u_ann') WHERE id = 'm1'",
            ),
        ),
    ];
    for (case, statement) in cases {
        let directory = StoreDirectory::new();
        let (store, feed) = open_sealed(&directory, Masks::new(1, 1));
        insert_rows(&store).await;
        set_totp(&store, "ann").await;
        for (name, to, user) in
            [("m1", "lobby", "ann"), ("m2", "lobby", "ann"), ("b1", "lobby", "bob")]
        {
            send(&store, name, to, user).await;
        }
        send(&store, "a1", "attic", "ann").await;
        directory.sql().execute_batch(&statement).unwrap();
        feed.take();
        let read = history(&store, "lobby").await;
        assert!(matches!(read, Err(StoreError::Unsealable { .. })), "{case}: {read:?}");
        let resumed = resume(&store).await;
        assert!(matches!(resumed, Err(StoreError::Unsealable { .. })), "{case}: {resumed:?}");
        assert_eq!(feed.take(), [], "{case}");
    }
}

#[tokio::test]
async fn sealed_second_factor_opens_for_its_user_only() {
    let directory = StoreDirectory::new();
    let seal = Masks::new(1, 1);
    let (store, _) = open_sealed(&directory, seal.clone());
    insert_rows(&store).await;
    set_totp(&store, "ann").await;
    set_totp(&store, "bob").await;
    let connection = directory.sql();
    let stored = |user: &str| -> Vec<u8> {
        let statement = "SELECT totp FROM users WHERE id = ?1";
        connection.query_row(statement, [user_id(user).as_str()], |row| row.get(0)).unwrap()
    };
    assert_ne!(stored("ann"), SECRET);
    assert_ne!(stored("ann"), stored("bob"));
    assert_eq!(secret(&store, "ann").await.unwrap(), SECRET);
    let operator = SqliteOperatorStore::open(&directory.path(), Some(seal), "root").unwrap();
    assert_eq!(secret(&operator, "ann").await.unwrap(), SECRET);
    let keyless = SqliteOperatorStore::open(&directory.path(), None, "root").unwrap();
    assert!(matches!(secret(&keyless, "ann").await, Err(StoreError::Unsealable { .. })));

    directory
        .sql()
        .execute_batch("UPDATE users SET totp = (SELECT totp FROM users WHERE id = 'u_bob')")
        .unwrap();
    assert!(matches!(secret(&store, "ann").await, Err(StoreError::Unsealable { .. })));
    assert!(matches!(store.credentials("ann").await, Err(StoreError::Unsealable { .. })));
    assert_eq!(secret(&store, "bob").await.unwrap(), SECRET);
}

/// The keys of sealed messages (`None`: not sealed), and the number of messages of each.
fn keys(directory: &StoreDirectory) -> Vec<(Option<u8>, u32)> {
    let connection = directory.sql();
    let mut select = connection
        .prepare("SELECT substr(sealed, 1, 1), count(*) FROM messages GROUP BY 1 ORDER BY 1")
        .unwrap();
    let rows = select.query_map([], |row| {
        let key: Option<Vec<u8>> = row.get(0)?;
        Ok((key.and_then(|key| key.first().copied()), row.get(1)?))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[tokio::test]
async fn reseal_covers_all_values_beside_a_running_store() {
    let directory = StoreDirectory::new();
    let (store, _) = directory.open();
    insert_rows(&store).await;
    set_totp(&store, "ann").await;
    let mut names = Vec::new();
    for number in 0..40 {
        names.push(format!("clear{number}"));
        send(&store, &names[number], "lobby", "ann").await;
    }
    store.close().await.unwrap();
    drop(store);

    let seal = Masks::new(1, 1);
    let (store, _) = open_sealed(&directory, seal.clone());
    set_totp(&store, "bob").await;
    let operator =
        SqliteOperatorStore::open(&directory.path(), Some(seal.clone()), "root").unwrap();
    let mut calls = 0;
    for (key, portion) in [(1, 7), (2, 3), (3, 0), (4, u32::MAX)] {
        seal.newest.store(key, Ordering::Relaxed);
        let mut done = 0;
        let before = names.len() as u64;
        loop {
            let resealed = operator.reseal(portion).unwrap();
            assert!(resealed.done <= u64::from(portion.max(1)), "{resealed:?}");
            done += resealed.done;
            calls += 1;
            if resealed.left == 0 {
                break;
            }
            assert!(calls < 400, "the resealing does not finish");
            names.push(format!("live{calls}"));
            send(&store, names.last().unwrap(), "lobby", "bob").await;
        }
        // Messages and factors; one factor was sealed under the first key already.
        assert_eq!(done, before + if key == 1 { 1 } else { 2 }, "key {key}");
        let count = u32::try_from(names.len()).unwrap();
        assert_eq!(keys(&directory), [(Some(key), count)]);
        assert_eq!(operator.reseal(1_000).unwrap().done, 0, "all values are sealed already");
    }
    let expect: Vec<_> = names.iter().map(String::as_str).collect();
    let mut read = Vec::new();
    while let Some(before) =
        read.first().map_or(Some(None), |row: &MessageRow| (row.seq > 1).then_some(Some(row.seq)))
    {
        let page = HistoryRequest { room: room_id("lobby"), before, after: None, limit: 500 };
        let (mut rows, _) = store.history(page).await.unwrap();
        rows.append(&mut read);
        read = rows;
    }
    assert_whole(&read, &expect);
    assert_repeated(&store, message("clear3", "lobby", "ann"), 4).await;
    assert_repeated(&store, message(expect.last().unwrap(), "lobby", "bob"), read.len() as u64)
        .await;
    for user in ["ann", "bob"] {
        assert_eq!(secret(&store, user).await.unwrap(), SECRET);
    }
    // No plain value is left, and the oldest keys are no longer needed.
    store.close().await.unwrap();
    drop(store);
    operator.compact().unwrap();
    drop(operator);
    for bytes in [TEXT.as_bytes(), HTML.as_bytes(), &DIGEST, SECRET] {
        assert!(!on_disk(&directory, bytes), "{}", String::from_utf8_lossy(bytes));
    }
    let (store, _) = open_sealed(&directory, Masks::new(4, 5));
    assert_eq!(history(&store, "lobby").await.unwrap().len(), expect.len().min(500));
    assert_eq!(secret(&store, "ann").await.unwrap(), SECRET);
}

#[tokio::test]
async fn reseal_of_an_unreadable_value_changes_nothing() {
    let directory = StoreDirectory::new();
    let (store, _) = directory.open();
    insert_rows(&store).await;
    send(&store, "clear", "lobby", "ann").await;
    store.close().await.unwrap();
    drop(store);
    let (store, _) = open_sealed(&directory, Masks::new(1, 1));
    for name in ["m1", "m2"] {
        send(&store, name, "lobby", "ann").await;
    }
    directory
        .sql()
        .execute_batch("UPDATE messages SET sealed = substr(sealed, 1, 30) WHERE id = 'm1'")
        .unwrap();
    let before = [(None, 1), (Some(1), 2)];
    for (case, seal) in [
        ("without keys", None),
        ("with other keys", Some(Masks::new(3, 3))),
        ("one was changed", Some(Masks::new(1, 2))),
    ] {
        let seal = seal.map(|seal| seal as Arc<dyn FieldSeal>);
        let operator = SqliteOperatorStore::open(&directory.path(), seal, "root").unwrap();
        for _ in 0..2 {
            let resealed = operator.reseal(9);
            assert!(matches!(resealed, Err(StoreError::Unsealable { .. })), "{case}: {resealed:?}");
            assert_eq!(keys(&directory), before, "{case}: no value of the portion changed");
        }
    }
}
