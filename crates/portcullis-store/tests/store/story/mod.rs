//! The story that every backend must pass; a new backend adds one test at the end.
//! Never: the name of a backend, except at the end.

mod users; // users, set-up, other issuers
mod rooms; // rooms and members
mod messages; // messages, repeats, concurrent senders
mod paging; // pages of the history
mod reopening; // the state after a restart
mod resume; // recovered connections and their missed messages
mod resume_concurrency; // recovery beside concurrent senders

use std::sync::Arc;

use portcullis_model::{MessageId, Mid, Role, Roles, RoomId, UserId};
use portcullis_store::{
    AppendOutcome, Change, CreateRoomOutcome, CreateUserOutcome, DeleteRoomOutcome, HistoryRequest,
    JoinOutcome, JoinRequest, LeaveOutcome, MessageRow, NewMessage, NewRoom, NewUser,
    ResumeOutcome, ResumeRequest, Store, StoreError, Visibility,
};

use crate::fixture::{
    FeedRecorder, StoreDirectory, local_user, new_message, new_room, room_id, user_id,
};

/// `before`, `after` and `limit` of a page.
type Page = (Option<u64>, Option<u64>, u32);

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A request of an owner to delete a room.
fn deletion(id: &str, name: &str) -> portcullis_store::DeleteRoomRequest {
    portcullis_store::DeleteRoomRequest { room: room_id(id), by: user_id(name), anywhere: false }
}

/// Opens the same database several times.
trait Backend: Sync {
    fn open(&self, feed: FeedRecorder) -> Arc<dyn Store>;
}

/// One store, the changes that it reports, and the backend that opens it again.
struct World<'b> {
    backend: &'b dyn Backend,
    store: Arc<dyn Store>,
    feed: FeedRecorder,
}

impl<'b> World<'b> {
    fn new(backend: &'b dyn Backend) -> Self {
        let feed = FeedRecorder::default();
        let store = backend.open(feed.clone());
        Self { backend, store, feed }
    }

    async fn reopen(self) -> Self {
        self.store.close().await.unwrap();
        assert!(matches!(self.store.has_admin().await, Err(StoreError::Closed)));
        assert!(matches!(self.send("ann", "lobby", "x").await, Err(StoreError::Closed)));
        drop(self.store);
        Self::new(self.backend)
    }

    async fn user(&self, name: &str) -> CreateUserOutcome {
        self.store.create_user(local_user(name)).await.unwrap()
    }

    async fn room(&self, id: &str, owner: &str, visibility: Visibility) -> CreateRoomOutcome {
        let room = NewRoom {
            name: Arc::from(format!("Room {id}")),
            visibility,
            origin: 7,
            rooms_per_user_max: 3,
            ..new_room(id, owner)
        };
        self.store.create_room(room).await.unwrap()
    }

    async fn join(&self, id: &str, name: &str) -> JoinOutcome {
        let join = JoinRequest {
            room: room_id(id),
            user: user_id(name),
            origin: 8,
            members_max: 3,
            party: 0,
        };
        self.store.join_room(join).await.unwrap()
    }

    async fn leave(&self, id: &str, name: &str) -> LeaveOutcome {
        self.store.leave_room(room_id(id), user_id(name)).await.unwrap()
    }

    async fn delete(&self, id: &str, name: &str) -> DeleteRoomOutcome {
        self.store.delete_room(deletion(id, name)).await.unwrap()
    }

    async fn send(&self, name: &str, id: &str, text: &str) -> Result<AppendOutcome, StoreError> {
        self.store.append(message(name, id, text)).await
    }

    async fn history(&self, id: &str, page: Page) -> (Vec<u64>, bool) {
        let (before, after, limit) = page;
        let page = HistoryRequest { room: room_id(id), before, after, limit };
        let (rows, more) = self.store.history(page).await.unwrap();
        (rows.iter().map(|row| row.seq).collect(), more)
    }
}

fn message(name: &str, id: &str, text: &str) -> NewMessage {
    NewMessage {
        text: text.to_owned(),
        sent_unix_ms: 1_000,
        origin: 9,
        ..new_message(&format!("m_{text}"), id, name)
    }
}

/// The request of a user to recover a connection, for rooms and after a number.
fn resume_request(name: &str, origin: u64, rooms: &[&str], after: u64) -> ResumeRequest {
    let rooms = rooms.iter().map(|id| room_id(id)).collect();
    ResumeRequest { user: user_id(name), origin, rooms, after, limit: 500 }
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
    assert!(world.store.load().await.unwrap().access.users.is_empty());
    users::check_users(&world).await;
    rooms::check_rooms(&world).await;
    messages::check_messages(&world).await;
    messages::check_repeats(&world).await;
    messages::check_batch_neighbours(&world).await;
    paging::check_pages(&world).await;
    messages::check_concurrent_senders(&world, 10);
    paging::check_pages_of_a_long_room(&world, 810).await;
    let world = world.reopen().await;
    reopening::check_reopened_store(&world).await;
}

// T-147: a recovered connection gets the missed messages once, in order, and nothing else.
async fn resume_story(backend: &dyn Backend) {
    let world = World::new(backend);
    resume::check_resume(&world).await;
    // The next check starts at the number of this message.
    assert!(matches!(world.send("ann", "lobby", "r6").await, Ok(AppendOutcome::Stored { .. })));
    resume::check_departures(&world).await;
    assert!(matches!(world.send("ann", "lobby", "r7").await, Ok(AppendOutcome::Stored { .. })));
    resume::check_bounds(&world).await;
    assert!(matches!(world.send("ann", "lobby", "r8").await, Ok(AppendOutcome::Stored { .. })));
    resume_concurrency::check_concurrent_resumes(&world).await;
    resume::check_numbers(world).await;
}

impl Backend for StoreDirectory {
    fn open(&self, feed: FeedRecorder) -> Arc<dyn Store> {
        Arc::new(self.open_with(feed))
    }
}

#[tokio::test]
async fn sqlite_passes_the_story() {
    story(&StoreDirectory::new()).await;
}

#[tokio::test]
async fn t_147_sqlite_recovers_missed_messages() {
    resume_story(&StoreDirectory::new()).await;
}
