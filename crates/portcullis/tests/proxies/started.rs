//! nginx and HAProxy, started with the example configurations on free ports, and stopped.
//! Never: another configuration than the one people are shown, but for names, ports and files.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use portcullis_test::{Config, Connection, Request, TestServer, until};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls_pki_types::CertificateDer;

/// The name people know the server by.
pub(crate) const NAME: &str = "chat.example";
const NGINX: &str = include_str!("../../../../examples/proxies/nginx.conf");
const HAPROXY: &str = include_str!("../../../../examples/proxies/haproxy.cfg");

/// Which proxy, and what it does with TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// nginx, which ends TLS.
    Nginx,
    /// HAProxy, which ends TLS.
    HaproxyEnds,
    /// HAProxy, which hands TLS through and says whose it is.
    HaproxyThrough,
}

/// A server with a proxy in front.
pub(crate) struct Behind {
    kind: Kind,
    proxy: Child,
    pub(crate) server: TestServer,
    address: SocketAddr,
    shown: CertificateDer<'static>,
    files: tempfile::TempDir,
}

impl Behind {
    pub(crate) fn start(kind: Kind, config: Config) -> Self {
        Self::start_changed(kind, config, |_| Vec::new())
    }

    /// As [`Behind::start`], with pieces of the proxy's configuration replaced.
    pub(crate) fn start_changed(
        kind: Kind,
        mut config: Config,
        changes: impl Fn(&TestServer) -> Vec<(&'static str, String)>,
    ) -> Self {
        config.plaintext = kind != Kind::HaproxyThrough;
        config.listen.push(String::from("trusted_proxies = [\"127.0.0.1\"]"));
        if kind == Kind::HaproxyThrough {
            config.listen.push(String::from("proxy_protocol = true"));
        }
        let server = TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &config.production());
        let files = tempfile::tempdir().unwrap();
        let made = generate_simple_self_signed(["localhost", NAME].map(String::from)).unwrap();
        let CertifiedKey { cert, signing_key } = made;
        std::fs::write(files.path().join("c.pem"), cert.pem()).unwrap();
        std::fs::write(files.path().join("c.key"), signing_key.serialize_pem()).unwrap();
        let both = cert.pem() + &signing_key.serialize_pem();
        std::fs::write(files.path().join("both.pem"), both).unwrap();
        let (proxy, address) = start(kind, server.public, files.path(), &changes(&server));
        Self { kind, proxy, server, address, shown: cert.der().clone(), files }
    }

    /// A client's connection to the proxy, from a loopback address of choice.
    pub(crate) fn connect(&self, source: [u8; 4]) -> Connection {
        let source = IpAddr::from(source);
        match self.kind {
            Kind::Nginx | Kind::HaproxyEnds => {
                Connection::open_in_front(self.address, source, &self.shown)
            }
            Kind::HaproxyThrough => Connection::open_through(&self.server, self.address, source),
        }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The file of the certificate that clients trust.
    pub(crate) fn authority(&self) -> String {
        at(self.files.path(), "c.pem")
    }

    /// What the proxy has written: its output, and nginx's access log.
    pub(crate) fn log(&self) -> String {
        let read = |name| std::fs::read_to_string(self.files.path().join(name));
        let [output, access] =
            ["output.log", "access.log"].map(|name| read(name).unwrap_or_default());
        output + &access
    }

    /// A good upgrade as it comes from the page.
    pub(crate) fn upgrade(&self) -> Request {
        Request::upgrade(&self.server, "/socket.io/?EIO=4&transport=websocket")
            .with("Host", NAME)
            .with("Origin", &format!("https://{NAME}"))
    }

    /// A good request as it comes from the page.
    pub(crate) fn get(&self, path: &str) -> Request {
        Request::get(&self.server, path)
            .with("Host", NAME)
            .header("Origin", &format!("https://{NAME}"))
    }
}

impl Drop for Behind {
    fn drop(&mut self) {
        let _gone = self.proxy.kill();
        let _status = self.proxy.wait();
    }
}

/// Pieces of a proxy's configuration, and what replaces them.
type Changes = [(&'static str, String)];

fn start(kind: Kind, server: SocketAddr, files: &Path, changes: &Changes) -> (Child, SocketAddr) {
    // A port that was free a moment ago may be taken by the time the proxy asks for it.
    for _ in 0..10 {
        let ports = [free_port(), free_port()];
        let mut proxy = spawn(kind, server, files, ports, changes);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[0]));
        if is_up(&mut proxy, address) {
            return (proxy, address);
        }
        let _gone = proxy.kill();
        let _status = proxy.wait();
    }
    panic!("{kind:?} does not start");
}

/// A port that no other test gets: below those that the kernel gives out by itself, and of this
/// process alone. A proxy that listens later than it is asked for loses no race.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(16) + GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(20_000 + number % 12_000).unwrap();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

pub(crate) fn is_up(proxy: &mut Child, address: SocketAddr) -> bool {
    until("a proxy that listens or gives up", || {
        if TcpStream::connect(address).is_ok() {
            return Some(true);
        }
        proxy.try_wait().unwrap().map(|_ended| false)
    })
}

fn spawn(
    kind: Kind,
    server: SocketAddr,
    files: &Path,
    [port, other]: [u16; 2],
    changed: &Changes,
) -> Child {
    let at = |name| at(files, name);
    let (text, name) = match kind {
        Kind::Nginx => (
            replaced(
                NGINX,
                &[
                    (
                        "worker_processes auto;",
                        "worker_processes 1;\ndaemon off;\nmaster_process off;",
                    ),
                    ("/run/nginx.pid", &at("nginx.pid")),
                    ("worker_rlimit_nofile 65536;", ""),
                    ("worker_connections 20480;", "worker_connections 1024;"),
                    ("server 127.0.0.1:8443;", &format!("server {server};")),
                    ("listen 443 ssl;", &format!("listen 127.0.0.1:{port} ssl;")),
                    ("listen [::]:443 ssl;", ""),
                    ("listen 80;", &format!("listen 127.0.0.1:{other};")),
                    ("listen [::]:80;", ""),
                    ("/etc/nginx/chat.example.pem", &at("c.pem")),
                    ("/etc/nginx/chat.example.key", &at("c.key")),
                    ("server_tokens off;", &temporary(&at("t"))),
                    ("/var/log/nginx/access.log", &at("access.log")),
                ],
            ),
            "nginx",
        ),
        Kind::HaproxyEnds | Kind::HaproxyThrough => {
            let [ends, through] =
                if kind == Kind::HaproxyEnds { [port, other] } else { [other, port] };
            let changes = [
                ("bind :443 ", format!("bind 127.0.0.1:{ends} ")),
                ("bind :8444", format!("bind 127.0.0.1:{through}")),
                ("/etc/haproxy/chat.example.pem", at("both.pem")),
                ("server one 127.0.0.1:8443", format!("server one {server}")),
                ("server one 10.0.0.5:8443", format!("server one {server}")),
                ("maxconn 20000", String::from("maxconn 1000")),
            ];
            let changes = changes.each_ref().map(|(from, to)| (*from, to.as_str()));
            (replaced(HAPROXY, &changes), "haproxy")
        }
    };
    let changed: Vec<_> = changed.iter().map(|(from, to)| (*from, to.as_str())).collect();
    run(name, &replaced(&text, &changed), files)
}

/// Starts a proxy with a configuration; what it writes goes to `output.log`.
pub(crate) fn run(name: &str, text: &str, files: &Path) -> Child {
    let file = files.join("proxy.conf");
    std::fs::write(&file, text).unwrap();
    let mut command = program(name);
    match name {
        "nginx" => command.arg("-p").arg(files).arg("-c").arg(&file),
        _ => command.arg("-db").arg("-f").arg(&file),
    };
    let output = File::create(files.join("output.log")).unwrap();
    command.stdout(output.try_clone().unwrap()).stderr(output);
    command.spawn().expect("nginx and HAProxy are installed by `cargo xtask test`")
}

/// A file of the proxy, as its configuration names it.
pub(crate) fn at(files: &Path, name: &str) -> String {
    files.join(name).display().to_string()
}

/// Debian keeps both where only administrators look.
fn program(name: &str) -> Command {
    let place = Path::new("/usr/sbin").join(name);
    if place.exists() { Command::new(place) } else { Command::new(name) }
}

/// Where nginx writes when it may not write where Debian lets it.
pub(crate) fn temporary(folder: &str) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let paths = kinds.map(|kind| format!("{kind}_temp_path {folder}_{kind};"));
    format!("server_tokens off; {}", paths.join(" "))
}

/// Each piece has to be there: an example that changed must not be tested half.
pub(crate) fn replaced(text: &str, changes: &[(&str, &str)]) -> String {
    changes.iter().fold(String::from(text), |text, (from, to)| {
        assert!(text.contains(from), "the example has no {from:?}");
        text.replace(from, to)
    })
}
