//! The story every store has to pass; a new backend adds one test at the end.
//! Never: anything that names a backend, the last lines apart.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "all of this file is test code"
)]

use std::sync::{Arc, Mutex};

use portcullis_model::{MessageId, Mid, Role, Roles, RoomId, Secret, UserId};
use portcullis_store::{
    AppendOutcome, Change, CommitFeed, CreateRoomOutcome, CreateUserOutcome, DeleteRoomOutcome,
    HistoryRequest, JoinOutcome, JoinRequest, LeaveOutcome, MessageRow, NewMessage, NewRoom,
    NewUser, ResumeOutcome, ResumeRequest, SqliteOptions, SqliteStore, Store, StoreError,
    Visibility,
};

/// `before`, `after` and `limit` of a page.
type Part = (Option<u64>, Option<u64>, u32);

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A wish of an owner.
fn deletion(id: &str, name: &str) -> portcullis_store::DeleteRoomRequest {
    portcullis_store::DeleteRoomRequest { room: room(id), by: user(name), anywhere: false }
}

/// Keeps everything the feed says.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Change>>>);

impl CommitFeed for Heard {
    fn committed(&mut self, changes: &[Change]) {
        self.0.lock().unwrap().extend_from_slice(changes);
    }
}

impl Heard {
    fn take(&self) -> Vec<Change> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn messages(&self) -> Vec<MessageRow> {
        let heard = self.0.lock().unwrap();
        let message = |change: &Change| match change {
            Change::Message { row, .. } => Some(row.clone()),
            _ => None,
        };
        heard.iter().filter_map(message).collect()
    }
}

/// Opens the same database again and again.
trait Backend: Sync {
    fn open(&self, feed: Heard) -> Arc<dyn Store>;
}

/// One store, what it says, and a way to open it again.
struct World<'b> {
    backend: &'b dyn Backend,
    store: Arc<dyn Store>,
    heard: Heard,
}

impl<'b> World<'b> {
    fn new(backend: &'b dyn Backend) -> Self {
        let heard = Heard::default();
        let store = backend.open(heard.clone());
        Self { backend, store, heard }
    }

    async fn reopen(self) -> Self {
        self.store.close().await.unwrap();
        assert!(matches!(self.store.has_admin().await, Err(StoreError::Closed)));
        assert!(matches!(self.send("ann", "lobby", "x").await, Err(StoreError::Closed)));
        drop(self.store);
        Self::new(self.backend)
    }

    async fn user(&self, name: &str) -> CreateUserOutcome {
        self.store.create_user(own_user(name)).await.unwrap()
    }

    async fn room(&self, id: &str, owner: &str, visibility: Visibility) -> CreateRoomOutcome {
        let room = NewRoom {
            id: room(id),
            name: Arc::from(format!("Room {id}")),
            visibility,
            owner: user(owner),
            created_unix_ms: 1,
            origin: 7,
            rooms_per_user_max: 3,
            party: 0,
            fence: None,
        };
        self.store.create_room(room).await.unwrap()
    }

    async fn join(&self, id: &str, name: &str) -> JoinOutcome {
        let join =
            JoinRequest { room: room(id), user: user(name), origin: 8, members_max: 3, party: 0 };
        self.store.join_room(join).await.unwrap()
    }

    async fn leave(&self, id: &str, name: &str) -> LeaveOutcome {
        self.store.leave_room(room(id), user(name)).await.unwrap()
    }

    async fn delete(&self, id: &str, name: &str) -> DeleteRoomOutcome {
        self.store.delete_room(deletion(id, name)).await.unwrap()
    }

    async fn send(&self, name: &str, id: &str, text: &str) -> Result<AppendOutcome, StoreError> {
        self.store.append(message(name, id, text)).await
    }

    async fn history(&self, id: &str, page: Part) -> (Vec<u64>, bool) {
        let (before, after, limit) = page;
        let page = HistoryRequest { room: room(id), before, after, limit };
        let (rows, more) = self.store.history(page).await.unwrap();
        (rows.iter().map(|row| row.seq).collect(), more)
    }
}

fn user(name: &str) -> UserId {
    UserId::parse(&format!("u_{}", name.to_lowercase().replace(' ', "_"))).unwrap()
}

fn room(id: &str) -> RoomId {
    RoomId::parse(id).unwrap()
}

fn own_user(name: &str) -> NewUser {
    NewUser {
        id: user(name),
        username: Arc::from(name),
        password_phc: Some(Secret::new(format!("phc of {name}"))),
        issuer: None,
        subject: None,
        roles: Roles::user(),
        created_unix_ms: 1,
        setup: false,
        invitation: None,
        roles_issued_unix_ms: None,
    }
}

fn message(name: &str, id: &str, text: &str) -> NewMessage {
    NewMessage {
        id: MessageId::parse(&format!("m_{text}")).unwrap(),
        room: room(id),
        user: user(name),
        username: Arc::from(name),
        text: text.to_owned(),
        html: None,
        reply_to: None,
        mid: None,
        digest: None,
        sent_unix_ms: 1_000,
        origin: 9,
        fence: None,
    }
}

fn stored(text: &str, seq: u64) -> AppendOutcome {
    AppendOutcome::Stored {
        id: MessageId::parse(&format!("m_{text}")).unwrap(),
        seq,
        sent_unix_ms: 1_000,
    }
}

async fn users_story(world: &World<'_>) {
    assert_eq!(world.user("Ann").await, CreateUserOutcome::Created);
    assert_eq!(world.user("bob").await, CreateUserOutcome::Created);
    assert_eq!(world.user("eve").await, CreateUserOutcome::Created);
    let heard = world.heard.take();
    assert!(matches!(&heard[0], Change::User(row) if row.id == user("ann") && !row.disabled));

    let taken = NewUser { id: UserId::parse("u_other").unwrap(), ..own_user("ANN") };
    assert_eq!(world.store.create_user(taken).await.unwrap(), CreateUserOutcome::NameTaken);
    assert_eq!(world.heard.take(), [], "what did not happen is not told");

    let row = world.store.credentials("aNN").await.unwrap().unwrap();
    assert_eq!((row.id, &*row.username, row.disabled), (user("ann"), "Ann", false));
    assert_eq!(row.password_phc.expose(), "phc of Ann");
    assert!(world.store.credentials("nobody").await.unwrap().is_none());

    // Set-up gives one administrator, however many ask at once.
    assert!(!world.store.has_admin().await.unwrap());
    let setup = |name| {
        let roles = Roles::user().with(Role::Admin);
        world.store.create_user(NewUser { roles, setup: true, ..own_user(name) })
    };
    let both = (setup("root"), setup("toor"));
    assert_eq!(both.0.await.unwrap(), CreateUserOutcome::Created);
    assert_eq!(both.1.await.unwrap(), CreateUserOutcome::SetupUsed);
    assert!(world.store.has_admin().await.unwrap());

    // A foreign user is made once, may be called like one of ours, and has no password.
    world.heard.take();
    for name in ["ann", "Ann from afar"] {
        let foreign = NewUser {
            id: UserId::parse("x_1").unwrap(),
            password_phc: None,
            issuer: Some(String::from("https://id.example")),
            subject: Some(String::from("1")),
            ..own_user(name)
        };
        assert_eq!(world.store.create_user(foreign).await.unwrap(), CreateUserOutcome::Created);
    }
    let heard = world.heard.take();
    let names: Vec<_> = heard
        .iter()
        .map(|change| match change {
            Change::User(row) => (row.id.as_str(), &*row.username),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, [("x_1", "ann"), ("x_1", "Ann from afar")]);
    assert_eq!(world.store.credentials("ann").await.unwrap().unwrap().id, user("ann"));
    assert!(world.store.credentials("ann from afar").await.unwrap().is_none());
}

async fn rooms_story(world: &World<'_>) {
    world.heard.take();
    assert_eq!(world.room("lobby", "ann", Visibility::Public).await, CreateRoomOutcome::Created);
    assert_eq!(world.room("cellar", "ann", Visibility::Private).await, CreateRoomOutcome::Created);
    assert_eq!(world.room("attic", "ann", Visibility::Public).await, CreateRoomOutcome::Created);
    assert_eq!(world.room("roof", "ann", Visibility::Public).await, CreateRoomOutcome::TooMany);
    assert_eq!(world.store.last_seq(room("lobby")).await.unwrap(), Some(0));
    assert_eq!(world.store.last_seq(room("roof")).await.unwrap(), None);

    let joined = |already| JoinOutcome::Joined { seq: 0, already, by_role: false };
    let cases = [
        ("lobby", "ann", joined(true)), // the owner is a member from the start
        ("lobby", "bob", joined(false)),
        ("lobby", "bob", joined(true)),
        ("cellar", "bob", JoinOutcome::Missing), // private
        ("nowhere", "bob", JoinOutcome::Missing),
        ("lobby", "ghost", JoinOutcome::Missing),
        ("lobby", "root", joined(false)),
        ("lobby", "eve", JoinOutcome::Full),
        ("lobby", "root", joined(true)), // full, but inside
    ];
    for (id, name, expect) in cases {
        assert_eq!(world.join(id, name).await, expect, "{name} joins {id}");
    }
    assert_eq!(world.leave("lobby", "root").await, LeaveOutcome::Left);
    assert_eq!(world.leave("lobby", "root").await, LeaveOutcome::NotMember);
    assert_eq!(world.leave("nowhere", "root").await, LeaveOutcome::NotMember);
    assert_eq!(world.join("lobby", "eve").await, joined(false), "the place is free again");

    // The owner of a private room may leave, and come back.
    assert_eq!(world.leave("cellar", "ann").await, LeaveOutcome::Left);
    assert_eq!(world.join("cellar", "ann").await, joined(false));

    assert_eq!(world.delete("attic", "bob").await, DeleteRoomOutcome::Rejected);
    assert_eq!(world.delete("attic", "ann").await, DeleteRoomOutcome::Deleted);
    assert_eq!(world.delete("attic", "ann").await, DeleteRoomOutcome::Rejected);

    let heard = world.heard.take();
    let created = |change: &Change| matches!(change, Change::RoomCreated { origin: 7, seq: 0, .. });
    assert_eq!(heard.iter().filter(|change| created(change)).count(), 3);
    let joins: Vec<_> = heard
        .iter()
        .filter_map(|change| match change {
            Change::Joined { room, username, already, origin: 8, .. } => {
                Some((room.as_str(), &**username, *already))
            }
            _ => None,
        })
        .collect();
    assert_eq!(
        joins,
        [
            ("lobby", "Ann", true),
            ("lobby", "bob", false),
            ("lobby", "bob", true),
            ("lobby", "root", false),
            ("lobby", "root", true),
            ("lobby", "eve", false),
            ("cellar", "Ann", false),
        ]
    );
    assert_eq!(heard.last(), Some(&Change::RoomDeleted { room: room("attic") }));
}

/// A connection that came back: what it missed, at its place among everything else.
async fn resume_story(world: &World<'_>) {
    for name in ["ann", "bob"] {
        assert_eq!(world.user(name).await, CreateUserOutcome::Created);
    }
    for (id, visibility) in [("lobby", Visibility::Public), ("cellar", Visibility::Private)] {
        assert_eq!(world.room(id, "ann", visibility).await, CreateRoomOutcome::Created);
    }
    assert_eq!(
        world.join("lobby", "bob").await,
        JoinOutcome::Joined { seq: 0, already: false, by_role: false }
    );
    world.heard.take();
    let ask = |rooms: &[&str], after, limit| {
        let rooms = rooms.iter().map(|id| room(id)).collect();
        world.store.resume(ResumeRequest { user: user("bob"), origin: 5, rooms, after, limit })
    };
    assert_eq!(world.send("ann", "lobby", "r1").await.unwrap(), stored("r1", 1));
    let first = world.heard.messages().last().unwrap().number;

    // One after the other: each sees what was stored before it.
    world.store.append(message("bob", "lobby", "r2")).await.unwrap();
    world.store.append(message("ann", "cellar", "r3")).await.unwrap();
    let one = ResumeOutcome::Resumed { rooms: 1, missed: 1 };
    let answer = ask(&["lobby", "cellar", "attic"], first, 10).await.unwrap();
    assert_eq!(answer, one, "no member of the cellar, and no attic");
    world.store.append(message("ann", "lobby", "r4")).await.unwrap();
    let two = ResumeOutcome::Resumed { rooms: 1, missed: 2 };
    assert_eq!(ask(&["lobby"], first, 10).await.unwrap(), two);
    let heard = world.heard.take();
    let told: Vec<_> = heard
        .iter()
        .map(|change| match change {
            Change::Message { row, .. } => row.text.clone(),
            Change::Resumed { origin: 5, rooms, missed } => {
                assert_eq!(*rooms, [room("lobby")]);
                missed.iter().map(|row| format!("+{}", row.text)).collect()
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(told, ["r1", "r2", "r3", "+r2", "r4", "+r2+r4"]);

    // Over several rooms they come in the order they were said.
    assert_eq!(world.send("ann", "lobby", "r5").await.unwrap(), stored("r5", 4));
    let everywhere = ResumeRequest {
        user: user("ann"),
        origin: 6,
        rooms: vec![room("cellar"), room("lobby")],
        after: first,
        limit: 10,
    };
    let answer = world.store.resume(everywhere).await.unwrap();
    assert_eq!(answer, ResumeOutcome::Resumed { rooms: 2, missed: 4 });
    match world.heard.take().last() {
        Some(Change::Resumed { missed, .. }) => {
            let texts: Vec<_> = missed.iter().map(|row| &*row.text).collect();
            assert_eq!(texts, ["r2", "r3", "r4", "r5"]);
            assert!(missed.windows(2).all(|pair| pair[0].number < pair[1].number));
        }
        other => panic!("{other:?}"),
    }

    // Who missed too much is told so, and the feed is told nothing.
    assert_eq!(ask(&["lobby"], first, 2).await.unwrap(), ResumeOutcome::TooMany);
    assert_eq!(ask(&["lobby"; 129], first, 10).await.unwrap(), ResumeOutcome::TooMany);
    assert_eq!(world.heard.take(), []);
    let nothing = ResumeOutcome::Resumed { rooms: 1, missed: 0 };
    assert_eq!(ask(&["lobby"], u64::MAX, 10).await.unwrap(), nothing);
}

/// What a resume is asked: who, as which connection, which rooms, and after which number.
fn wish(name: &str, origin: u64, rooms: &[&str], after: u64) -> ResumeRequest {
    let rooms = rooms.iter().map(|id| room(id)).collect();
    ResumeRequest { user: user(name), origin, rooms, after, limit: 500 }
}

/// The rooms and texts of one resume.
type Told<'c> = (Vec<&'c str>, Vec<&'c str>);

/// What the feed told of resumes, in order.
fn resumes(heard: &[Change]) -> Vec<Told<'_>> {
    fn told(change: &Change) -> Option<Told<'_>> {
        let Change::Resumed { rooms, missed, .. } = change else { return None };
        let rooms = rooms.iter().map(RoomId::as_str).collect();
        Some((rooms, missed.iter().map(|row| &*row.text).collect()))
    }
    heard.iter().filter_map(told).collect()
}

/// Rooms that are left or deleted fall out at that change's place, in one batch or in several.
async fn resume_departures_story(world: &World<'_>) {
    assert_eq!(world.room("porch", "bob", Visibility::Public).await, CreateRoomOutcome::Created);
    assert_eq!(
        world.join("porch", "ann").await,
        JoinOutcome::Joined { seq: 0, already: false, by_role: false }
    );
    let start = world.heard.messages().last().map_or(0, |row| row.number);
    world.heard.take();
    let everywhere = |origin| world.store.resume(wish("ann", origin, &["porch", "lobby"], start));
    let (store, resumed) = (&world.store, |rooms, missed| ResumeOutcome::Resumed { rooms, missed });
    store.append(message("ann", "porch", "p1")).await.unwrap();
    store.append(message("ann", "lobby", "p2")).await.unwrap();
    assert_eq!(everywhere(1).await.unwrap(), resumed(2, 2));
    assert_eq!(store.leave_room(room("porch"), user("ann")).await.unwrap(), LeaveOutcome::Left);
    store.append(message("bob", "porch", "p3")).await.unwrap();
    assert_eq!(everywhere(2).await.unwrap(), resumed(1, 1));

    // Who comes back as a member hears what was said while it was none: it may read that anyway.
    assert_eq!(
        world.join("porch", "ann").await,
        JoinOutcome::Joined { seq: 2, already: false, by_role: false }
    );
    let all = ResumeOutcome::Resumed { rooms: 2, missed: 3 };
    assert_eq!(everywhere(3).await.unwrap(), all);

    // A room made anew under a deleted one's id has none of its messages.
    let anew = NewRoom {
        id: room("porch"),
        name: Arc::from("Room porch"),
        visibility: Visibility::Public,
        owner: user("ann"),
        created_unix_ms: 1,
        origin: 7,
        rooms_per_user_max: 9,
        party: 0,
        fence: None,
    };
    store.append(message("bob", "porch", "p4")).await.unwrap();
    let deleted = store.delete_room(deletion("porch", "bob")).await.unwrap();
    assert_eq!(deleted, DeleteRoomOutcome::Deleted);
    assert_eq!(everywhere(4).await.unwrap(), resumed(1, 1));
    assert_eq!(store.create_room(anew).await.unwrap(), CreateRoomOutcome::Created);
    assert_eq!(everywhere(5).await.unwrap(), resumed(2, 1));
    store.append(message("ann", "porch", "p5")).await.unwrap();
    assert_eq!(everywhere(6).await.unwrap(), resumed(2, 2));

    // Nobody gets nothing, and so does who names no room; a room named twice counts once.
    let nothing = ResumeOutcome::Resumed { rooms: 0, missed: 0 };
    let ghost = wish("ghost", 7, &["porch", "lobby"], 0);
    assert_eq!(world.store.resume(ghost).await.unwrap(), nothing);
    assert_eq!(world.store.resume(wish("ann", 8, &[], 0)).await.unwrap(), nothing);
    let twice = wish("ann", 9, &["porch", "porch"], start);
    let once = ResumeOutcome::Resumed { rooms: 1, missed: 1 };
    assert_eq!(world.store.resume(twice).await.unwrap(), once);

    let heard = world.heard.take();
    let expect: [(&[&str], &[&str]); 9] = [
        (&["porch", "lobby"], &["p1", "p2"]),
        (&["lobby"], &["p2"]),
        (&["porch", "lobby"], &["p1", "p2", "p3"]),
        (&["lobby"], &["p2"]),
        (&["porch", "lobby"], &["p2"]),
        (&["porch", "lobby"], &["p2", "p5"]),
        (&[], &[]),
        (&[], &[]),
        (&["porch"], &["p5"]),
    ];
    let expect = expect.map(|(rooms, missed)| (rooms.to_vec(), missed.to_vec()));
    assert_eq!(resumes(&heard), expect);
}

/// The limit counts over all rooms: as many as that are told, one more is too many.
async fn resume_bounds_story(world: &World<'_>) {
    let start = world.heard.messages().last().unwrap().number;
    for (id, text) in [("lobby", "l1"), ("cellar", "l2"), ("porch", "l3"), ("lobby", "l4")] {
        assert!(matches!(world.send("ann", id, text).await, Ok(AppendOutcome::Stored { .. })));
    }
    world.heard.take();
    let rooms = ["lobby", "cellar", "porch"];
    let enough = ResumeOutcome::Resumed { rooms: 3, missed: 4 };
    // Held between 1 and the page's bound, so that 0 asks for one.
    let cases = [(4, enough), (3, ResumeOutcome::TooMany), (0, ResumeOutcome::TooMany)];
    for (limit, expect) in cases {
        let ask = ResumeRequest { limit, ..wish("ann", 1, &rooms, start) };
        assert_eq!(world.store.resume(ask).await.unwrap(), expect, "{limit}");
    }
    let after = world.heard.take();
    assert_eq!(resumes(&after), [(rooms.to_vec(), vec!["l1", "l2", "l3", "l4"])]);

    let one = ResumeRequest { limit: 0, ..wish("ann", 1, &["porch", "cellar"], start) };
    assert_eq!(world.store.resume(one).await.unwrap(), ResumeOutcome::TooMany);
    let one = ResumeRequest { limit: 0, ..wish("ann", 1, &["porch"], start) };
    let answer = world.store.resume(one).await.unwrap();
    assert_eq!(answer, ResumeOutcome::Resumed { rooms: 1, missed: 1 });

    // As many rooms as allowed, most of which are not there.
    let names: Vec<String> = (0..127).map(|number| format!("none-{number}")).collect();
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.push("porch");
    let answer = world.store.resume(wish("ann", 1, &names, start)).await.unwrap();
    assert_eq!(answer, ResumeOutcome::Resumed { rooms: 1, missed: 1 });
    world.heard.take();
    names.push("lobby");
    let answer = world.store.resume(wish("ann", 1, &names, start)).await.unwrap();
    assert_eq!(answer, ResumeOutcome::TooMany);
    assert_eq!(world.heard.take(), []);
}

/// Many speak while others come back again and again: what was missed, and what comes live after
/// it, is everything, once.
async fn resume_crowd_story(world: &World<'_>) {
    const SENDERS: u64 = 4;
    const EACH: u64 = 100;
    const COMERS: u64 = 3;
    const TIMES: u64 = 40;
    const BEFORE: u64 = 20;
    let rooms = ["lobby", "cellar", "porch"];
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    world.heard.take();
    // So that everyone who comes back has missed something.
    for (count, id) in (0..BEFORE).zip(rooms.iter().cycle()) {
        let answer = world.send("ann", id, &format!("before-{count}")).await.unwrap();
        assert!(matches!(answer, AppendOutcome::Stored { .. }), "{answer:?}");
    }
    std::thread::scope(|scope| {
        for sender in 0..SENDERS {
            scope.spawn(move || {
                let runtime = runtime();
                for (count, id) in (0..EACH).zip(rooms.iter().cycle()) {
                    let text = format!("back-{sender}-{count}");
                    let answer = runtime.block_on(world.send("ann", id, &text)).unwrap();
                    assert!(matches!(answer, AppendOutcome::Stored { .. }), "{answer:?}");
                }
            });
        }
        for comer in 1..=COMERS {
            scope.spawn(move || {
                let runtime = runtime();
                for time in 0..TIMES {
                    // It has half of what it could have; the rest was missed.
                    let told = world.heard.messages();
                    let after = told[told.len() / 2].number;
                    let origin = (after << 16) | (comer << 8) | time;
                    let ask = world.store.resume(wish("ann", origin, &rooms[1..], after));
                    let answer = runtime.block_on(ask).unwrap();
                    assert!(
                        matches!(answer, ResumeOutcome::Resumed { rooms: 2, .. }),
                        "{answer:?}"
                    );
                    let heard = world.heard.0.lock().unwrap();
                    let told = |change: &Change| {
                        matches!(change,
                        Change::Resumed { origin: told, .. } if *told == origin)
                    };
                    assert_eq!(heard.iter().filter(|change| told(change)).count(), 1);
                }
            });
        }
    });
    let heard = world.heard.take();
    let mut resumed = 0;
    let mut before: Vec<&MessageRow> = Vec::new();
    for change in &heard {
        match change {
            Change::Message { row, .. } => before.push(row),
            Change::Resumed { origin, rooms, missed } => {
                let after = origin >> 16;
                let expect: Vec<&MessageRow> = before
                    .iter()
                    .copied()
                    .filter(|row| row.number > after && rooms.contains(&row.room))
                    .collect();
                assert_eq!(missed.iter().collect::<Vec<_>>(), expect);
                assert!(!missed.is_empty());
                resumed += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(before.windows(2).all(|pair| pair[0].number < pair[1].number));
    assert_eq!(before.len(), usize::try_from(BEFORE + SENDERS * EACH).unwrap());
    assert_eq!(resumed, COMERS * TIMES);
}

/// A number that was told is not given again, though its message and the store are gone.
async fn numbers_story(mut world: World<'_>) {
    let mut highest = 0;
    for (round, deleted) in ["porch", "cellar"].into_iter().enumerate() {
        for (id, text) in [("lobby", "low"), (deleted, "high")] {
            let text = format!("{text}-{round}");
            assert!(matches!(world.send("ann", id, &text).await, Ok(AppendOutcome::Stored { .. })));
            let number = world.heard.messages().last().unwrap().number;
            assert!(number > highest, "{number} after {highest}");
            highest = number;
        }
        assert_eq!(world.delete(deleted, "ann").await, DeleteRoomOutcome::Deleted);
        world = world.reopen().await;
    }
    assert!(matches!(world.send("ann", "lobby", "next").await, Ok(AppendOutcome::Stored { .. })));
    let heard = world.heard.messages();
    assert!(heard[0].number > highest, "{} after {highest}", heard[0].number);
    // Who was there before the restart misses exactly this, and history gives the same number.
    let answer = world.store.resume(wish("ann", 1, &["lobby"], highest)).await.unwrap();
    assert_eq!(answer, ResumeOutcome::Resumed { rooms: 1, missed: 1 });
    assert_eq!(resumes(&world.heard.take()), [(vec!["lobby"], vec!["next"])]);
    let page = HistoryRequest { room: room("lobby"), before: None, after: None, limit: 1 };
    let (rows, _) = world.store.history(page).await.unwrap();
    assert_eq!(rows, heard);
}

async fn messages_story(world: &World<'_>) {
    world.heard.take();
    assert_eq!(world.send("ann", "lobby", "1").await.unwrap(), stored("1", 1));
    let rich = NewMessage {
        html: Some(String::from("<b>2</b>")),
        reply_to: Some(MessageId::parse("m_1").unwrap()),
        ..message("bob", "lobby", "2")
    };
    assert_eq!(world.store.append(rich).await.unwrap(), stored("2", 2));
    assert_eq!(world.send("ann", "cellar", "c1").await.unwrap(), stored("c1", 1));

    // Membership is checked again here, whatever a guard saw.
    for (name, id) in [("root", "lobby"), ("ghost", "lobby"), ("ann", "attic"), ("ann", "roof")] {
        let answer = world.send(name, id, "no").await.unwrap();
        assert_eq!(answer, AppendOutcome::NotMember, "{name} in {id}");
    }
    for missing in ["m_none", "m_c1"] {
        let mid = Some(Mid::parse("lost").unwrap());
        let reply_to = Some(MessageId::parse(missing).unwrap());
        let reply = NewMessage { mid, reply_to, ..message("ann", "lobby", "no") };
        assert_eq!(world.store.append(reply).await.unwrap(), AppendOutcome::ReplyMissing);
    }
    // A message that was not stored leaves no key behind.
    let mid = Some(Mid::parse("lost").unwrap());
    let again = NewMessage { mid, ..message("ann", "lobby", "3") };
    assert_eq!(world.store.append(again).await.unwrap(), stored("3", 3));

    // Leaving counts from the next change on, also for who wrote a moment ago.
    let asked = (
        world.store.append(message("eve", "lobby", "4")),
        world.store.leave_room(room("lobby"), user("eve")),
        world.store.append(message("eve", "lobby", "no")),
        world.store.append(message("bob", "lobby", "5")),
    );
    assert_eq!(asked.0.await.unwrap(), stored("4", 4));
    assert_eq!(asked.1.await.unwrap(), LeaveOutcome::Left);
    assert_eq!(asked.2.await.unwrap(), AppendOutcome::NotMember);
    assert_eq!(asked.3.await.unwrap(), stored("5", 5));
    assert_eq!(
        world.join("lobby", "eve").await,
        JoinOutcome::Joined { seq: 5, already: false, by_role: false }
    );

    // The feed says what was stored, in order; history says the same.
    let heard = world.heard.messages();
    let page = HistoryRequest { room: room("lobby"), before: None, after: None, limit: 100 };
    let (mut rows, more) = world.store.history(page).await.unwrap();
    assert!(!more);
    assert_eq!((&*rows[1].text, rows[1].html.as_deref()), ("2", Some("<b>2</b>")));
    assert_eq!(rows[1].reply_to.as_ref().map(|id| id.as_str()), Some("m_1"));
    for row in &mut rows {
        // History names people as they are called now, the feed as they were called.
        if &*row.username == "Ann" {
            row.username = Arc::from("ann");
        }
    }
    let lobby: Vec<_> = heard.into_iter().filter(|row| row.room == room("lobby")).collect();
    assert_eq!(lobby, rows);
}

// T-142: one effect and the same answer; another content is a conflict; another user is free.
async fn repeats_story(world: &World<'_>) {
    world.heard.take();
    let keyed = |name, text, mid, content: u8, sent_unix_ms| NewMessage {
        mid: Some(Mid::parse(mid).unwrap()),
        digest: Some([content; 32]),
        sent_unix_ms,
        ..message(name, "lobby", text)
    };
    let send = |message| world.store.append(message);
    let first = AppendOutcome::Stored {
        id: MessageId::parse("m_k1").unwrap(),
        seq: 6,
        sent_unix_ms: 5_000,
    };
    let repeated = AppendOutcome::Repeated {
        id: MessageId::parse("m_k1").unwrap(),
        seq: 6,
        sent_unix_ms: 5_000,
    };
    // Both in one batch, as a client does that sends again too early.
    let both =
        (send(keyed("ann", "k1", "key", 1, 5_000)), send(keyed("ann", "k2", "key", 1, 6_000)));
    assert_eq!(both.0.await.unwrap(), first);
    assert_eq!(both.1.await.unwrap(), repeated);
    assert_eq!(send(keyed("ann", "k3", "key", 1, DAY_MS)).await.unwrap(), repeated);
    assert_eq!(send(keyed("ann", "k4", "key", 2, 7_000)).await.unwrap(), AppendOutcome::Conflict);
    let elsewhere = NewMessage { room: room("cellar"), ..keyed("ann", "k5", "key", 1, 7_000) };
    assert_eq!(send(elsewhere).await.unwrap(), AppendOutcome::Conflict);
    let other = send(keyed("bob", "k6", "key", 2, 7_000)).await.unwrap();
    assert!(matches!(other, AppendOutcome::Stored { seq: 7, .. }), "{other:?}");
    assert_eq!(world.heard.messages().len(), 2);
}

async fn neighbours_story(world: &World<'_>) {
    world.heard.take();
    let asked: Vec<_> = ["n1", "n2", "n1", "n3"]
        .map(|text| world.store.append(message("ann", "lobby", text)))
        .into_iter()
        .collect();
    let mut answers = Vec::new();
    for answer in asked {
        answers.push(answer.await);
    }
    let seqs: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Ok(AppendOutcome::Stored { seq, .. }) => Some(*seq),
            _ => None,
        })
        .collect();
    // The third has the id of the first, which the database refuses.
    assert_eq!(seqs, [Some(8), Some(9), None, Some(10)]);
    assert!(matches!(answers[2], Err(StoreError::Database(_))));
    let told: Vec<_> = world.heard.messages().iter().map(|row| row.seq).collect();
    assert_eq!(told, [8, 9, 10]);
}

async fn paging_story(world: &World<'_>) {
    let cases: [(Part, &[u64], bool); 9] = [
        ((None, None, 3), &[8, 9, 10], true),
        ((Some(8), None, 3), &[5, 6, 7], true),
        ((Some(3), None, 3), &[1, 2], false),
        ((Some(1), None, 3), &[], false),
        ((None, Some(0), 3), &[1, 2, 3], true),
        ((None, Some(7), 3), &[8, 9, 10], false),
        ((None, Some(10), 3), &[], false),
        ((Some(6), Some(2), 2), &[3, 4], true),
        ((Some(u64::MAX), Some(9), 0), &[10], false),
    ];
    for (page, expect, more) in cases {
        assert_eq!(world.history("lobby", page).await, (expect.to_vec(), more), "{page:?}");
    }
    assert_eq!(world.history("attic", (None, None, 3)).await, (vec![], false));
    assert_eq!(world.history("nowhere", (None, None, 3)).await, (vec![], false));
}

/// Many senders at once: no gap, no repeat, the feed in order and before every answer.
fn crowd_story(world: &World<'_>, from: u64) {
    const SENDERS: u64 = 8;
    const EACH: u64 = 100;
    world.heard.take();
    let mut seqs: Vec<u64> = std::thread::scope(|scope| {
        let sender = |number: u64| {
            move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let name = if number.is_multiple_of(2) { "ann" } else { "bob" };
                let send = |count| {
                    let text = format!("crowd-{number}-{count}");
                    let seq = match runtime.block_on(world.send(name, "lobby", &text)).unwrap() {
                        AppendOutcome::Stored { seq, .. } => seq,
                        other => panic!("{other:?}"),
                    };
                    let heard = world.heard.messages();
                    assert!(heard.iter().any(|row| row.seq == seq), "told before the answer");
                    seq
                };
                (0..EACH).map(send).collect::<Vec<_>>()
            }
        };
        let senders: Vec<_> = (0..SENDERS).map(|number| scope.spawn(sender(number))).collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    seqs.sort_unstable();
    let expect: Vec<u64> = (from + 1..=from + SENDERS * EACH).collect();
    assert_eq!(seqs, expect);
    let told: Vec<u64> = world.heard.messages().iter().map(|row| row.seq).collect();
    assert_eq!(told, expect);
}

/// Every page of a long room, wherever it starts.
async fn long_paging_story(world: &World<'_>, newest: u64) {
    for limit in [1, 31, 64] {
        let length = u64::from(limit);
        for place in (0..=newest + 2).step_by(7) {
            let high = place.min(newest + 1);
            let low = high.saturating_sub(length).max(1);
            let expect = ((low..high).collect(), low > 1 && high > 1);
            let page = (Some(place), None, limit);
            assert_eq!(world.history("lobby", page).await, expect, "{page:?}");

            let high = (place + length).min(newest);
            let expect = ((place + 1..=high).collect(), high < newest && place < newest);
            let page = (None, Some(place), limit);
            assert_eq!(world.history("lobby", page).await, expect, "{page:?}");
        }
    }
}

async fn reopened_story(world: &World<'_>) {
    let loaded = world.store.load().await.unwrap();
    let mut users: Vec<_> = loaded.authority.users.iter().map(|row| &*row.username).collect();
    users.sort_unstable();
    assert_eq!(users, ["Ann", "Ann from afar", "bob", "eve", "root"]);
    let mut rooms: Vec<_> =
        loaded.rooms.iter().map(|row| (row.room.id.as_str(), row.room.visibility)).collect();
    rooms.sort_unstable_by_key(|(id, _)| *id);
    assert_eq!(rooms, [("cellar", Visibility::Private), ("lobby", Visibility::Public)]);
    assert!(loaded.rooms.iter().all(|row| row.room.owner == user("ann")));
    let mut members: Vec<_> =
        loaded.members.iter().map(|(room, user)| (room.as_str(), user.as_str())).collect();
    members.sort_unstable();
    let expect = [("cellar", "u_ann"), ("lobby", "u_ann"), ("lobby", "u_bob"), ("lobby", "u_eve")];
    assert_eq!(members, expect);

    // Places and keys go on where they were.
    let newest = world.store.last_seq(room("lobby")).await.unwrap().unwrap();
    assert_eq!(world.history("lobby", (None, None, 1)).await, (vec![newest], true));
    let keyed = |text, sent_unix_ms| NewMessage {
        mid: Some(Mid::parse("key").unwrap()),
        digest: Some([1; 32]),
        sent_unix_ms,
        ..message("ann", "lobby", text)
    };
    let repeated = world.store.append(keyed("late", 6_000)).await.unwrap();
    assert!(matches!(repeated, AppendOutcome::Repeated { seq: 6, .. }), "{repeated:?}");
    assert_eq!(world.send("ann", "lobby", "after").await.unwrap(), stored("after", newest + 1));

    // After a day the key is free.
    let fresh = world.store.append(keyed("fresh", 5_000 + DAY_MS)).await.unwrap();
    assert!(matches!(fresh, AppendOutcome::Stored { seq, .. } if seq == newest + 2), "{fresh:?}");

    // A deleted room is gone at once, and its id and the owner's place are free.
    assert_eq!(world.delete("lobby", "ann").await, DeleteRoomOutcome::Deleted);
    assert_eq!(world.send("ann", "lobby", "no").await.unwrap(), AppendOutcome::NotMember);
    assert_eq!(world.history("lobby", (None, None, 3)).await, (vec![], false));
    assert_eq!(world.room("lobby", "bob", Visibility::Public).await, CreateRoomOutcome::Created);
    assert_eq!(world.send("bob", "lobby", "new").await.unwrap(), stored("new", 1));
}

async fn story(backend: &dyn Backend) {
    let world = World::new(backend);
    assert!(world.store.load().await.unwrap().authority.users.is_empty());
    users_story(&world).await;
    rooms_story(&world).await;
    messages_story(&world).await;
    repeats_story(&world).await;
    neighbours_story(&world).await;
    paging_story(&world).await;
    crowd_story(&world, 10);
    long_paging_story(&world, 810).await;
    let world = world.reopen().await;
    reopened_story(&world).await;
}

// T-147: who comes back hears what was missed, once and in order, and nothing else.
async fn resumes_story(backend: &dyn Backend) {
    let world = World::new(backend);
    resume_story(&world).await;
    // The last of these numbers is where the next story starts.
    assert!(matches!(world.send("ann", "lobby", "r6").await, Ok(AppendOutcome::Stored { .. })));
    resume_departures_story(&world).await;
    assert!(matches!(world.send("ann", "lobby", "r7").await, Ok(AppendOutcome::Stored { .. })));
    resume_bounds_story(&world).await;
    assert!(matches!(world.send("ann", "lobby", "r8").await, Ok(AppendOutcome::Stored { .. })));
    resume_crowd_story(&world).await;
    numbers_story(world).await;
}

struct Sqlite(tempfile::TempDir);

impl Backend for Sqlite {
    fn open(&self, feed: Heard) -> Arc<dyn Store> {
        let path = self.0.path().join("story.db");
        let store = SqliteStore::open(&path, SqliteOptions::default(), Box::new(feed));
        Arc::new(store.unwrap())
    }
}

#[tokio::test]
async fn sqlite() {
    story(&Sqlite(tempfile::tempdir().unwrap())).await;
}

#[tokio::test]
async fn t_147_sqlite_resumes() {
    resumes_story(&Sqlite(tempfile::tempdir().unwrap())).await;
}
