//! Raw clients and a server under test, for the integration tests.
//! Never: part of a release; what goes wrong here fails the test at once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod deadline; // how long a test waits for anything
mod wait; // looking again until something is there
mod config; // what it is configured with
mod server; // the real binary, started and stopped
mod log; // its security records
mod connection; // a socket, plain or TLS, read under a deadline
mod handshake; // parts of a TLS handshake
mod http; // requests written by hand, answers read
mod websocket; // frames written by hand, frames read
mod socketio; // a Socket.IO client that can misbehave
mod narrow; // a socket through which next to nothing fits
mod polling; // a long-polling client that can misbehave
mod plain; // the plain form
mod gauges; // what a server holds
mod example; // an example server, started and stopped
mod forge; // tokens of any shape
mod client_key; // a client's own key, its proofs and signatures
mod key_forms; // a public key in every form
mod authenticator; // codes of a second factor
mod published_key; // keys issuers publish, and what they sign
mod person; // accounts

pub use authenticator::authenticator_code;
pub use client_key::{ClientKey, digest_of};
pub use config::Config;
pub use connection::Connection;
pub use deadline::WAIT;
pub use example::ExampleServer;
pub use forge::{
    SECRET, claims, eddsa_key, forge_eddsa, forge_hs256, forge_none, forge_with, hs256, now_s,
};
pub use gauges::{Gauges, counter, open_files, processor_ms};
pub use handshake::{Look, Resumption, Shows, client_hello, resumption};
pub use http::{Answer, Request};
pub use key_forms::{jwk_of, public_key_forms};
pub use log::Records;
pub use narrow::{narrow, narrow_to};
pub use person::{Person, login, register, set_up, sign_in, sign_up};
pub use plain::PlainClient;
pub use polling::{Peer, PollingClient, SEPARATOR, packets};
pub use published_key::PublishedKey;
pub use server::TestServer;
pub use socketio::SioClient;
pub use wait::{timed, until, until_within};
pub use websocket::{ClientFrame, Frame, Length, RawWebSocket, close_payload, frame_bytes};
