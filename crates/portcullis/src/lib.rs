//! Real-time servers with the guards on: Socket.IO and plain WebSocket, in Rust.
//! Never: a door that is open because nobody thought of it.
//!
//! # A first server
//!
//! An event is a type. Its [`Rule`] says who may send it, how large it may be and how often; its
//! handler gets a [`Permit`], which only the guards can make, and a [`Context`], the way to
//! everyone else.
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
//! fn main() -> Result<(), portcullis::Error> {
//!     let secret = std::fs::read("issuer.key").expect("32 secret bytes");
//!     let mut server = Server::builder()
//!         .listen(([127, 0, 0, 1], 3000).into())
//!         .origin("https://myapp.com")
//!         .issuer_hs256("https://id.myapp.com", "portcullis", &secret)
//!         .build()?;
//!     server.on(|permit: Permit<Say>, context: Context| async move {
//!         let said = json!({"user": permit.user().name(), "text": permit.payload().text});
//!         context.others().emit("said", &Payload::of(&said))?;
//!         Ok(Reply::ok())
//!     })?;
//!     server.run()
//! }
//! ```
//!
//! A client is any Socket.IO client, `io("http://127.0.0.1:3000", {auth: {token}})`, with a token
//! of the issuer that was named.
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
//! - **Rooms** are what a socket hears: [`Context::join`] and [`Context::leave`].
//! - **Binary data**: a field of type [`Attachment`] and [`Rule::attachments_max`] on the way in,
//!   [`Payload::attach`] on the way out.
//! - **Who comes back** within two minutes takes its place again and gets what it missed:
//!   [`NamespaceBuilder::on_recover`].
//! - **HTTP routes** behind the same first door: [`Server::route`].
//! - **Shared state** is what handlers close over: an `Arc` of your own.
//! - **Stopping**: [`Server::run`] drains on SIGTERM and SIGINT; [`Running::drain`] does it when
//!   you say so.
//!
//! The folder `examples` of this crate has an echo server, a collaborative cursor board and a
//! notification service, each complete.
//!
//! # Weakening
//!
//! What weakens a promise has `danger` in its name, [`Danger`] and the methods that begin with it,
//! and is logged at the start.

mod server; // a server of one's own, from few words
mod server_tls; // certificates for it
mod stop; // when a process is asked to end

pub use portcullis_audit::{Audit, AuditOptions};
pub use portcullis_guard::{
    Access, Answer, Attachment, Caller, CleanText, Cleaner, Danger, Directory, DirectoryLimits,
    Envelope, Event, ForwardedHeader, Gate, GateError, GateOptions, Issuer, IssuerKey, LoadState,
    Penalty, Permit, Places, Priority, ProxyRules, Rate, RawPermit, Relation, Replay, Room,
    RoomFacts, Rule, User, UserFacts, Verified, Visibility, WhenUserFull, WithoutOrigin, field,
    read_json,
};
pub use portcullis_model::{
    Clock, ConnectionId, Denial, Limit, LimitKey, Mid, Namespace, Now, Role, Roles, RoomId, Secret,
    SystemClock, UserId,
};
pub use portcullis_server::{
    Acknowledged, Answered, ApiRequest, ApiResponse, Broadcast, Builder, ConnectAnswer, Context,
    Delta, Departure, EngineMessage, Frame, Hub, Method, NamespaceBuilder, Options, Payload,
    Recovered, Recovering, Reply, ResponseKind, Running, ServerError, SocketId, SocketInfo,
    Surroundings, random_id,
};
pub use server::{Error, Server, ServerBuilder};

/// What a server's own code usually names.
pub mod prelude {
    pub use serde::{Deserialize, Serialize};
    pub use serde_json::json;

    pub use crate::{
        Access, ApiRequest, ApiResponse, Attachment, Cleaner, Context, Denial, Event, Hub, Method,
        Namespace, Payload, Permit, Rate, Replay, Reply, Role, RoomId, Rule, Server, UserId, field,
    };
}
