//! An authority (`pebble`) and a name server (`pebble-challtestsrv`) on free ports.
//! Never: left running; both are killed when the value is dropped.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use portcullis_test::until;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use serde_json::json;

/// The ports that a test uses, below those that the system gives to connections.
const PORTS: std::ops::Range<u32> = 20_000..32_000;

/// A port that is free now. Other tests begin elsewhere.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let offset = std::process::id().wrapping_mul(41).wrapping_add(step);
        let port = u16::try_from(PORTS.start + offset % (PORTS.end - PORTS.start)).unwrap();
        let address = (Ipv4Addr::LOCALHOST, port);
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return port;
        }
    }
}

/// A program that is killed when the value is dropped.
struct Program(Child);

impl Program {
    fn start(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// An authority, and the name server that it asks.
pub(crate) struct Authority {
    directory: tempfile::TempDir,
    program: Option<Program>,
    _names: Program,
    acme_port: u16,
    dns_port: u16,
    names_port: u16,
    /// The port at which it validates over HTTP.
    pub(crate) http_port: u16,
    /// The port at which it validates over TLS.
    pub(crate) tls_port: u16,
}

impl Authority {
    /// Starts a name server, and an authority that has these variables.
    pub(crate) fn start(variables: &[(&str, &str)]) -> Self {
        let mut authority = Self::stopped();
        authority.run(variables);
        authority
    }

    /// The same without the authority itself, see [`Authority::run`].
    pub(crate) fn stopped() -> Self {
        let [acme_port, dns_port, names_port, http_port, tls_port] = [(); 5].map(|()| free_port());
        let local = |port: u16| format!("127.0.0.1:{port}");
        let mut names = Command::new("pebble-challtestsrv");
        names.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", ""]);
        names.args(["-https01", "", "-tlsalpn01", "", "-dns01", &local(dns_port)]);
        names.args(["-management", &local(names_port)]);
        let authority = Self {
            directory: tempfile::tempdir().unwrap(),
            program: None,
            _names: Program::start(&mut names),
            acme_port,
            dns_port,
            names_port,
            http_port,
            tls_port,
        };
        authority.write_certificates();
        let config = json!({"pebble": {
            "listenAddress": local(acme_port),
            "managementListenAddress": "",
            "certificate": authority.path("directory.pem"),
            "privateKey": authority.path("directory.key"),
            "httpPort": http_port,
            "tlsPort": tls_port,
        }});
        std::fs::write(authority.path("pebble.json"), config.to_string()).unwrap();
        listening(names_port);
        authority
    }

    /// Starts the authority, or starts another one without its accounts.
    pub(crate) fn run(&mut self, variables: &[(&str, &str)]) {
        self.stop();
        let mut command = Command::new("pebble");
        command.arg("-config").arg(self.path("pebble.json"));
        command.args(["-dnsserver", &format!("127.0.0.1:{}", self.dns_port)]);
        let usual = [("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_WFE_NONCEREJECT", "0")];
        command.envs(usual).envs(variables.iter().copied());
        self.program = Some(Program::start(&mut command));
        listening(self.acme_port);
    }

    /// Stops the authority. The name server still runs.
    pub(crate) fn stop(&mut self) {
        self.program = None;
    }

    /// The URL of its directory.
    pub(crate) fn url(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.acme_port)
    }

    /// The certificate that certifies its directory.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// Sets the address of a name; without one, all names are on this machine.
    pub(crate) fn set_address(&self, name: &str, address: Option<Ipv4Addr>) {
        let (path, body) = match address {
            Some(address) => ("add-a", json!({"host": name, "addresses": [address.to_string()]})),
            None => ("clear-a", json!({"host": name})),
        };
        let body = body.to_string();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.names_port)).unwrap();
        let length = body.len();
        let request = format!(
            "POST /{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write_certificates(&self) {
        let params = |name: &str| {
            let mut params = CertificateParams::new([String::from(name)]).unwrap();
            params.not_after = date_time_ymd(2100, 1, 1);
            params
        };
        let mut authority = params("authority.example");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let own = params("127.0.0.1").signed_by(&key, &authority).unwrap();
        std::fs::write(self.path("ca.pem"), authority.pem()).unwrap();
        std::fs::write(self.path("directory.pem"), own.pem()).unwrap();
        std::fs::write(self.path("directory.key"), key.serialize_pem()).unwrap();
    }
}

/// Waits until a program listens.
fn listening(port: u16) {
    until("a program to listen", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
}
