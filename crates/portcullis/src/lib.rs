//! Real-time servers with the guards on: Socket.IO and plain WebSocket, in Rust.
//! Never: a check that is off by default.
//!
//! # A first server
//!
//! ```toml
//! [dependencies]
//! portcullis = { path = "../portcullis/crates/portcullis", default-features = false }
//! serde = { version = "1", features = ["derive"] }
//!
//! [dev-dependencies.portcullis]
//! path = "../portcullis/crates/portcullis"
//! default-features = false
//! features = ["testing"]
//! ```
//!
//! `default-features = false` excludes the chat server and its command line. An event is a type.
//! Its [`Rule`] limits who can send it, its size and its rate. Its handler gets a [`Permit`], which
//! only the guards can create, and a [`Context`], which sends to other clients.
//!
//! ```no_run
//! use portcullis::prelude::*;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Say {
//!     text: String,
//! }
//!
//! impl Event for Say {
//!     const NAME: &'static str = "say";
//!     const RULE: Rule = Rule {
//!         fields: &["text"],
//!         size_max_bytes: 2048,
//!         rate: Some(Rate::per(20, 10_000)),
//!         ..Rule::DEFAULT
//!     };
//!
//!     fn clean(&mut self, cleaner: &mut Cleaner<'_>) -> Result<(), Denial> {
//!         self.text = cleaner.message("text", &self.text)?.text;
//!         Ok(())
//!     }
//! }
//!
//! /// All events; a function of its own, so that tests declare the same ones.
//! fn declare(server: &mut Server) -> Result<(), portcullis::Error> {
//!     server.on(|permit: Permit<Say>, context: Context| async move {
//!         let said = json!({"user": permit.user().name(), "text": permit.payload().text});
//!         context.others().emit("said", &Payload::of(&said))?;
//!         Ok(Reply::ok())
//!     })?;
//!     Ok(())
//! }
//!
//! fn main() -> Result<(), portcullis::Error> {
//!     let secret = std::fs::read("issuer.key").expect("run: openssl rand 32 > issuer.key");
//!     let mut server = Server::builder()
//!         .listen(([127, 0, 0, 1], 3000).into())
//!         .origin("https://myapp.com")
//!         .issuer_hs256("https://id.myapp.com", "portcullis", &secret)
//!         .build()?;
//!     declare(&mut server)?;
//!     server.run()
//! }
//! ```
//!
//! An invalid declaration ends `main` with an error, such as `Error: event "say" is declared
//! twice`. A payload type that accepts undeclared members is such an error: its text names the
//! struct and the attribute, `#[serde(deny_unknown_fields)]`.
//!
//! # A first client
//!
//! A client is any Socket.IO client with a token (JWT) of the issuer. This one creates its token
//! with the secret, as your login would:
//!
//! ```js
//! // npm install socket.io-client; node client.mjs
//! import { createHmac } from "node:crypto";
//! import { readFileSync } from "node:fs";
//! import { io } from "socket.io-client";
//!
//! const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
//! const now = Math.floor(Date.now() / 1000);
//! const header = { alg: "HS256", typ: "JWT" };
//! const user = { iss: "https://id.myapp.com", aud: "portcullis", sub: "ann" };
//! const signed = `${encode(header)}.${encode({ ...user, iat: now, exp: now + 600 })}`;
//! const key = createHmac("sha256", readFileSync("issuer.key"));
//! const signature = key.update(signed).digest("base64url");
//!
//! const socket = io("http://127.0.0.1:3000", {
//!   auth: { token: `${signed}.${signature}` },
//!   extraHeaders: { Origin: "https://myapp.com" }, // browsers send this automatically
//! });
//! socket.on("connect_error", (error) => console.log(error.message, error.data));
//! socket.on("said", (said) => console.log(said));
//! socket.on("connect", async () => {
//!   console.log(await socket.emitWithAck("say", { text: "hello" }));
//! });
//! ```
//!
//! # Tests
//!
//! The feature `testing` has the module `portcullis::testing`, a test kit: a server in the test's
//! process, clients, tokens, and permits for single handlers. This is a complete test of the server
//! above:
//!
//! ```ignore
//! #[test]
//! fn message_reaches_other_users() {
//!     let server = portcullis::testing::TestServer::start(declare);
//!     let (mut ann, mut bob) = (server.connect("ann"), server.connect("bob"));
//!     ann.accepted("say", json!({"text": "hello"}));
//!     assert_eq!(bob.event("said"), json!({"user": "ann", "text": "hello"}));
//!     assert_eq!(ann.rejected("say", json!({"text": 7}))["code"], "INVALID_MESSAGE");
//! }
//! ```
//!
//! # Your own rejections
//!
//! A handler rejects a request with [`Denial::app`]: a code and a text for the client, in the same
//! form as every other rejection. It is not a violation. The other variants of [`Denial`] have
//! their own meaning, such as [`Denial::Forbidden`] for a missing right. Some of them are
//! violations: ten in a minute close a connection.
//!
//! # Logs
//!
//! Faults, such as a handler that panics, are logged with `tracing`. The library never sets a
//! subscriber: install one in `main`, or these lines are lost.
//!
//! # Rooms
//!
//! Sockets join and leave rooms with [`Context::join`] and [`Context::leave`]. A handler can send
//! to a room only if its client has access to it: the socket has joined it before or in this
//! handler, or the event's rule requires [`Access::Member`] or [`Access::Owner`]. Every other room
//! is an error, so a room name in a payload gives no access. [`Context::as_server`] sends in the
//! name of the server; outside of handlers, use [`Hub::namespace`].
//!
//! [`Context::remove_member`] takes a member out of a room: the user can no longer send to it, and
//! all sockets of the user leave it.
//!
//! ```
//! # use portcullis::prelude::*;
//! # #[derive(Deserialize)]
//! # #[serde(deny_unknown_fields)]
//! # struct Remove {
//! #     #[serde(deserialize_with = "field::room_id")]
//! #     room: RoomId,
//! #     #[serde(deserialize_with = "field::user_id")]
//! #     user: UserId,
//! # }
//! async fn remove(permit: Permit<Remove>, context: Context) -> Result<Reply, Denial> {
//!     let Remove { room, user } = permit.payload(); // its rule has `access: Access::Owner`
//!     let was_member = context.remove_member(room, user)?;
//!     context.everyone_in(room).emit("removed", &Payload::of(&json!({"user": user.as_str()})))?;
//!     Ok(Reply::fields(&json!({"removed": was_member})))
//! }
//! ```
//!
//! [`Event::room`] returns the room of an event. Ids have a fixed syntax, so a field with an id
//! uses a parser of [`field`]; `room.as_str()` returns the text.
//!
//! ```
//! use portcullis::prelude::*;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Watch {
//!     #[serde(deserialize_with = "field::room_id")]
//!     room: RoomId,
//! }
//!
//! impl Event for Watch {
//!     const NAME: &'static str = "watch";
//!     const RULE: Rule = Rule { fields: &["room"], ..Rule::DEFAULT };
//!
//!     fn room(&self) -> Option<&RoomId> {
//!         Some(&self.room)
//!     }
//! }
//!
//! async fn watch(permit: Permit<Watch>, context: Context) -> Result<Reply, Denial> {
//!     let room = &permit.payload().room;
//!     context.join(room)?;
//!     context.others_in(room).emit("watched", &Payload::of(&json!({"room": room.as_str()})))?;
//!     Ok(Reply::ok())
//! }
//! ```
//!
//! [`Access::Member`] needs rooms and members in the [`Directory`]: those of the chat, or your own
//! by [`Server::directory`].
//!
//! # Sealed fields
//!
//! A field of type [`Sealed`] that [`Rule::sealed`] lists is sealed with AES-256-GCM after it was
//! checked and cleaned, and before the handler gets it. The handler stores and forwards it sealed;
//! only [`Sealed::open`] returns the text. [`FieldKeys`] has the keys, on disk, with rotation. A
//! value can be opened only with its [`SealedPlace`]: namespace, event, user, room and field.
//! Clients send plain text over TLS, and a handler decides what it sends to them.
//!
//! # Accounts and chat
//!
//! With the feature `chat`, `ServerBuilder::chat` adds accounts, rooms, history and chat to your
//! own events, in one process. The example `notes` has all of it, with tests.
//!
//! # Checks by default
//!
//! These are rejected:
//!
//! - **Admission, every request**: too many requests of one address, another `Host`, an unlisted
//!   `Origin`, a credential in the URL.
//! - **Authentication, CONNECT**: a token that does not verify with the issuer's key and the rules
//!   of RFC 8725; more than five connections of one user.
//! - **Authorization, every event**: too large, too many, malformed JSON, a payload of another
//!   type, an ended session, a replay, a missing role or room, text with hidden characters.
//! - **Always**: slow and silent clients, oversized and fragmented frames, floods, clients that do
//!   not read.
//!
//! Every rejection has a code and a reference for the client, a record in the security log, and a
//! counter. Undeclared events, namespaces and origins do not exist.
//!
//! # More
//!
//! - **Namespaces** by name or pattern, with hooks for connect and disconnect:
//!   [`Server::namespace`], [`NamespaceBuilder`].
//! - **Broadcasts**: [`Context::others`], [`Context::others_in`], and outside of handlers
//!   [`Hub::namespace`]. They return a [`Broadcast`] with the operators of Socket.IO: rooms,
//!   exceptions, volatile events, acknowledgements, listing and disconnecting sockets.
//! - **Binary data**: [`Attachment`] fields and [`Rule::attachments_max`] for received data,
//!   [`Payload::attach`] for sent data.
//! - **Recovery**: a client that returns within two minutes gets its session and missed events:
//!   [`NamespaceBuilder::on_recover`].
//! - **HTTP routes** with the same admission: [`Server::route`].
//! - **Shared state**: handlers capture it, in an `Arc`.
//! - **Shutdown**: [`Server::run`] drains on SIGTERM and SIGINT; [`Running::drain`] drains at any
//!   time.
//!
//! The folder `examples` of this crate has an echo server, a collaborative cursor board, a
//! notification service, and notes with accounts and chat. Each of them is complete.
//!
//! # Dangerous settings
//!
//! Settings that disable a check have `danger` in their names: [`Danger`] and the methods that
//! begin with it. The server logs them at the start.

mod server; // builder and server of an application
#[cfg(feature = "chat")]
mod feed_dispatch; // forwards committed changes to accounts and chat
#[cfg(feature = "chat")]
mod sealing; // seals fields of the store
#[cfg(feature = "testing")]
pub mod testing; // a test kit for applications

#[cfg(feature = "chat")]
pub use portcullis_accounts::Registration;
pub use portcullis_audit::{Audit, AuditOptions};
#[cfg(feature = "chat")]
pub use portcullis_chat::ChatOptions;
pub use portcullis_guard::{
    Access, Algorithm, Answer, Attachment, Caller, CapacityOptions, CleanText, Cleaner, Danger,
    Directory, DirectoryLimits, Envelope, Event, FactorRule, FieldSealer, ForwardedHeader, Gate,
    GateError, GateOptions, Issuer, IssuerKey, IssuerRules, KeyStrength, LoadState, Malicious,
    Markup, OpenType, Penalty, Permit, PollingBinding, Priority, ProxyRules, Rate, RawPermit,
    ReferenceKey, Relation, Replay, ReplayRules, RoleRules, Room, RoomFacts, Rule, RuleFault,
    SealFault, Sealed, SealedPlace, SecondFactorRule, SessionTimeouts, SpamAction, SpamOptions,
    SpamRule, TokenKind, User, UserFacts, VerifiedCredential, Visibility, WhenUserFull,
    WithoutOrigin, field, read_json,
};
pub use portcullis_model::{
    APP_CODE_MAX_BYTES, APP_MESSAGE_MAX_CHARS, AppDenial, Clock, ConnectionId, Denial, IdError,
    Limit, LimitKey, Mid, Namespace, Now, Role, RoleError, RoleTable, Roles, RoomId, Secret,
    SystemClock, UserId,
};
pub use portcullis_seal::{KeyFacts, KeyId, Keyring, KeyringError, OpenError, Place, SealError};
pub use portcullis_server::{
    AckResponse, AckResponses, ApiCaller, ApiCredentials, ApiHeaders, ApiRequest, ApiResponse,
    Broadcast, Builder, ConnectAnswer, Context, Credentials, Delta, Departure, EngineMessage,
    Frame, HealthReader, Hub, Method, NamespaceBuilder, OperatorKeys, Options, Payload,
    ProxyProtocol, QueueLimits, RecoveryOutcome, RecoveryRequest, Reply, ResponseKind,
    Running as RunningEngine, ServerError, Services, SocketId, SocketInfo, StrictTransport,
    random_id,
};
pub use server::builder::{Server, ServerBuilder};
#[cfg(feature = "chat")]
pub use server::chat_server::{ChatServerError, ChatServerOptions};
pub use server::error::Error;
pub use server::field_keys::FieldKeys;
pub use server::running::Running;

/// Items that most servers use.
pub mod prelude {
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;

    pub use crate::{
        Access, ApiRequest, ApiResponse, Attachment, Cleaner, Context, Denial, Event, FieldKeys,
        Hub, Method, Namespace, Payload, Permit, Rate, Replay, Reply, Role, RoomId, Rule, Sealed,
        SealedPlace, Server, UserId, field,
    };
}
