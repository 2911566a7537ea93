//! A test kit for applications: a server in the test's process, clients, tokens, permits.
//! Never: used in a server; the feature `testing` belongs in `[dev-dependencies]`.
//!
//! ```toml
//! [dev-dependencies]
//! portcullis = { path = "../portcullis", features = ["testing"] }
//! ```
//!
//! The kit uses no fixed port and waits no fixed time. A test fails when an expected event does not
//! arrive within ten seconds; the text lists the events that arrived.
//!
//! # A server and its clients
//!
//! An application declares its events in one function; `main` and the tests both call it.
//! [`TestServer`] starts it on a free port of this machine, with all guards, and [`TestClient`] is
//! a Socket.IO client. [`TestServer::start`] creates tokens for any user.
//!
//! ```
//! use portcullis::prelude::*;
//! use portcullis::testing::TestServer;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Say {
//!     text: String,
//! }
//!
//! impl Event for Say {
//!     const NAME: &'static str = "say";
//!     const RULE: Rule = Rule { fields: &["text"], ..Rule::DEFAULT };
//! }
//!
//! fn declare(server: &mut Server) -> Result<(), portcullis::Error> {
//!     server.on(|permit: Permit<Say>, context: Context| async move {
//!         if permit.payload().text == "again" {
//!             return Err(Denial::app("sent_already", "You have sent that"));
//!         }
//!         context.others().emit("said", &Payload::of(&json!({"text": permit.payload().text})))?;
//!         Ok(Reply::ok())
//!     })?;
//!     Ok(())
//! }
//!
//! let server = TestServer::start(declare);
//! let mut ann = server.connect("ann");
//! let mut bob = server.connect("bob");
//! assert_eq!(ann.ask("say", json!({"text": "hello"})), json!({"ok": true}));
//! assert_eq!(bob.event("said"), json!({"text": "hello"}));
//! assert_eq!(ann.received("said"), Vec::<Value>::new());
//!
//! let error = ann.rejected("say", json!({"text": "again"}));
//! assert_eq!(error["code"], "sent_already");
//! let error = ann.rejected("say", json!({"text": "hello", "admin": true}));
//! assert_eq!((&error["code"], &error["field"]), (&json!("INVALID_MESSAGE"), &json!("admin")));
//! # use serde_json::Value;
//! ```
//!
//! # A handler alone
//!
//! A handler that is a function can be called without a server. Only a gate creates a [`Permit`],
//! so [`TestGate`] has one: its permits have passed the same checks as in a server, and a message
//! that breaks the event's rule returns the [`Denial`] that the client would read.
//!
//! ```
//! use portcullis::prelude::*;
//! use portcullis::testing::{ContextUse, Sockets, TestGate, block_on};
//! # #[derive(Deserialize)]
//! # #[serde(deny_unknown_fields)]
//! # struct Say { text: String }
//! # impl Event for Say {
//! #     const NAME: &'static str = "say";
//! #     const RULE: Rule = Rule { fields: &["text"], ..Rule::DEFAULT };
//! # }
//!
//! async fn say(permit: Permit<Say>, context: Context) -> Result<Reply, Denial> {
//!     context.others().emit("said", &Payload::of(&json!({"text": permit.payload().text})))?;
//!     Ok(Reply::fields(&json!({"characters": permit.payload().text.len()})))
//! }
//!
//! let mut gate = TestGate::new();
//! let permit = gate.permit::<Say>("ann", json!({"text": "hello"})).unwrap();
//! let (context, mut sent) = gate.context(&permit);
//! let reply = block_on(say(permit, context)).unwrap();
//! assert_eq!(reply.value(), json!({"ok": true, "characters": 5}));
//! let sent = sent.take();
//! let ContextUse::Event { name, payload, to } = &sent[0] else { panic!("{sent:?}") };
//! assert_eq!((name.as_str(), payload), ("said", &json!({"text": "hello"})));
//! assert_eq!(to.sockets, Sockets::Others);
//!
//! let denial = gate.permit::<Say>("ann", json!({"text": 7})).unwrap_err();
//! assert_eq!((denial.client_code(), denial.field()), ("INVALID_MESSAGE", Some("text")));
//! ```
//!
//! [`Permit`]: crate::Permit
//! [`Denial`]: crate::Denial
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "an error in the test kit fails the test, with its cause"
)]

mod tokens; // tokens of the test's issuer
mod test_server; // a server in this process
mod test_client; // a Socket.IO client
mod sync; // the event by which a client waits
mod socket; // HTTP and WebSocket with a deadline
mod test_gate; // permits and contexts without a server

pub use portcullis_server::testing::{Audience, ContextLog, ContextUse, Sockets};
pub use test_client::TestClient;
pub use test_gate::TestGate;
pub use test_server::{TestResponse, TestServer};
pub use tokens::TokenMaker;

/// Runs a handler's future to its end on this thread; time and timers of tokio work in it.
///
/// # Panics
/// When the runtime does not start.
pub fn block_on<F: Future>(work: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime for the test").block_on(work)
}
