//! The real binary, started on free ports in a directory of its own, and stopped.
//! Never: left running; it is killed when the value is dropped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;

use crate::deadline::{Deadline, WAIT};
use crate::forge::SECRET;
use crate::log::Records;

/// The configuration of a server under test.
///
/// `Config::default()` has the product's own limits, except that many connections may come from
/// one address: tests of that limit say so with [`Config::strict_rates`].
#[derive(Debug, Clone)]
pub struct Config {
    /// Lines of `[rate]`.
    pub rate: Vec<String>,
    /// Lines of `[capacity]`.
    pub capacity: Vec<String>,
    /// Lines of `[transport]`.
    pub transport: Vec<String>,
    /// Lines of `[origin]`.
    pub origin: Vec<String>,
    /// Whole sections of any other name.
    pub more: String,
    /// Plain text instead of TLS.
    pub plaintext: bool,
    /// An HS256 issuer `https://id.example` with [`SECRET`].
    pub issuer: bool,
}

impl Default for Config {
    fn default() -> Self {
        let wide = [
            "connect_per_prefix = \"100000/60s\"",
            "request_per_prefix = \"100000/60s\"",
            "login_per_prefix = \"100000/60s\"",
        ];
        Self {
            rate: wide.map(String::from).to_vec(),
            capacity: Vec::new(),
            transport: Vec::new(),
            origin: Vec::new(),
            more: String::new(),
            plaintext: false,
            issuer: true,
        }
    }
}

impl Config {
    /// The product's own rates, for tests of them.
    #[must_use]
    pub fn strict_rates() -> Self {
        Self { rate: Vec::new(), ..Self::default() }
    }

    /// Plain text instead of TLS: for tests of bytes that TLS would only hide.
    #[must_use]
    pub fn plaintext() -> Self {
        Self { plaintext: true, ..Self::default() }
    }

    fn text(&self, directory: &Path) -> String {
        let mut text = String::from(
            "profile = \"development\"\n[listen]\npublic = \"127.0.0.1:0\"\n\
             private = \"127.0.0.1:0\"\nshards = 2\n",
        );
        for (name, lines) in [
            ("rate", &self.rate),
            ("capacity", &self.capacity),
            ("transport", &self.transport),
            ("origin", &self.origin),
        ] {
            text.push_str(&format!("[{name}]\n{}\n", lines.join("\n")));
        }
        if self.plaintext {
            text.push_str("[tls]\nmode = \"off\"\n");
        }
        if self.issuer {
            text.push_str(&format!(
                "[[token.issuer]]\nissuer = \"https://id.example\"\naudience = \"portcullis\"\n\
                 algorithm = \"HS256\"\nsecret_file = {:?}\n",
                directory.join("hs256.key")
            ));
        }
        text + &self.more
    }
}

/// A running server.
pub struct TestServer {
    child: Child,
    directory: Arc<tempfile::TempDir>,
    program: PathBuf,
    /// Where clients connect.
    pub public: SocketAddr,
    /// Where operators look.
    pub private: SocketAddr,
    /// The origin its own pages have.
    pub origin: String,
    /// The certificate authority's file, when it speaks TLS.
    pub authority: Option<PathBuf>,
    /// The one-time token of the set-up link, while there is one.
    pub setup_token: Option<String>,
    /// What it recorded.
    pub records: Records,
}

impl TestServer {
    /// Starts `program` (`env!("CARGO_BIN_EXE_portcullis")`) with a configuration.
    #[must_use]
    pub fn start(program: &str, config: &Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let secret = directory.path().join("hs256.key");
        std::fs::write(&secret, SECRET).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&secret, private).unwrap();
        let text = config.text(directory.path());
        std::fs::write(directory.path().join("portcullis.toml"), text).unwrap();
        Self::start_in(Path::new(program), Arc::new(directory))
    }

    fn start_in(program: &Path, directory: Arc<tempfile::TempDir>) -> Self {
        let mut child = Command::new(program)
            .args(["serve", "--config", "portcullis.toml", "--data", "data"])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let records = Records::default();
        let errors = child.stderr.take().unwrap();
        records.follow_errors(errors);
        let (mut public, mut private) = (None, None);
        let (mut origin, mut authority, mut setup_token) = (String::new(), None, None);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while public.is_none() {
            let Some(Ok(line)) = lines.next() else {
                panic!("the server ended before it listened: {}", records.errors());
            };
            if let Some(url) = line.strip_prefix("listening public ") {
                origin = url.to_owned();
                public = Some(url.split("//").nth(1).unwrap().parse().unwrap());
            } else if let Some(url) = line.strip_prefix("listening private ") {
                private = Some(url.split("//").nth(1).unwrap().parse().unwrap());
            } else if let Some(path) = line.strip_prefix("certificate authority ") {
                authority = Some(directory.path().join(path));
            } else if let Some(link) = line.strip_prefix("set-up link ") {
                setup_token = link.split("#setup=").nth(1).map(String::from);
            } else {
                records.take(&line);
            }
        }
        records.follow(lines);
        let (public, private) = (public.unwrap(), private.expect("a private listener"));
        let program = program.to_owned();
        Self { child, directory, program, public, private, origin, authority, setup_token, records }
    }

    /// Kills the process at once, as `kill -9` does, and starts it again on the same data.
    #[must_use]
    pub fn crash_and_restart(mut self) -> Self {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        Self::start_in(&self.program.clone(), Arc::clone(&self.directory))
    }

    /// Asks it to stop, waits for its end, and starts it again on the same data.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.terminate();
        Self::start_in(&self.program.clone(), Arc::clone(&self.directory))
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Deadline::after(WAIT);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(deadline.left().is_some(), "the server did not end");
            std::thread::yield_now();
        }
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Resident memory, in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}
