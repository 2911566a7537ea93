//! A server in the test's process, on a free port of this machine, drained at the end.
//! Never: a guard that is off; only rates that one machine would reach are high.

use std::net::SocketAddr;
use std::sync::Arc;

use portcullis_guard::{Directory, LoadState, Permit, Rate, User};
use portcullis_model::{Role, UserId};
use portcullis_server::{Context, Payload, Reply};
use serde_json::{Value, json};

use super::socket::{Request, TestSocket};
use super::sync::{SYNCED, Sync};
use super::test_client::TestClient;
use super::tokens::TokenMaker;
use crate::server::builder::{Server, ServerBuilder};
use crate::server::error::Error;
use crate::server::running::Running;

const WIDE: Rate = Rate::per(1_000_000, 1_000);
/// A running server; dropping the value drains it.
pub struct TestServer {
    running: Option<Running>,
    public: SocketAddr,
    directory: Arc<Directory>,
    tokens: TokenMaker,
}

impl TestServer {
    /// Starts a server with the application's events, and an issuer for [`TestServer::connect`].
    ///
    /// # Panics
    /// When `declare` or the start fails; the text is the error's.
    #[must_use]
    #[track_caller]
    pub fn start(declare: impl FnOnce(&mut Server) -> Result<(), Error>) -> Self {
        Self::start_with(Self::builder(), declare)
    }

    /// The builder of [`TestServer::start`], which the test can change.
    ///
    /// It listens on a free port, accepts pages of its own origin, writes no security log, has load
    /// level normal, and one shard, so that events arrive in the order in which handlers emit them:
    /// `TestClient::received` depends on it.
    pub fn builder() -> ServerBuilder {
        Server::builder()
            .listen(SocketAddr::from(([127, 0, 0, 1], 0)))
            .own_origin()
            .danger_no_audit()
            .guards(|guards| {
                guards.load = Some(LoadState::Normal);
                guards.connect_per_prefix = WIDE;
                guards.request_per_prefix = WIDE;
                guards.login_per_prefix = WIDE;
                guards.message_per_user = WIDE;
                guards.message_per_connection = WIDE;
                guards.message_per_prefix = WIDE;
            })
            .engine(|engine| {
                engine.shards = 1;
                engine.drain_ms = 2_000;
            })
    }

    /// Starts a server with any builder; its issuer is added.
    ///
    /// # Panics
    /// As [`TestServer::start`].
    #[must_use]
    #[track_caller]
    pub fn start_with(
        builder: ServerBuilder,
        declare: impl FnOnce(&mut Server) -> Result<(), Error>,
    ) -> Self {
        let tokens = TokenMaker::new("https://id.test", "portcullis");
        let built = builder.issuer(tokens.issuer()).build();
        let mut server = expect_ok(built, "the server is not built");
        expect_ok(declare(&mut server), "an event is rejected");
        let sync = |_permit: Permit<Sync>, context: Context| async move {
            context.emit(SYNCED, &Payload::of(&json!({})))?;
            Ok(Reply::ok())
        };
        expect_ok(server.on(sync), "the test's event");
        let directory = Arc::clone(server.directory());
        let started = server.start();
        let running = expect_ok(started, "the server does not start");
        let public = running.public();
        Self { running: Some(running), public, directory, tokens }
    }

    /// The address for clients.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.public
    }

    /// The issuer whose tokens the server accepts.
    #[must_use]
    pub fn tokens(&self) -> &TokenMaker {
        &self.tokens
    }

    /// Users, rooms and members as the server sees them, for events with
    /// [`crate::Access::Member`].
    #[must_use]
    pub fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// The id of a user who has connected.
    ///
    /// # Panics
    /// When no user of this name has connected.
    #[must_use]
    #[track_caller]
    pub fn user_id(&self, user: &str) -> UserId {
        self.user(user).id.clone()
    }

    /// Grants a role to a user who has connected; it applies from the next message.
    ///
    /// # Panics
    /// When no user of this name has connected.
    #[track_caller]
    pub fn give_role(&self, user: &str, role: Role) {
        give_role(&self.directory, &self.user(user), role);
    }

    #[track_caller]
    fn user(&self, name: &str) -> Arc<User> {
        let ids = self.directory.user_ids();
        let mut users = ids.iter().filter_map(|id| self.directory.user(id));
        let found = users.find(|user| user.name().as_ref() == name);
        match found {
            Some(user) => user,
            None => panic!("no user {name:?} has connected"),
        }
    }

    /// A client of a user, connected to namespace `/`.
    ///
    /// # Panics
    /// When it is rejected.
    #[must_use]
    #[track_caller]
    pub fn connect(&self, user: &str) -> TestClient {
        self.connect_to("/", user)
    }

    /// A client of a user, connected to a namespace.
    ///
    /// # Panics
    /// When it is rejected.
    #[must_use]
    #[track_caller]
    pub fn connect_to(&self, namespace: &str, user: &str) -> TestClient {
        let connected = self.try_connect(namespace, &self.tokens.token(user));
        match connected {
            Ok(client) => client,
            Err(error) => panic!("{user} is rejected: {error}"),
        }
    }

    /// A client with any token; `Err` is the error of the client: `{message, data: {code, ref}}`.
    ///
    /// # Errors
    /// The payload of the rejected CONNECT.
    #[track_caller]
    pub fn try_connect(&self, namespace: &str, token: &str) -> Result<TestClient, Value> {
        TestClient::connect(self.public, namespace, token)
    }

    /// `GET` of a route.
    ///
    /// # Panics
    /// When the server does not answer.
    #[must_use]
    #[track_caller]
    pub fn get(&self, path: &str, bearer: Option<&str>) -> TestResponse {
        self.request("GET", path, bearer, None)
    }

    /// `POST` of JSON to a route.
    ///
    /// # Panics
    /// When the server does not answer.
    #[must_use]
    #[track_caller]
    pub fn post(&self, path: &str, bearer: Option<&str>, body: Value) -> TestResponse {
        self.request("POST", path, bearer, Some(&body))
    }

    #[track_caller]
    fn request(
        &self,
        method: &str,
        path: &str,
        bearer: Option<&str>,
        body: Option<&Value>,
    ) -> TestResponse {
        let request = Request { method, path, bearer, body, upgrade: false };
        let (status, body) = TestSocket::open(self.public).request(&request);
        TestResponse { status, body }
    }
}

/// The value, or a panic at the line of the test: `track_caller` has no effect in a closure.
#[track_caller]
pub(super) fn expect_ok<T, E: std::fmt::Debug>(outcome: Result<T, E>, fault: &str) -> T {
    match outcome {
        Ok(value) => value,
        Err(error) => panic!("{fault}: {error:?}"),
    }
}

/// Changes the roles of a user in the directory.
pub(super) fn give_role(directory: &Directory, user: &User, role: Role) {
    directory.change_user(&user.id, |facts| facts.roles = facts.roles.with(role));
}

/// The answer of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestResponse {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl TestResponse {
    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        let read = serde_json::from_slice(&self.body);
        match read {
            Ok(value) => value,
            Err(_) => panic!("not JSON: {}", self.body.escape_ascii()),
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.drain();
        }
    }
}
