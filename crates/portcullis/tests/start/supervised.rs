//! Messages to the service manager that starts the server: readiness, reload, watchdog, stop.
//! Never: a real manager; a socket of the test receives what systemd would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as ManagerAddress, UnixDatagram};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use portcullis_test::{WAIT, until};

use crate::{StartedServer, command, run, text};

/// A service manager with its socket, and the server that it has started.
struct Supervision {
    socket: UnixDatagram,
    child: Child,
}

impl Supervision {
    fn start(directory: &Path, socket: UnixDatagram, name: &str, watchdog_us: &str) -> Self {
        socket.set_read_timeout(Some(WAIT)).unwrap();
        let child = command(directory, &["--listen", "127.0.0.1:0"])
            .env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0")
            .env("PORTCULLIS__AUDIT__STDOUT", "false")
            .env("NOTIFY_SOCKET", name)
            .env("WATCHDOG_USEC", watchdog_us)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { socket, child }
    }

    /// The next message that is not a ping, a status, or an extension of a slow start.
    fn next(&self) -> String {
        self.find(|message| {
            let regular = ["WATCHDOG=1", "STATUS=", "EXTEND_TIMEOUT_USEC="];
            !regular.iter().any(|start| message.starts_with(start))
        })
    }

    /// The next message that begins so; others are passed over.
    fn wait_for(&self, start: &str) -> String {
        self.find(|message| message.starts_with(start))
    }

    /// The next message for which a condition is true.
    fn find(&self, is_found: impl Fn(&str) -> bool) -> String {
        until("a message", || Some(self.next_of_all()).filter(|message| is_found(message)))
    }

    fn next_of_all(&self) -> String {
        let mut buffer = [0; 4096];
        let count = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer.get(..count).unwrap().to_vec()).unwrap()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().unwrap().success());
    }

    /// The addresses that the server prints.
    fn addresses(&mut self) -> Vec<SocketAddr> {
        use std::io::{BufRead, BufReader};
        let mut found = Vec::new();
        for line in BufReader::new(self.child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((_, address)) =
                line.split_once("://").filter(|_| line.contains("listening"))
            {
                found.push(address.parse().unwrap());
            }
            if line.starts_with("listening public ") {
                break;
            }
        }
        found
    }
}

impl Drop for Supervision {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn service_manager_receives_readiness_reload_pings_and_stop() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    // Half a second, so that pings come within the test.
    let mut manager =
        Supervision::start(directory.path(), socket, &path.display().to_string(), "500000");
    assert_eq!(manager.next(), "READY=1");
    let addresses = manager.addresses();
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    for address in addresses {
        TcpStream::connect(address).expect("a listener that accepts");
    }
    // It is sent again only when it changes.
    assert_eq!(manager.wait_for("STATUS="), "STATUS=load level normal, 0 connections");
    for _ in 0..3 {
        manager.wait_for("WATCHDOG=1");
    }

    manager.signal("HUP");
    let reloading = manager.next();
    let moment = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect(&reloading);
    let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
    let uptime_s: f64 = uptime.split(' ').next().unwrap().parse().unwrap();
    let moment_s = moment.parse::<u64>().unwrap() as f64 / 1e6;
    assert!((uptime_s - moment_s).abs() < 60.0, "{uptime_s} {moment_s}");
    assert_eq!(manager.next(), "READY=1");

    manager.signal("TERM");
    assert_eq!(manager.next(), "STOPPING=1\nSTATUS=draining");
    assert_eq!(manager.child.wait().unwrap().code(), Some(0));
}

#[test]
fn abstract_socket_is_notified_and_a_stopped_process_sends_no_pings() {
    let directory = tempfile::tempdir().unwrap();
    let name = format!("portcullis-supervised-{}", std::process::id());
    let address = ManagerAddress::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    let manager = Supervision::start(directory.path(), socket, &format!("@{name}"), "20000");
    assert_eq!(manager.next(), "READY=1");
    manager.wait_for("WATCHDOG=1");
    manager.signal("STOP");
    // Messages that were sent before the stop; then no message for ten periods.
    manager.socket.set_read_timeout(Some(std::time::Duration::from_millis(200))).unwrap();
    let mut buffer = [0; 4096];
    let silent = (0..100).any(|_| manager.socket.recv(&mut buffer).is_err());
    assert!(silent, "pings of a stopped process");
    manager.signal("CONT");
    manager.socket.set_read_timeout(Some(WAIT)).unwrap();
    manager.wait_for("WATCHDOG=1");
}

#[test]
fn unusable_notify_socket_does_not_stop_the_server() {
    let directory = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::unbound().unwrap();
    let mut manager = Supervision::start(directory.path(), socket, "/nonexistent/notify", "soon");
    assert_eq!(manager.addresses().len(), 2);
    manager.signal("TERM");
    assert_eq!(manager.child.wait().unwrap().code(), Some(0));
}

#[test]
fn health_command_succeeds_only_while_the_server_answers() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = StartedServer::new(directory.path());
    let private = String::from(server.line("listening private http://").unwrap());
    let health = |arguments: &[&str]| {
        let all = [&["health", "--listen", &private], arguments].concat();
        let output = run(directory.path(), &all);
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    assert_eq!(health(&[]), (Some(0), String::from("{\"status\":\"ok\"}\n"), String::new()));
    let (code, ready, _) = health(&["--ready"]);
    assert!(code == Some(0) && ready.starts_with("{\"status\":\"ready\""), "{ready}");
    assert_eq!(server.stop(), Some(0));
    let (code, _, error) = health(&["--ready"]);
    assert!(code == Some(1) && error.contains("check that it runs"), "{code:?} {error}");
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = other.local_addr().unwrap().to_string();
    let answering = std::thread::spawn(move || {
        let (mut client, _) = other.accept().unwrap();
        let _request = client.read(&mut [0; 1024]).unwrap();
        let page = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        client.write_all(page.as_bytes()).unwrap();
    });
    let output = run(directory.path(), &["health", "--listen", &address]);
    answering.join().unwrap();
    let error = text(&output.stderr);
    assert!(!output.status.success() && error.contains("another program responds"), "{error}");
}
