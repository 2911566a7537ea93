//! An example server, built beside the tests, started on a free port and stopped.
//! Never: left running; it is killed when the value is dropped.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use crate::clients::connection::Connection;
use crate::clients::http::Request;
use crate::servers::log::Records;

/// A running example server.
pub struct ExampleServer {
    child: Child,
    followers: Vec<JoinHandle<()>>,
    /// Where clients connect; plain text.
    pub public: SocketAddr,
    /// The origin its own pages would have.
    pub origin: String,
    /// Its output.
    pub records: Records,
}

impl ExampleServer {
    /// Starts an example by its name, with these variables in its environment.
    ///
    /// # Panics
    /// When it is not built: `cargo test` and `cargo nextest run` build examples, `--test NAME`
    /// alone does not.
    #[must_use]
    pub fn start(name: &str, environment: &[(&str, &str)]) -> Self {
        let program = program(name);
        assert!(program.exists(), "{} is not built: cargo build --examples", program.display());
        let mut child = Command::new(&program)
            .args(["--port", "0"])
            // Tests share their machine: how busy it is says nothing about the example.
            .env("LOAD_STATE", "normal")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let records = Records::default();
        let followers = vec![
            records.follow_errors(child.stderr.take().unwrap()),
            records.follow(child.stdout.take().unwrap()),
        ];
        // From here on the value kills it, whatever fails.
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { child, followers, public: nowhere, origin: String::new(), records };
        let response = server.records.wait_until_printed("listening public ");
        server.origin = response.expect("an example that listens");
        let (_, address) = server.origin.split_once("://").unwrap();
        server.public = address.parse().unwrap();
        server
    }

    /// Connects.
    #[must_use]
    pub fn connect(&self) -> Connection {
        Connection::open_bare(self.public)
    }

    /// A good upgrade for a path, origin included.
    #[must_use]
    pub fn upgrade(&self, path: &str) -> Request {
        Request::bare(&format!("GET {path} HTTP/1.1"))
            .header("Host", &self.public.to_string())
            .header("Origin", &self.origin)
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// Resident memory, in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

/// Examples are in the parent folder of the test program.
fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(|deps| deps.parent()).unwrap().join("examples").join(name)
}

impl Drop for ExampleServer {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
        self.followers.drain(..).for_each(|follower| drop(follower.join()));
        if std::thread::panicking() {
            eprintln!("the example's own log:\n{}", self.records.errors());
        }
    }
}
