//! Small reverse proxies of the tests: a careful one, and careless ones.
//! Never: a wait without a bound; a connection that stays after the test.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_model::Moment;

/// How long a client has for a head, and for a body.
const CLIENT_TIME: Duration = Duration::from_secs(2);
/// How long the server has for a response.
const SERVER_TIME: Duration = Duration::from_secs(5);
const HEAD_MAX_BYTES: usize = 8 * 1024;
const BODY_MAX_BYTES: usize = 64 * 1024;

/// What a proxy does with a request that has two lengths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Care {
    /// It rejects every request that another reader could end at another place.
    Careful,
    /// It ends the request by Content-Length, and forwards both headers unchanged.
    Forwards,
    /// It ends the request by Content-Length. Its second stage ends it by Transfer-Encoding, and
    /// writes the head again, so that each of the two requests is well-formed.
    Rewrites,
}

/// A running proxy in front of a server.
pub(crate) struct SmallProxy {
    pub(crate) address: SocketAddr,
    state: Arc<ProxyState>,
}

struct ProxyState {
    care: Care,
    server: SocketAddr,
    /// The connection to the server, which requests of all clients reuse.
    upstream: Mutex<Option<TcpStream>>,
    /// The heads that were sent to the server, each with the status of its answer.
    exchanges: Mutex<Vec<(String, u16)>>,
    has_ended: AtomicBool,
}

/// A request of a client: its head without the empty line, and its body.
struct ClientRequest {
    lines: Vec<String>,
    body: Vec<u8>,
}

impl SmallProxy {
    pub(crate) fn start(care: Care, server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(ProxyState {
            care,
            server,
            upstream: Mutex::new(None),
            exchanges: Mutex::new(Vec::new()),
            has_ended: AtomicBool::new(false),
        });
        let of_thread = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                if of_thread.has_ended.load(Ordering::Relaxed) {
                    return;
                }
                let (state, client) = (Arc::clone(&of_thread), client.unwrap());
                // The end of a client is not a fault of the proxy.
                thread::spawn(move || drop(state.serve(client)));
            }
        });
        Self { address, state }
    }

    /// The heads that the server got, each with the status of its answer.
    pub(crate) fn exchanges(&self) -> Vec<(String, u16)> {
        self.state.exchanges.lock().clone()
    }
}

impl Drop for SmallProxy {
    fn drop(&mut self) {
        self.state.has_ended.store(true, Ordering::Relaxed);
        let _woken = TcpStream::connect(self.address);
    }
}

impl ProxyState {
    /// Serves one request of a client, or its WebSocket.
    fn serve(&self, mut client: TcpStream) -> std::io::Result<()> {
        let source = client.peer_addr()?.ip();
        let request = match read_request(&mut client, self.care) {
            Ok(request) => request,
            Err(status) => {
                let head = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n");
                return end(client, format!("{head}Connection: close\r\n\r\n").as_bytes());
            }
        };
        if request.value("upgrade").is_some() {
            return self.tunnel(client, &request.forwarded(source, "Upgrade"));
        }
        let bytes = request.forwarded(source, "keep-alive");
        let parts = match self.care {
            Care::Careful | Care::Forwards => vec![bytes],
            Care::Rewrites => rewritten(&bytes),
        };
        let answers: Vec<_> = parts.iter().map(|part| self.exchange(part)).collect();
        // The proxy knows of one request, so the client gets one answer.
        end(client, &answers.into_iter().next().unwrap_or_default())
    }

    /// Forwards a handshake, and then bytes of both sides until one of them ends.
    fn tunnel(&self, client: TcpStream, handshake: &[u8]) -> std::io::Result<()> {
        let mut server = TcpStream::connect(self.server)?;
        server.write_all(handshake)?;
        let copy = |mut from: TcpStream, mut to: TcpStream| {
            let _ended = std::io::copy(&mut from, &mut to);
            let _closed = [from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both)];
        };
        let (from, to) = (client.try_clone()?, server.try_clone()?);
        thread::spawn(move || copy(from, to));
        copy(server, client);
        Ok(())
    }

    /// Sends a request on the connection to the server, and reads its answer.
    ///
    /// A connection that the server has closed meanwhile is replaced once.
    fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut upstream = self.upstream.lock();
        let kept = upstream.take();
        let connect = || TcpStream::connect(self.server).unwrap();
        let attempts = kept.into_iter().map(Ok).chain([Err(())]);
        for connection in attempts {
            let mut connection = connection.unwrap_or_else(|()| connect());
            let Some(answer) = exchange_on(&mut connection, bytes) else { continue };
            let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
            if !text.contains("\r\nconnection: close\r\n") {
                *upstream = Some(connection);
            }
            let head = String::from_utf8_lossy(bytes);
            let head = head.split("\r\n\r\n").next().unwrap_or_default();
            self.exchanges.lock().push((String::from(head), status(&answer)));
            return answer;
        }
        b"HTTP/1.1 502 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
    }
}

impl ClientRequest {
    /// The last value of a header.
    fn value(&self, name: &str) -> Option<&str> {
        let fields = self.lines.iter().skip(1).filter_map(|line| line.split_once(':'));
        let mut own = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name));
        own.next_back().map(|(_, value)| value.trim())
    }

    /// The request for the server: everything unchanged, except for what a proxy writes itself.
    fn forwarded(&self, source: IpAddr, connection: &str) -> Vec<u8> {
        let own = ["connection", "x-forwarded-for", "x-forwarded-proto"];
        let is_own = |line: &&String| {
            let name = line.split(':').next().unwrap_or_default();
            own.iter().any(|own| name.eq_ignore_ascii_case(own))
        };
        let mut lines: Vec<_> = self.lines.iter().filter(|line| !is_own(line)).cloned().collect();
        let client = source.to_string();
        let chain = self.value("x-forwarded-for").map(|chain| format!("{chain}, {client}"));
        lines.push(format!("X-Forwarded-For: {}", chain.unwrap_or(client)));
        lines.push(String::from("X-Forwarded-Proto: https"));
        lines.push(format!("Connection: {connection}"));
        [lines.join("\r\n").as_bytes(), b"\r\n\r\n", &self.body].concat()
    }
}

/// Reads a request that ends by its last Content-Length; the error is the status of the answer.
fn read_request(client: &mut TcpStream, care: Care) -> Result<ClientRequest, u16> {
    let mut bytes = Vec::new();
    let deadline = Moment::now().plus(CLIENT_TIME);
    let head = loop {
        if let Some(head) = position(&bytes, b"\r\n\r\n") {
            break head;
        }
        if bytes.len() > HEAD_MAX_BYTES {
            return Err(431);
        }
        read_until(client, &mut bytes, deadline)?;
    };
    let mut body = bytes.split_off(head + 4);
    bytes.truncate(head);
    let lines: Vec<_> = String::from_utf8_lossy(&bytes).split("\r\n").map(String::from).collect();
    if care == Care::Careful && !is_unambiguous(&lines) {
        return Err(400);
    }
    let request = ClientRequest { lines, body: Vec::new() };
    // As lenient as `parse` is, which accepts a sign.
    let length = request.value("content-length").and_then(|length| length.parse().ok());
    let length: usize = length.unwrap_or(0);
    if length > BODY_MAX_BYTES {
        return Err(413);
    }
    let deadline = Moment::now().plus(CLIENT_TIME);
    while body.len() < length {
        read_until(client, &mut body, deadline)?;
    }
    body.truncate(length);
    Ok(ClientRequest { body, ..request })
}

/// Whether every reader ends a request with this head at the same place (RFC 9112 section 6.3).
fn is_unambiguous(lines: &[String]) -> bool {
    let fields = || lines.iter().skip(1).map(|line| line.split_once(':').unwrap_or((line, "")));
    let named =
        |name: &'static str| fields().filter(move |(own, _)| own.eq_ignore_ascii_case(name));
    let is_token =
        |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_number = |value: &str| value.trim().bytes().all(|byte| byte.is_ascii_digit());
    let lengths: Vec<_> = named("content-length").collect();
    lines.iter().all(|line| !line.contains(['\r', '\n']))
        && fields().all(|(name, _)| !name.is_empty() && is_token(name))
        && named("transfer-encoding").next().is_none()
        && lengths.len() <= 1
        && lengths.iter().all(|(_, value)| is_number(value))
}

/// The second stage of a careless proxy: it accepts every spelling of Transfer-Encoding, ends a
/// request by it, and takes the rest for the next request.
fn rewritten(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    let mut rest = bytes;
    while let Some(head) = position(rest, b"\r\n\r\n") {
        let (head, body) = (&rest[..head], &rest[head + 4..]);
        // A folded line is one line, and LF alone ends a line.
        let head = String::from_utf8_lossy(head).replace("\r\n ", " ");
        let lines: Vec<&str> = head.split('\n').map(|line| line.trim_end_matches('\r')).collect();
        let fields = || lines.iter().skip(1).filter_map(|line| line.split_once(':'));
        let first = |name: &str| {
            let mut own = fields().filter(|(own, _)| own.trim().eq_ignore_ascii_case(name));
            own.next().map(|(_, value)| value.trim())
        };
        let is_chunked = first("transfer-encoding").is_some_and(|value| value.contains("chunked"));
        let is_number = |value: &&str| value.bytes().all(|byte| byte.is_ascii_digit());
        let length = first("content-length").filter(is_number).and_then(|value| value.parse().ok());
        let (body, after) = match (is_chunked, length) {
            // The drill hides its request after the last chunk.
            (true, _) => (&body[..0], body.strip_prefix(b"0\r\n\r\n").unwrap_or_default()),
            (false, length) => body.split_at(length.unwrap_or(0).min(body.len())),
        };
        let is_framing = |line: &&&str| {
            let name = line.split(':').next().unwrap_or_default().trim();
            ["transfer-encoding", "content-length"].iter().any(|own| name.eq_ignore_ascii_case(own))
        };
        let mut own: Vec<_> =
            lines.iter().filter(|line| !is_framing(line)).map(|line| String::from(*line)).collect();
        own.push(format!("Content-Length: {}", body.len()));
        requests.push([own.join("\r\n").as_bytes(), b"\r\n\r\n", body].concat());
        rest = after;
    }
    requests
}

/// Reads once; the error is the status of the answer.
fn read_until(client: &mut TcpStream, bytes: &mut Vec<u8>, deadline: Moment) -> Result<(), u16> {
    let left = deadline.since(Moment::now());
    if left.is_zero() {
        return Err(408);
    }
    client.set_read_timeout(Some(left)).unwrap();
    let mut part = [0; 4_096];
    match client.read(&mut part) {
        Ok(0) => Err(400),
        Ok(count) => {
            bytes.extend_from_slice(&part[..count]);
            Ok(())
        }
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Err(408)
        }
        Err(_) => Err(400),
    }
}

/// Sends a request, and reads the answer by its Content-Length; `None` if there is none.
fn exchange_on(server: &mut TcpStream, bytes: &[u8]) -> Option<Vec<u8>> {
    server.set_read_timeout(Some(SERVER_TIME)).unwrap();
    // A server that has rejected the head does not read the rest; its answer counts.
    let _sent = server.write_all(bytes);
    let mut answer = Vec::new();
    let length = loop {
        if let Some(head) = position(&answer, b"\r\n\r\n") {
            break head + 4 + content_length(&answer[..head]);
        }
        read_more(server, &mut answer)?;
    };
    while answer.len() < length {
        read_more(server, &mut answer)?;
    }
    Some(answer)
}

fn read_more(server: &mut TcpStream, answer: &mut Vec<u8>) -> Option<()> {
    let mut part = [0; 4_096];
    let count = server.read(&mut part).ok().filter(|count| *count > 0)?;
    answer.extend_from_slice(&part[..count]);
    Some(())
}

fn content_length(head: &[u8]) -> usize {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    let length = head.split("\r\n").find_map(|line| line.strip_prefix("content-length:"));
    length.and_then(|length| length.trim().parse().ok()).unwrap_or(0)
}

fn status(answer: &[u8]) -> u16 {
    let digits = answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// Sends the last bytes to a client, and ends its connection without a reset.
fn end(mut client: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    client.write_all(bytes)?;
    client.shutdown(Shutdown::Write)?;
    client.set_read_timeout(Some(CLIENT_TIME))?;
    let deadline = Moment::now().plus(CLIENT_TIME);
    let mut part = [0; 4_096];
    while deadline.since(Moment::now()) > Duration::ZERO && client.read(&mut part)? > 0 {}
    Ok(())
}

fn position(bytes: &[u8], part: &[u8]) -> Option<usize> {
    bytes.windows(part.len()).position(|window| window == part)
}
