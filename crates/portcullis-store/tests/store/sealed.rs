//! Fields sealed at rest: what comes back, what the file holds, what is sealed again.
//! Never: a real cipher; the seal here shows where a value belongs, and hides nothing.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use portcullis_model::{MessageId, Mid, RoomId, Secret};
use portcullis_store::{
    AccountStore, AppendOutcome, Change, CreateRoomOutcome, CreateUserOutcome, FieldSeal,
    HistoryRequest, MessageRow, MessageStore, NewMessage, NewRoom, NewTotp, ResumeOutcome,
    ResumeRequest, RoomStore, SealFault, SqliteOperatorStore, SqliteOptions, SqliteStore, Store,
    StoreError, Visibility,
};

use crate::fixture::{Heard, Place, id, own};

const TEXT: &str = "a-text-nobody-may-read";
const HTML: &str = "<b>nor-its-formatting</b>";
const DIGEST: [u8; 32] = *b"a-digest-gives-short-texts-away!";
const SECRET: &[u8] = b"the-secret-of-a-factor";

/// Seals with the newest key, which is a number, and opens with the keys from `oldest` on.
///
/// A sealed value is the key's number, a checksum, and the value under a mask of its place.
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

fn masked(place: (u8, &str, &str, &str), bytes: &[u8]) -> Vec<u8> {
    let mask = hash(place);
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
        let place = (key, tenant, record, field);
        Ok([&[key][..], &hash((place, plain)), &masked(place, plain)].concat())
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
        let place = (*key, tenant, record, field);
        let plain = masked(place, rest);
        let held = (self.oldest..=self.newest()).contains(key);
        if held && hash((place, plain.as_slice())) == *sum { Ok(plain) } else { Err(SealFault) }
    }

    fn is_current(&self, sealed: &[u8]) -> bool {
        sealed.first() == Some(&self.newest())
    }
}

fn open_sealed(place: &Place, seal: Arc<Masks>) -> (SqliteStore, Heard) {
    let heard = Heard::default();
    let feed = Box::new(heard.clone());
    let options = SqliteOptions::default();
    (SqliteStore::open_sealed(&place.path(), options, feed, seal).unwrap(), heard)
}

fn room(name: &str) -> RoomId {
    RoomId::parse(name).unwrap()
}

/// Ann and Bob, both in the lobby, Ann in the attic as well.
async fn furnish(store: &SqliteStore) {
    for name in ["Ann", "Bob"] {
        assert_eq!(store.create_user(own(name)).await.unwrap(), CreateUserOutcome::Created);
    }
    for name in ["lobby", "attic"] {
        let new = NewRoom {
            id: room(name),
            name: Arc::from(name),
            visibility: Visibility::Public,
            owner: id("ann"),
            created_unix_ms: 1,
            origin: 0,
            rooms_per_user_max: 9,
            party: 0,
            fence: None,
        };
        assert_eq!(store.create_room(new).await.unwrap(), CreateRoomOutcome::Created);
    }
    let join = portcullis_store::JoinRequest {
        room: room("lobby"),
        user: id("bob"),
        origin: 0,
        members_max: 9,
        party: 0,
    };
    store.join_room(join).await.unwrap();
}

fn message(name: &str, to: &str, user: &str) -> NewMessage {
    NewMessage {
        id: MessageId::parse(name).unwrap(),
        room: room(to),
        user: id(user),
        username: Arc::from(user),
        text: format!("{TEXT} {name}"),
        html: Some(format!("{HTML} {name}")),
        reply_to: None,
        mid: Mid::parse(name).ok(),
        digest: Some(DIGEST),
        sent_unix_ms: 1,
        origin: 0,
        fence: None,
    }
}

async fn send(store: &SqliteStore, name: &str, to: &str, user: &str) {
    let stored = store.append(message(name, to, user)).await.unwrap();
    assert!(matches!(stored, AppendOutcome::Stored { .. }), "{stored:?}");
}

async fn history(store: &SqliteStore, of: &str) -> Result<Vec<MessageRow>, StoreError> {
    let page = HistoryRequest { room: room(of), before: None, after: None, limit: 500 };
    store.history(page).await.map(|(rows, _)| rows)
}

async fn resume(store: &SqliteStore) -> Result<ResumeOutcome, StoreError> {
    let resume = ResumeRequest {
        user: id("ann"),
        origin: 0,
        rooms: vec![room("lobby")],
        after: 0,
        limit: 500,
    };
    store.resume(resume).await
}

/// Sent again, a message is the one that is there; sent with another content, it is refused.
async fn assert_repeated(store: &SqliteStore, message: NewMessage, expect: u64) {
    let other = NewMessage { digest: Some([8; 32]), ..message.clone() };
    let again = store.append(message).await.unwrap();
    assert!(matches!(again, AppendOutcome::Repeated { seq, .. } if seq == expect), "{again:?}");
    let elsewhere = NewMessage { room: room("attic"), ..other.clone() };
    for refused in [other.clone(), NewMessage { digest: None, ..other }, elsewhere] {
        let answer = store.append(refused).await.unwrap();
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
fn on_disk(place: &Place, bytes: &[u8]) -> bool {
    let path = place.path();
    let wal = path.with_extension("db-wal");
    let holds = |path: &std::path::Path| {
        let held = std::fs::read(path).unwrap_or_default();
        held.windows(bytes.len()).any(|window| window == bytes)
    };
    holds(&path) || holds(&wal)
}

async fn set_totp(store: &impl AccountStore, user: &str) {
    let totp = NewTotp { secret: Secret::new(SECRET.to_vec()), step: 1, recovery: vec![] };
    assert!(store.set_totp(id(user), Some(totp), None).await.unwrap());
}

async fn secret(store: &impl AccountStore, user: &str) -> Result<Vec<u8>, StoreError> {
    let row = store.credentials_of(&id(user)).await?.unwrap();
    Ok(row.totp.unwrap().expose().clone())
}

#[tokio::test]
async fn what_is_sealed_comes_back_and_is_not_in_the_files() {
    for sealed in [true, false] {
        let place = Place::new();
        let (store, heard) =
            if sealed { open_sealed(&place, Masks::new(1, 1)) } else { place.open() };
        furnish(&store).await;
        set_totp(&store, "ann").await;
        heard.take();
        for name in ["m1", "m2"] {
            send(&store, name, "lobby", "ann").await;
        }
        let plain = NewMessage { html: None, text: String::new(), ..message("m3", "lobby", "bob") };
        store.append(plain).await.unwrap();

        let said = heard.take().into_iter().map(|change| match change {
            Change::Message { row, .. } => row,
            other => panic!("{other:?}"),
        });
        let said: Vec<_> = said.collect();
        let read = history(&store, "lobby").await.unwrap();
        let ids = |rows: &[MessageRow]| rows.iter().map(|row| row.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&read), ids(&said));
        assert_whole(read.get(..2).unwrap(), &["m1", "m2"]);
        assert_whole(said.get(..2).unwrap(), &["m1", "m2"]);
        let last = read.last().unwrap();
        assert_eq!((last.text.as_str(), &last.html), ("", &None));
        assert_eq!(resume(&store).await.unwrap(), ResumeOutcome::Resumed { rooms: 1, missed: 3 });
        let heard = heard.take();
        let [Change::Resumed { missed, .. }] = heard.as_slice() else { panic!("{heard:?}") };
        assert_eq!(*missed, read);
        assert_eq!(secret(&store, "ann").await.unwrap(), SECRET);

        // Twice: what has just been written, and what a close has folded into one file.
        for _ in 0..2 {
            for bytes in [TEXT.as_bytes(), HTML.as_bytes(), &DIGEST, SECRET] {
                assert_eq!(on_disk(&place, bytes), !sealed, "{}", String::from_utf8_lossy(bytes));
            }
            assert!(on_disk(&place, b"u_ann"), "this looks where things are");
            store.close().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_lay_in_the_clear_before_stays_readable() {
    let place = Place::new();
    let (store, _) = place.open();
    furnish(&store).await;
    set_totp(&store, "ann").await;
    send(&store, "m1", "lobby", "ann").await;
    store.close().await.unwrap();
    drop(store);

    let (store, _) = open_sealed(&place, Masks::new(1, 1));
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

    // Without the keys, what is sealed is refused, not given as it is.
    let (store, heard) = place.open();
    heard.take();
    assert!(matches!(history(&store, "lobby").await, Err(StoreError::Unsealable { .. })));
    assert!(matches!(resume(&store).await, Err(StoreError::Unsealable { .. })));
    assert_eq!(heard.take(), []);
    assert_eq!(secret(&store, "ann").await.unwrap(), SECRET);
    assert!(matches!(secret(&store, "bob").await, Err(StoreError::Unsealable { .. })));
    let sent = store.append(message("m3", "attic", "ann")).await.unwrap();
    assert!(matches!(sent, AppendOutcome::Stored { .. }), "the other rooms go on");
    assert_whole(&history(&store, "attic").await.unwrap(), &["m3"]);
}

#[tokio::test]
async fn a_sealed_value_opens_at_its_own_place_only() {
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
        ("said by another", String::from("UPDATE messages SET user = 3 - user WHERE id = 'm1'")),
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
        let place = Place::new();
        let (store, heard) = open_sealed(&place, Masks::new(1, 1));
        furnish(&store).await;
        set_totp(&store, "ann").await;
        for (name, to, user) in
            [("m1", "lobby", "ann"), ("m2", "lobby", "ann"), ("b1", "lobby", "bob")]
        {
            send(&store, name, to, user).await;
        }
        send(&store, "a1", "attic", "ann").await;
        place.sql().execute_batch(&statement).unwrap();
        heard.take();
        let read = history(&store, "lobby").await;
        assert!(matches!(read, Err(StoreError::Unsealable { .. })), "{case}: {read:?}");
        let resumed = resume(&store).await;
        assert!(matches!(resumed, Err(StoreError::Unsealable { .. })), "{case}: {resumed:?}");
        assert_eq!(heard.take(), [], "{case}");
    }
}

#[tokio::test]
async fn a_second_factor_is_its_users_own() {
    let place = Place::new();
    let seal = Masks::new(1, 1);
    let (store, _) = open_sealed(&place, seal.clone());
    furnish(&store).await;
    set_totp(&store, "ann").await;
    set_totp(&store, "bob").await;
    let connection = place.sql();
    let stored = |user: &str| -> Vec<u8> {
        let statement = "SELECT totp FROM users WHERE id = ?1";
        connection.query_row(statement, [id(user).as_str()], |row| row.get(0)).unwrap()
    };
    assert_ne!(stored("ann"), SECRET);
    assert_ne!(stored("ann"), stored("bob"));
    assert_eq!(secret(&store, "ann").await.unwrap(), SECRET);
    let beside = SqliteOperatorStore::open(&place.path(), Some(seal), "root").unwrap();
    assert_eq!(secret(&beside, "ann").await.unwrap(), SECRET);
    let keyless = SqliteOperatorStore::open(&place.path(), None, "root").unwrap();
    assert!(matches!(secret(&keyless, "ann").await, Err(StoreError::Unsealable { .. })));

    place
        .sql()
        .execute_batch("UPDATE users SET totp = (SELECT totp FROM users WHERE id = 'u_bob')")
        .unwrap();
    assert!(matches!(secret(&store, "ann").await, Err(StoreError::Unsealable { .. })));
    assert!(matches!(store.credentials("ann").await, Err(StoreError::Unsealable { .. })));
    assert_eq!(secret(&store, "bob").await.unwrap(), SECRET);
}

/// The keys messages are sealed under, `None` for those in the clear, and how many there are.
fn keys(place: &Place) -> Vec<(Option<u8>, u32)> {
    let connection = place.sql();
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
async fn all_is_sealed_again_beside_a_running_store() {
    let place = Place::new();
    let (store, _) = place.open();
    furnish(&store).await;
    set_totp(&store, "ann").await;
    let mut names = Vec::new();
    for number in 0..40 {
        names.push(format!("clear{number}"));
        send(&store, &names[number], "lobby", "ann").await;
    }
    store.close().await.unwrap();
    drop(store);

    let seal = Masks::new(1, 1);
    let (store, _) = open_sealed(&place, seal.clone());
    set_totp(&store, "bob").await;
    let beside = SqliteOperatorStore::open(&place.path(), Some(seal.clone()), "root").unwrap();
    let mut calls = 0;
    for (key, portion) in [(1, 7), (2, 3), (3, 0), (4, u32::MAX)] {
        seal.newest.store(key, Ordering::Relaxed);
        let mut done = 0;
        let before = names.len() as u64;
        loop {
            let resealed = beside.reseal(portion).unwrap();
            assert!(resealed.done <= u64::from(portion.max(1)), "{resealed:?}");
            done += resealed.done;
            calls += 1;
            if resealed.left == 0 {
                break;
            }
            assert!(calls < 400, "it never ends");
            names.push(format!("live{calls}"));
            send(&store, names.last().unwrap(), "lobby", "bob").await;
        }
        // Messages, and the factors: one of them was sealed under the first key already.
        assert_eq!(done, before + if key == 1 { 1 } else { 2 }, "key {key}");
        let count = u32::try_from(names.len()).unwrap();
        assert_eq!(keys(&place), [(Some(key), count)]);
        assert_eq!(beside.reseal(1_000).unwrap().done, 0, "all of it was");
    }
    let expect: Vec<_> = names.iter().map(String::as_str).collect();
    let mut read = Vec::new();
    while let Some(before) =
        read.first().map_or(Some(None), |row: &MessageRow| (row.seq > 1).then_some(Some(row.seq)))
    {
        let page = HistoryRequest { room: room("lobby"), before, after: None, limit: 500 };
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
    // Nothing of what lay in the clear is left, and the oldest keys may go.
    store.close().await.unwrap();
    drop(store);
    beside.compact().unwrap();
    drop(beside);
    for bytes in [TEXT.as_bytes(), HTML.as_bytes(), &DIGEST, SECRET] {
        assert!(!on_disk(&place, bytes), "{}", String::from_utf8_lossy(bytes));
    }
    let (store, _) = open_sealed(&place, Masks::new(4, 5));
    assert_eq!(history(&store, "lobby").await.unwrap().len(), expect.len().min(500));
    assert_eq!(secret(&store, "ann").await.unwrap(), SECRET);
}

#[tokio::test]
async fn nothing_is_sealed_again_that_cannot_be_opened() {
    let place = Place::new();
    let (store, _) = place.open();
    furnish(&store).await;
    send(&store, "clear", "lobby", "ann").await;
    store.close().await.unwrap();
    drop(store);
    let (store, _) = open_sealed(&place, Masks::new(1, 1));
    for name in ["m1", "m2"] {
        send(&store, name, "lobby", "ann").await;
    }
    place
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
        let beside = SqliteOperatorStore::open(&place.path(), seal, "root").unwrap();
        for _ in 0..2 {
            let resealed = beside.reseal(9);
            assert!(matches!(resealed, Err(StoreError::Unsealable { .. })), "{case}: {resealed:?}");
            assert_eq!(keys(&place), before, "{case}: nothing of the portion");
        }
    }
}
