//! Raw clients and a server under test, for the integration tests.
//! Never: part of a release; a fault here fails the test at once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails the test"
)]

mod deadline; // how long a test waits for anything
mod wait; // waits for a condition
mod servers; // servers under test: configuration, process, records, metrics
mod clients; // raw clients: TLS, HTTP, WebSocket, Socket.IO, long-polling
mod tokens; // tokens, keys and codes of any shape
mod person; // accounts

pub use clients::connection::Connection;
pub use clients::handshake::{Look, Resumption, Shows, client_hello, resumption};
pub use clients::http::{Answer, Request};
pub use clients::narrow::{narrow, narrow_to};
pub use clients::plain::PlainClient;
pub use clients::polling::{Peer, PollingClient, SEPARATOR, packets};
pub use clients::socketio::SioClient;
pub use clients::websocket::{
    ClientFrame, Frame, Length, RawWebSocket, close_payload, frame_bytes,
};
pub use deadline::WAIT;
pub use person::{Person, login, register, set_up, sign_in, sign_up};
pub use servers::config::{Config, ProcessOptions};
pub use servers::earlier_schema::{NEWEST_SCHEMA, undo_schemas};
pub use servers::example::ExampleServer;
pub use servers::gauges::{Gauges, counter, open_files, processor_ms};
pub use servers::log::Records;
pub use servers::other_disk::OtherDisk;
pub use servers::server::TestServer;
pub use servers::shifted_clock::ShiftedClock;
pub use servers::stalled_disk::StalledDisk;
pub use tokens::authenticator::authenticator_code;
pub use tokens::client_key::{ClientKey, digest_of};
pub use tokens::forge::{
    SECRET, claims, eddsa_key, forge_eddsa, forge_hs256, forge_none, forge_with, hs256, now_s,
};
pub use tokens::key_forms::{jwk_of, public_key_forms};
pub use tokens::published_key::PublishedKey;
pub use wait::{timed, until, until_within};
