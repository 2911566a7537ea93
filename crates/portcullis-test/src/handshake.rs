//! Parts of a TLS handshake, and what a second one resumes of a first.
//! Never: more of a client than the handshake.

use std::sync::Arc;

use rustls::{ClientConnection, HandshakeKind};

use crate::connection::{Connection, client_config, localhost};
use crate::http::{Answer, Request};
use crate::server::TestServer;

/// The first record of a client that would be served.
#[must_use]
pub fn client_hello(server: &TestServer) -> Vec<u8> {
    let mut client = ClientConnection::new(Arc::new(client_config(server)), localhost()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// How a client came back that wants to send data before the server has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumption {
    /// The server knew its session.
    pub resumed: bool,
    /// The server had allowed early data.
    pub early_data: bool,
}

/// Connects, asks, and connects once more with what the server gave to come back with.
#[must_use]
pub fn resumption(server: &TestServer) -> Resumption {
    let mut config = client_config(server);
    config.enable_early_data = true;
    let config = Arc::new(config);
    let ask = || {
        let mut client = ClientConnection::new(Arc::clone(&config), localhost()).unwrap();
        let early_data = client.early_data().is_some();
        let mut connection = Connection::open_with(server, client);
        // The tickets come before the answer.
        connection.send(&Request::get(server, "/").bytes());
        assert_ne!(Answer::read(&mut connection).status, 0);
        Resumption {
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            early_data,
        }
    };
    ask();
    ask()
}
