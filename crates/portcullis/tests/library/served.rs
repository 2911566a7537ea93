//! A server for one test: started on a free port, drained at the end.
//! Never: a guard switched off; only rates are wide, for one machine plays everyone.

use portcullis::{
    Error, Issuer, IssuerKey, LoadState, Rate, Running, Secret, Server, ServerBuilder,
};
use portcullis_test::{Connection, Request, SECRET, SioClient, hs256};
use std::net::SocketAddr;

/// A server that runs, and is drained when the test ends.
pub(crate) struct ServedApp {
    running: Option<Running>,
    pub(crate) public: SocketAddr,
    pub(crate) private: SocketAddr,
}

const WIDE: Rate = Rate::per(1_000_000, 1_000);

/// The library's defaults with wide rates, two shards, and the issuer of the tests.
pub(crate) fn builder() -> ServerBuilder {
    Server::builder()
        .listen(([127, 0, 0, 1], 0).into())
        .operators(([127, 0, 0, 1], 0).into())
        .own_origin()
        .danger_no_audit()
        .issuer(Issuer::new(
            "https://id.example",
            "portcullis",
            IssuerKey::Hs256(Secret::new(SECRET.as_bytes().to_vec())),
        ))
        .guards(|guards| {
            // Tests share their machine: how busy it is says nothing about the server.
            guards.load = Some(LoadState::Normal);
            guards.connect_per_prefix = WIDE;
            guards.request_per_prefix = WIDE;
            guards.message_per_user = WIDE;
            guards.message_per_connection = WIDE;
            guards.connections_per_user = 50;
        })
        .engine(|engine| {
            engine.shards = 2;
            engine.drain_ms = 2_000;
        })
}

impl ServedApp {
    /// Declares what the test needs and starts.
    pub(crate) fn start(declare: impl FnOnce(&mut Server) -> Result<(), Error>) -> Self {
        Self::start_with(builder(), declare)
    }

    pub(crate) fn start_with(
        builder: ServerBuilder,
        declare: impl FnOnce(&mut Server) -> Result<(), Error>,
    ) -> Self {
        let mut server = builder.build().unwrap();
        declare(&mut server).unwrap();
        let running = server.start().unwrap();
        let (public, private) = (running.public(), running.private().unwrap());
        Self { running: Some(running), public, private }
    }

    /// A WebSocket client that has read its open packet.
    pub(crate) fn open(&self) -> SioClient {
        let host = self.public.to_string();
        let request = Request::bare("GET /socket.io/?EIO=4&transport=websocket HTTP/1.1")
            .header("Host", &host)
            .header("Origin", &format!("http://{host}"))
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        SioClient::over(Connection::open_bare(self.public), &request)
    }

    /// A client that is signed in at `/`.
    pub(crate) fn connect(&self, subject: &str) -> SioClient {
        let mut client = self.open();
        client.sign_in(&hs256(subject));
        client
    }

    /// One number of `/metrics`.
    pub(crate) fn metric(&self, name: &str) -> i64 {
        let host = self.private.to_string();
        let request = Request::bare("GET /metrics HTTP/1.1").header("Host", &host);
        let answer = request.ask_on(&mut Connection::open_bare(self.private));
        let text = String::from_utf8(answer.body).unwrap();
        let prefix = format!("portcullis_{name} ");
        let line = text.lines().find(|line| line.starts_with(&prefix)).expect("the metric");
        line[prefix.len()..].parse().unwrap()
    }
}

impl Drop for ServedApp {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.drain();
        }
    }
}

/// The CONNECT payload of a user.
pub(crate) fn credential(subject: &str) -> String {
    format!(r#"{{"token":"{}"}}"#, hs256(subject))
}
