//! The story that every backend must pass; a new backend adds one test at the end.
//! Never: the name of a backend, except at the end.

mod users; // users, set-up, other issuers
mod rooms; // rooms and members
mod messages; // messages, repeats, concurrent senders
mod paging; // pages of the history
mod reopening; // the state after a restart
mod resume; // recovered connections and their missed messages
mod resume_concurrency; // recovery beside concurrent senders

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

/// What a resume is asked: who, as which connection, which rooms, and after which number.
fn wish(name: &str, origin: u64, rooms: &[&str], after: u64) -> ResumeRequest {
    let rooms = rooms.iter().map(|id| room(id)).collect();
    ResumeRequest { user: user(name), origin, rooms, after, limit: 500 }
}

fn stored(text: &str, seq: u64) -> AppendOutcome {
    AppendOutcome::Stored {
        id: MessageId::parse(&format!("m_{text}")).unwrap(),
        seq,
        sent_unix_ms: 1_000,
    }
}

async fn story(backend: &dyn Backend) {
    let world = World::new(backend);
    assert!(world.store.load().await.unwrap().authority.users.is_empty());
    users::users_story(&world).await;
    rooms::rooms_story(&world).await;
    messages::messages_story(&world).await;
    messages::repeats_story(&world).await;
    messages::neighbours_story(&world).await;
    paging::paging_story(&world).await;
    messages::crowd_story(&world, 10);
    paging::long_paging_story(&world, 810).await;
    let world = world.reopen().await;
    reopening::reopened_story(&world).await;
}

// T-147: who comes back hears what was missed, once and in order, and nothing else.
async fn resumes_story(backend: &dyn Backend) {
    let world = World::new(backend);
    resume::resume_story(&world).await;
    // The last of these numbers is where the next story starts.
    assert!(matches!(world.send("ann", "lobby", "r6").await, Ok(AppendOutcome::Stored { .. })));
    resume::resume_departures_story(&world).await;
    assert!(matches!(world.send("ann", "lobby", "r7").await, Ok(AppendOutcome::Stored { .. })));
    resume::resume_bounds_story(&world).await;
    assert!(matches!(world.send("ann", "lobby", "r8").await, Ok(AppendOutcome::Stored { .. })));
    resume_concurrency::resume_crowd_story(&world).await;
    resume::numbers_story(world).await;
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
