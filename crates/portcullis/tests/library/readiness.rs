//! `/ready` after a thread or task of the server has ended by a fault.
//! Never: a fault that the product's own code could cause; the tests bring parts that panic.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis::{
    Audit, Builder, Clock, Directory, DirectoryLimits, Gate, GateOptions, LoadState, Now, Options,
    RoomId, RunningEngine, SystemClock, UserId,
};
use portcullis_accounts::{AccountOptions, AccountParts, ServerSecret, SigningKeys};
use portcullis_model::{MessageId, RoleTable, Roles};
use portcullis_store::{
    AccountStore, Change, CommitFeed, FieldSeal, HistoryRequest, MessageStore, NewMessage, NewRoom,
    NewUser, RoomStore, SealFault, SqliteOptions, SqliteStore, StoreError, Visibility,
};
use portcullis_test::{Answer, Connection, Request, until};
use serde_json::{Value, json};

/// A feed that ends the writer's thread when a room is made.
struct FragileFeed;

impl CommitFeed for FragileFeed {
    fn committed(&mut self, changes: &[Change]) {
        let fragile = changes.iter().any(|change| matches!(change, Change::RoomCreated { .. }));
        assert!(!fragile, "planned");
    }
}

struct Deaf;

impl CommitFeed for Deaf {
    fn committed(&mut self, _changes: &[Change]) {}
}

/// A seal that ends the thread that reads what it has sealed.
struct FragileSeal;

impl FieldSeal for FragileSeal {
    fn seal(&self, _: &str, _: &str, _: &str, plain: &[u8]) -> Result<Vec<u8>, SealFault> {
        Ok(plain.to_vec())
    }

    fn open(&self, _: &str, _: &str, _: &str, _: &[u8]) -> Result<Vec<u8>, SealFault> {
        panic!("planned")
    }

    fn is_current(&self, _sealed: &[u8]) -> bool {
        true
    }
}

/// A clock that a test can put forward.
struct Ahead {
    clock: SystemClock,
    ms: AtomicU64,
}

impl Clock for Ahead {
    fn now(&self) -> Now {
        let now = self.clock.now();
        Now { monotonic_ms: now.monotonic_ms + self.ms.load(Ordering::Relaxed), ..now }
    }
}

/// A server with accounts on a store, or with nothing.
struct Fixture {
    folder: tempfile::TempDir,
    clock: Arc<Ahead>,
    live: Arc<Directory>,
    running: Option<RunningEngine>,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.running.take().into_iter().for_each(RunningEngine::drain);
    }
}

impl Fixture {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(Ahead { clock: SystemClock::start(), ms: AtomicU64::new(0) }),
            live: Arc::new(Directory::new(DirectoryLimits::default())),
            running: None,
        }
    }

    fn start(&mut self, install: impl FnOnce(&mut Builder, Arc<dyn Clock>)) {
        let any = ([127, 0, 0, 1], 0).into();
        let options = Options { public: any, private: Some(any), shards: 1, ..Options::default() };
        let options = Options { drain_ms: 1_000, ..options };
        let gate = GateOptions { load: Some(LoadState::Normal), ..GateOptions::default() };
        let gate = GateOptions { hosts: vec![String::from("localhost")], ..gate };
        let origins = vec![String::from("https://localhost")];
        let gate = Gate::build(GateOptions { origins, ..gate }, Arc::clone(&self.live)).unwrap();
        let clock: Arc<dyn Clock> = Arc::<Ahead>::clone(&self.clock);
        let mut builder = Builder::new(options, gate, Audit::silent(), Arc::clone(&clock));
        install(&mut builder, clock);
        self.running = Some(builder.start().unwrap());
    }

    fn start_with_accounts(&mut self, store: Arc<SqliteStore>) {
        let folder = self.folder.path().to_owned();
        let keys = SigningKeys::load_or_create(&folder, 0).unwrap();
        let secret = ServerSecret::load_or_create(&folder).unwrap();
        let parts = AccountParts { store, keys, secret, roles: RoleTable::default() };
        self.start(|builder, clock| {
            let options = AccountOptions::new(Audit::silent(), clock);
            portcullis_accounts::install(builder, parts, options).unwrap();
        });
    }

    fn store(&self, feed: Box<dyn CommitFeed>) -> Arc<SqliteStore> {
        let path = self.folder.path().join("portcullis.db");
        let options = SqliteOptions::default();
        let store = SqliteStore::open_sealed(&path, options, feed, Arc::new(FragileSeal));
        Arc::new(store.unwrap())
    }

    fn ready(&self) -> Answer {
        let private = self.running.as_ref().unwrap().private().unwrap();
        let request = Request::bare("GET /ready HTTP/1.1").header("Host", &private.to_string());
        request.ask_on(&mut Connection::open_bare(private))
    }

    /// Waits until a part has a state, and the server is not ready for it.
    fn wait_until_not_ready(&self, part: &str, state: &str) -> Value {
        until(state, || {
            let answer = self.ready();
            let seen = answer.json();
            (answer.status == 503 && seen["parts"][part] == state).then_some(seen)
        })
    }
}

fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work)
}

fn ann() -> NewUser {
    NewUser {
        id: UserId::parse("ann").unwrap(),
        username: Arc::from("Ann"),
        password_phc: None,
        issuer: None,
        subject: None,
        roles: Roles::user(),
        created_unix_ms: 0,
        setup: false,
        invitation: None,
        roles_issued_unix_ms: None,
    }
}

fn lobby() -> NewRoom {
    NewRoom {
        id: RoomId::parse("lobby").unwrap(),
        name: Arc::from("Lobby"),
        visibility: Visibility::Public,
        owner: ann().id,
        created_unix_ms: 0,
        origin: 0,
        party: 0,
        fence: None,
        rooms_per_user_max: 9,
    }
}

fn message() -> NewMessage {
    NewMessage {
        id: MessageId::parse("m1").unwrap(),
        room: lobby().id,
        user: ann().id,
        username: Arc::from("Ann"),
        text: String::from("text"),
        html: None,
        reply_to: None,
        mid: None,
        digest: None,
        sent_unix_ms: 0,
        origin: 0,
        fence: None,
    }
}

#[test]
fn writer_that_has_ended_makes_the_server_not_ready() {
    let mut fixture = Fixture::new();
    let store = fixture.store(Box::new(FragileFeed));
    fixture.start_with_accounts(Arc::clone(&store));
    let healthy = fixture.ready();
    assert_eq!((healthy.status, &healthy.json()["parts"]["store"]), (200, &json!("ok")));
    wait(store.create_user(ann())).unwrap();
    let outcome = wait(store.create_room(lobby()));
    assert!(matches!(outcome, Err(StoreError::Unknown)), "{outcome:?}");
    fixture.wait_until_not_ready("store", "writer_ended");
}

#[test]
fn reader_that_has_ended_makes_the_server_not_ready() {
    let mut fixture = Fixture::new();
    let store = fixture.store(Box::new(Deaf));
    fixture.start_with_accounts(Arc::clone(&store));
    wait(store.create_user(ann())).unwrap();
    wait(store.create_room(lobby())).unwrap();
    wait(store.append(message())).unwrap();
    let page = || HistoryRequest { room: lobby().id, before: None, after: None, limit: 10 };
    let outcome = wait(store.history(page()));
    assert!(matches!(outcome, Err(StoreError::ReaderEnded)), "{outcome:?}");
    fixture.wait_until_not_ready("store", "reader_ended");
}

#[test]
fn chore_that_has_ended_makes_the_server_not_ready() {
    let mut fixture = Fixture::new();
    fixture.start(|builder, _| {
        builder.every("planned_chore", 1, |_| async { panic!("planned") });
    });
    fixture.wait_until_not_ready("shards", "planned_chore");
    let health = fixture.running.as_ref().unwrap().health();
    assert_eq!(health.faults(fixture.clock.now()), ["planned_chore"], "a supervisor restarts it");
    assert_eq!((health.load(), health.connections_open()), (LoadState::Normal, 0));
}

#[test]
fn unconfirmed_sessions_make_the_server_not_ready() {
    let mut fixture = Fixture::new();
    fixture.start(|_, _| ());
    fixture.live.authority().confirm(fixture.clock.now());
    assert_eq!(fixture.ready().json()["parts"]["sessions"], "ok");
    // As if the watcher had hung for a minute.
    fixture.clock.ms.store(61_000, Ordering::Relaxed);
    fixture.wait_until_not_ready("sessions", "unconfirmed");
}
