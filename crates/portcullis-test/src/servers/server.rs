//! The real binary, started on free ports in a directory of its own, and stopped.
//! Never: left running; it is killed when the value is dropped.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::JoinHandle;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

use crate::deadline::WAIT;
use crate::servers::config::{Config, ProcessOptions};
use crate::servers::log::Records;
use crate::servers::other_disk::OtherDisk;
use crate::wait::until;

/// How much of the server's own log a failed test shows.
const SHOWN_MAX_BYTES: usize = 8 * 1024;

/// The program that is started, and its options.
#[derive(Clone)]
struct Launch {
    program: PathBuf,
    process: ProcessOptions,
    page: Option<String>,
}

impl Launch {
    fn new(program: &str, config: &Config) -> Self {
        let program = PathBuf::from(program);
        Self { program, process: config.process.clone(), page: config.page.clone() }
    }
}

/// A running server.
pub struct TestServer {
    child: Child,
    /// The threads that read its outputs.
    followers: Vec<JoinHandle<()>>,
    directory: Arc<tempfile::TempDir>,
    launch: Launch,
    /// Where clients connect.
    pub public: SocketAddr,
    /// Where operators look.
    pub private: SocketAddr,
    /// Where health and readiness are asked for from elsewhere, if anywhere.
    pub probe: Option<SocketAddr>,
    /// The listener that redirects plain-text requests for pages, if there is one.
    pub redirect: Option<SocketAddr>,
    /// The origin its own pages have.
    pub origin: String,
    /// The certificate authority's file, when it speaks TLS.
    pub authority: Option<PathBuf>,
    /// The one-time token of the set-up link, while there is one.
    pub setup_token: Option<String>,
    /// Its records.
    pub records: Records,
}

impl TestServer {
    /// Starts `program` (`env!("CARGO_BIN_EXE_portcullis")`) with a configuration.
    #[must_use]
    pub fn start(program: &str, config: &Config) -> Self {
        let directory = tempfile::tempdir().unwrap();
        config.write(directory.path());
        Self::start_in(Launch::new(program, config), Arc::new(directory))
    }

    /// Starts `program` with a configuration that it has to refuse; gives its exit code and what
    /// it said.
    ///
    /// # Panics
    /// If it continues to run.
    #[must_use]
    pub fn refuse(program: &str, config: &Config) -> (Option<i32>, String) {
        let directory = tempfile::tempdir().unwrap();
        config.write(directory.path());
        let mut command = command(&Launch::new(program, config), directory.path());
        let mut child = command.stdout(Stdio::null()).spawn().expect("the program starts");
        let records = Records::default();
        let errors = records.follow_errors(child.stderr.take().unwrap());
        let status = wait_for_end(&mut child);
        errors.join().unwrap();
        (status.expect("a refusal, but it runs").code(), records.errors())
    }

    /// Runs the program beside the server, on the same configuration and data, as an operator does;
    /// `input` is its standard input.
    #[must_use]
    pub fn operate(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self.begin(arguments);
        // What does not read leaves; that it did not is in its answer.
        let _unread = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Runs a command beside the server, for which a folder is another disk.
    #[must_use]
    pub fn operate_on(&self, disk: &OtherDisk, arguments: &[&str]) -> Output {
        let child = self.begin_with(disk.environment(), arguments);
        child.wait_with_output().unwrap()
    }

    /// Starts a command beside the server; its inputs and outputs are pipes. The caller ends it.
    ///
    /// # Panics
    /// If the program does not start.
    #[must_use]
    pub fn begin(&self, arguments: &[&str]) -> Child {
        self.begin_with([], arguments)
    }

    fn begin_with(
        &self,
        environment: impl IntoIterator<Item = (String, String)>,
        arguments: &[&str],
    ) -> Child {
        let directory = self.directory.path();
        let mut command = clean_command(&self.launch, directory);
        command
            .envs(environment)
            .args(arguments)
            .args(PLACE)
            // The configuration says any free port; this is the one it was.
            .env("PORTCULLIS__LISTEN__PRIVATE", self.private.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts")
    }

    fn start_in(launch: Launch, directory: Arc<tempfile::TempDir>) -> Self {
        let mut command = command(&launch, directory.path());
        let child = command.stdout(Stdio::piped()).spawn().expect("the server starts");
        // From here on the value kills it, whatever fails.
        let mut server = Self {
            child,
            followers: Vec::new(),
            directory,
            launch,
            public: SocketAddr::from(([0, 0, 0, 0], 0)),
            private: SocketAddr::from(([0, 0, 0, 0], 0)),
            probe: None,
            redirect: None,
            origin: String::new(),
            authority: None,
            setup_token: None,
            records: Records::default(),
        };
        server.listen();
        server
    }

    /// Follows its outputs until it says where it listens.
    fn listen(&mut self) {
        let records = self.records.clone();
        self.followers.push(records.follow_errors(self.child.stderr.take().unwrap()));
        self.followers.push(records.follow(self.child.stdout.take().unwrap()));
        // The last line of the start: all other lines are printed before it.
        let public = records.wait_until_printed("listening public ");
        self.origin = public.expect("a server that listens");
        self.public = address(&self.origin);
        if let Some(page) = &self.launch.page {
            self.origin.clone_from(page);
        }
        let private = records.printed("listening private ").expect("a private listener");
        self.private = address(&private);
        self.redirect = records.printed("listening redirect ").map(|url| address(&url));
        let authority = records.printed("certificate authority ");
        let own = self.directory.path().join(Config::CERTIFICATE[0]);
        let own = own.exists().then_some(own);
        let authority = authority.map(|path| self.directory.path().join(path));
        self.authority = authority.or(own);
        self.probe = records.printed("listening probe ").map(|url| address(&url));
        let link = records.printed("set-up link ");
        self.setup_token =
            link.and_then(|link| link.split_once("#setup=").map(|(_, token)| token.to_owned()));
    }

    /// Kills the process at once, as `kill -9` does, and starts it again on the same data.
    #[must_use]
    pub fn crash_and_restart(mut self) -> Self {
        self.kill();
        self.start_again()
    }

    /// Kills the process at once; commands can use what it leaves.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, waits for its end, and starts it again on the same data.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.terminate();
        self.start_again()
    }

    fn start_again(&self) -> Self {
        Self::start_in(self.launch.clone(), Arc::clone(&self.directory))
    }

    /// Asks it to stop (SIGTERM) and waits for its end.
    pub fn terminate(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }

    fn is_stopped(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state follows the name, which can contain any character.
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    }

    /// Sends a signal by name: `TERM`, `HUP`, `INT`, `STOP`, `CONT`.
    pub fn signal(&self, name: &str) {
        let signal = match name {
            "TERM" => Signal::TERM,
            "HUP" => Signal::HUP,
            "INT" => Signal::INT,
            "STOP" => Signal::STOP,
            "CONT" => Signal::CONT,
            other => panic!("no signal {other:?} here"),
        };
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        if signal == Signal::STOP {
            // Sent is not stopped: its threads may be at something.
            until("every thread to be stopped", || self.is_stopped().then_some(()));
        }
    }

    /// Waits for its end; everything it wrote is in `records` then.
    ///
    /// # Panics
    /// When it does not end in time.
    pub fn wait(&mut self) -> ExitStatus {
        let status = wait_for_end(&mut self.child).expect("the server did not end");
        self.records.set_unread(false);
        self.followers.drain(..).for_each(|follower| follower.join().unwrap());
        status
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

    /// The metrics of the product on the private listener.
    #[must_use]
    pub fn operator_key(&self) -> String {
        let secret = std::fs::read(self.data().join("sessions.secret")).unwrap();
        let root = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        URL_SAFE_NO_PAD.encode(hmac::sign(&root, b"portcullis operator v1"))
    }

    /// Resident memory, in KiB.
    #[must_use]
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

/// The address in `https://127.0.0.1:PORT`.
fn address(url: &str) -> SocketAddr {
    url.split_once("://").unwrap().1.parse().unwrap()
}

/// The program with its files in a directory, and no variable of the tester's own.
fn command(launch: &Launch, directory: &Path) -> Command {
    let mut command = clean_command(launch, directory);
    command.arg("serve").args(PLACE);
    command
}

/// Which configuration and data are meant.
const PLACE: [&str; 4] = ["--config", "portcullis.toml", "--data", "data"];

fn clean_command(launch: &Launch, directory: &Path) -> Command {
    let mut command = match launch.process.files_max {
        None => Command::new(&launch.program),
        Some(files_max) => {
            // The shell becomes the program, so that the process is the one that was started.
            let mut shell = Command::new("sh");
            let limited = format!("ulimit -n {files_max} && exec \"$0\" \"$@\"");
            shell.arg("-c").arg(limited).arg(&launch.program);
            shell
        }
    };
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("PORTCULLIS__") || name == "RUST_LOG" {
            command.env_remove(name);
        }
    }
    command
        .current_dir(directory)
        .envs(launch.process.environment.iter().cloned())
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Waits for a child's end, at most [`WAIT`]; one that is still there after that is killed.
fn wait_for_end(child: &mut Child) -> Option<ExitStatus> {
    let id = Pid::from_child(child);
    let (ended, end) = sync_channel(1);
    // The thread only looks: until `child` reaps it, the process id stays its own.
    let watcher = std::thread::spawn(move || {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        while matches!(waitid(WaitId::Pid(id), options), Err(rustix::io::Errno::INTR)) {}
        let _waiter_gave_up = ended.send(());
    });
    let in_time = end.recv_timeout(WAIT).is_ok();
    if !in_time {
        child.kill().unwrap();
    }
    watcher.join().unwrap();
    let status = child.wait().unwrap();
    in_time.then_some(status)
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
        self.records.set_unread(false);
        self.followers.drain(..).for_each(|follower| drop(follower.join()));
        if std::thread::panicking() {
            let errors = self.records.errors();
            let start = errors.len().saturating_sub(SHOWN_MAX_BYTES);
            let shown = String::from_utf8_lossy(&errors.as_bytes()[start..]);
            eprintln!("the server's own log, its end:\n{shown}");
        }
    }
}
