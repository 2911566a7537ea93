//! Real-time servers with the guards on: Socket.IO and plain WebSocket, in Rust.
//! Never: a door that is open because nobody thought of it.
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
//! `default-features = false` leaves out the chat server and its command line. An event is a type.
//! Its [`Rule`] says who may send it, how large it may be and how often; its handler gets a
//! [`Permit`], which only the guards can make, and a [`Context`], the way to other clients.
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
//! A mistake ends `main` with a sentence, such as `Error: event "say" is declared twice`. Another
//! type in a payload, or a struct in it, that takes undeclared members is such a mistake: the error
//! names the struct and the attribute, `#[serde(deny_unknown_fields)]`.
//!
//! # A first client
//!
//! A client is any Socket.IO client with a token (JWT) of the issuer. This one makes its own token
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
//!   extraHeaders: { Origin: "https://myapp.com" }, // a browser sends this by itself
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
//! process, clients, tokens, and permits for handlers alone. This is a whole test of the server
//! above:
//!
//! ```ignore
//! #[test]
//! fn others_hear_what_is_said() {
//!     let server = portcullis::testing::TestServer::start(declare);
//!     let (mut ann, mut bob) = (server.connect("ann"), server.connect("bob"));
//!     ann.accepted("say", json!({"text": "hello"}));
//!     assert_eq!(bob.event("said"), json!({"user": "ann", "text": "hello"}));
//!     assert_eq!(ann.rejected("say", json!({"text": 7}))["code"], "INVALID_MESSAGE");
//! }
//! ```
//!
//! # Rejections of your own
//!
//! A handler rejects a request with [`Denial::app`]: a code and a text that the client reads in the
//! same shape as every other rejection. It is not a violation. The other variants of [`Denial`] are
//! for what they name: [`Denial::Forbidden`] for a user who may not do something, and so on; those
//! that count as a violation end a connection when there are ten in a minute.
//!
//! # Rooms
//!
//! A room is what a socket hears: [`Context::join`] and [`Context::leave`]. A handler reaches a
//! room only if its client may be heard there: the socket hears the room, the handler has just
//! joined it, or the event's rule asks for [`Access::Member`] or [`Access::Owner`] of it. Every
//! other room is an error, so a room name in a payload gives no access. What the server itself
//! announces goes through [`Context::as_server`], and outside of handlers through
//! [`Hub::namespace`].
//!
//! An event says which room it is about. Ids have a grammar, so a field of an id names its reader
//! in [`field`]; `room.as_str()` writes it.
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
//! A field of type [`Sealed`] that the rule names in [`Rule::sealed`] is sealed with AES-256-GCM
//! after it was checked and cleaned and before the handler gets it. The handler stores and forwards
//! it sealed; [`Sealed::open`] is the only way to the text. [`FieldKeys`] holds the keys, on disk,
//! with rotation. A value opens only at its [`SealedPlace`]: namespace, event, user, room and
//! field. Clients send plain text over TLS and get what a handler chooses to send them.
//!
//! # Accounts and chat
//!
//! With the feature `chat`, `ServerBuilder::chat` adds accounts, rooms, history and chat beside
//! your own events, in one process. The example `notes` has all of it, with its tests.
//!
//! # What is guarded without asking
//!
//! - **Door 1, every request**: too many from one address, another `Host`, an `Origin` that is not
//!   listed, a credential in the URL.
//! - **Door 2, CONNECT**: a token that is not exactly what the issuer's key and the rules of
//!   RFC 8725 allow; more than five connections of one user.
//! - **Door 3, every event**: too large, too many, malformed JSON, a payload of another type, an
//!   ended session, a replay, a role or room that is missing, text that hides something.
//! - **Always**: slow and silent peers, oversized and split frames, floods, whoever does not read.
//!
//! Every refusal has a code and a reference for the client, a record in the security log, and a
//! counter. An event, a namespace or an origin that nothing declares does not exist.
//!
//! # Going on
//!
//! - **Namespaces** by name or pattern, with hooks for coming and going: [`Server::namespace`],
//!   [`NamespaceBuilder`].
//! - **To others**: [`Context::others`], [`Context::others_in`], and from outside of handlers
//!   [`Hub::namespace`]; all of them give a [`Broadcast`] with the operators of Socket.IO: rooms,
//!   exceptions, volatile events, acknowledgements, listing and disconnecting sockets.
//! - **Binary data**: a field of type [`Attachment`] and [`Rule::attachments_max`] on the way in,
//!   [`Payload::attach`] on the way out.
//! - **Who comes back** within two minutes takes its place again and gets what it missed:
//!   [`NamespaceBuilder::on_recover`].
//! - **HTTP routes** behind the same first door: [`Server::route`].
//! - **Shared state** is what handlers close over: an `Arc` of your own.
//! - **Stopping**: [`Server::run`] drains on SIGTERM and SIGINT; [`Running::drain`] does it when
//!   you say so.
//!
//! The folder `examples` of this crate has an echo server, a collaborative cursor board, a
//! notification service, and notes beside accounts and chat, each complete.
//!
//! # Weakening
//!
//! What weakens a promise has `danger` in its name, [`Danger`] and the methods that begin with it,
//! and is logged at the start.

mod server; // the server, its builder and its parts
#[cfg(feature = "chat")]
mod feed; // forwards commits to all products
#[cfg(feature = "chat")]
mod sealing; // the key ring that the store uses
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
pub use portcullis_seal::{KeyFacts, KeyId, KeyRing, OpenError, Place, RingError, SealError};
pub use portcullis_server::{
    AckResponse, AckResponses, ApiCaller, ApiRequest, ApiResponse, Broadcast, Builder,
    ConnectAnswer, Context, Credentials, Delta, Departure, EngineMessage, Frame, Hub, Method,
    NamespaceBuilder, OperatorKeys, Options, Payload, ProxyProtocol, QueueLimits, RecoveryOutcome,
    RecoveryRequest, Reply, ResponseKind, Running as RunningEngine, ServerError, Services,
    SocketId, SocketInfo, StrictTransport, random_id,
};
pub use server::builder::{Server, ServerBuilder};
#[cfg(feature = "chat")]
pub use server::chat_server::{ChatServerError, ChatServerOptions};
pub use server::error::Error;
pub use server::field_keys::FieldKeys;
pub use server::running::Running;

/// What a server's own code usually names.
pub mod prelude {
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;

    pub use crate::{
        Access, ApiRequest, ApiResponse, Attachment, Cleaner, Context, Denial, Event, FieldKeys,
        Hub, Method, Namespace, Payload, Permit, Rate, Replay, Reply, Role, RoomId, Rule, Sealed,
        SealedPlace, Server, UserId, field,
    };
}
