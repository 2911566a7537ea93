//! Connections that the server rejects for every kind of reason, so that it writes records.
//! Never: a request that the server should accept.

use std::net::Ipv4Addr;

use anyhow::{Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, timeout};

use crate::clients::client::{Door, Duplex, Visit, open};
use crate::siege::attack::schedule::Siege;
use crate::siege::server::target::is_whole;
use crate::siege::users::polling::{Connection, Way};

/// Source addresses of the connections.
pub(crate) const SOURCES: u32 = 6_000;
/// Their address block: `127.66.*.*` is that of other attackers.
const BLOCK: u8 = 67;
/// Connections of the same kind that an address makes in turn.
const SAME_KIND: u32 = 5;
/// Requests that one connection sends, one after the other, unless it is closed before.
const REQUESTS_EACH: usize = 3;
/// Longest wait for an answer. Records are written when the server rejects, not when it answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);
/// Fills the fields that records quote from the client, to their maximum length.
const FILLER: usize = 300;

/// Requests that are rejected. `{host}` is the server's name, `{page}` the origin that it accepts,
/// `{long}` text for the record, `{ws}` the headers of a WebSocket handshake.
const REQUESTS: &[&str] = &[
    "GET /{long} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {long}\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: other.example\r\nUser-Agent: {long}\r\n\r\n",
    "GET / HTTP/1.1\r\nUser-Agent: {long}\r\n\r\n",
    "DELETE /auth/login HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {long}\r\n\r\n",
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\n\
     Origin: https://{long}.example\r\nUser-Agent: {long}\r\n{ws}\r\n",
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {host}\r\n\
     User-Agent: {long}\r\n{ws}\r\n",
    "GET /socket.io/?EIO=4&transport=websocket&token=e30.e30.AAAA HTTP/1.1\r\nHost: {host}\r\n\
     Origin: {page}\r\nUser-Agent: {long}\r\n{ws}\r\n",
    "GET /socket.io/?EIO=3&transport=websocket HTTP/1.1\r\nHost: {host}\r\n\
     Origin: {page}\r\nUser-Agent: {long}\r\n{ws}\r\n",
    "GET /socket.io/?EIO=4&transport=carrier-pigeon HTTP/1.1\r\nHost: {host}\r\n\
     Origin: {page}\r\nUser-Agent: {long}\r\n\r\n",
    "GET /socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA HTTP/1.1\r\n\
     Host: {host}\r\nOrigin: {page}\r\nUser-Agent: {long}\r\n\r\n",
    "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: {host}\r\n\
     Sec-Fetch-Site: cross-site\r\nUser-Agent: {long}\r\n\r\n",
    "POST /auth/login HTTP/1.1\r\nHost: {host}\r\nOrigin: {page}\r\n\
     User-Agent: {long}\r\nContent-Type: application/json\r\nContent-Length: 1\r\n\r\n{",
    "POST /auth/login HTTP/1.1\r\nHost: {host}\r\nOrigin: https://other.example\r\n\
     User-Agent: {long}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "POST /auth/login HTTP/1.1\r\nHost: {host}\r\nOrigin: {page}\r\n\
     User-Agent: {long}\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
    "POST /auth/register HTTP/1.1\r\nHost: {host}\r\nOrigin: {page}\r\n\
     User-Agent: {long}\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n\
     {\"username\":1}",
    "POST /auth/ticket HTTP/1.1\r\nHost: {host}\r\nOrigin: {page}\r\n\
     User-Agent: {long}\r\nAuthorization: Bearer e30.e30.AAAA\r\n\
     Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "POST /auth/refresh HTTP/1.1\r\nHost: {host}\r\nOrigin: {page}\r\n\
     User-Agent: {long}\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
    "GET /auth/profile HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {long}\r\n\r\n",
    "POST /auth/login HTTP/1.1\r\nHost: {host}\r\nOrigin: {page}\r\n\
     User-Agent: {long}\r\nContent-Type: application/json\r\nContent-Length: 99999999\r\n\r\n",
    "POST /auth/login HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\
     User-Agent: {long}\r\n\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: {host}\r\nHost: {host}\r\nUser-Agent: {long}\r\n\r\n",
    "\x01\x02\x03 {long}\r\n\r\n",
];

/// Packets that are rejected on a socket whose handshake was in order.
const PACKETS: &[&str] = &[
    r#"40{"token":"e30.e30.AAAA"}"#,
    r#"40{"token":1}"#,
    "40",
    r#"40/nowhere,{"token":"e30.e30.AAAA"}"#,
    r#"42["chat:send",{"roomId":"room","message":"text"}]"#,
    r#"40{"ticket":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
    "4x",
    "9",
    "451-",
];

/// The request by which a connection is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Requests over TLS, from this one on.
    Requests(usize),
    /// A WebSocket that sends one packet.
    Packet(&'static str),
    /// Bytes that are not TLS.
    Plain,
}

/// The kind of a connection by its number: requests, packets, and plain bytes now and then.
///
/// An address stays with its kind for some connections, because the first records of a kind and
/// an address are written in full, and then takes the next one.
fn kind(number: u32) -> Kind {
    let number = (number % SOURCES + number / SOURCES / SAME_KIND) as usize;
    match number % 8 {
        0 => Kind::Plain,
        1 | 2 => Kind::Packet(PACKETS.get(number / 8 % PACKETS.len()).copied().unwrap_or("4x")),
        _ => Kind::Requests(number % REQUESTS.len()),
    }
}

fn source(number: u32) -> Ipv4Addr {
    let [.., high, low] = (number % SOURCES).to_be_bytes();
    Ipv4Addr::new(127, BLOCK, high, low)
}

/// A request with its fields filled in.
fn filled(template: &str, host: &str, page: &str) -> String {
    const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                           Sec-WebSocket-Version: 13\r\n\
                           Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    let long = "x".repeat(FILLER);
    template
        .replace("{host}", host)
        .replace("{page}", page)
        .replace("{long}", &long)
        .replace("{ws}", UPGRADE)
}

impl Siege {
    /// One connection. It succeeds when the server accepts something, which it should not.
    pub(crate) async fn be_rejected(self, number: u32) -> Result<()> {
        let visit = Visit { source: Some(source(number)), ..Visit::default() };
        match kind(number) {
            Kind::Requests(first) => requests(&self.door, &visit, first).await,
            Kind::Packet(packet) => {
                let mut connection = Connection::open(&self.door, &visit, Way::Socket).await?;
                connection.send(packet).await?;
                let answer = timeout(ANSWER_TIMEOUT, connection.until(b"4")).await??;
                ensure!(answer.starts_with("40"), "rejected: {answer}");
                Ok(())
            }
            Kind::Plain => {
                let door = Door { tls: None, ..self.door.clone() };
                let mut stream = open(&door, &visit).await?;
                stream.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
                let mut answer = Vec::new();
                timeout(ANSWER_TIMEOUT, stream.read_to_end(&mut answer)).await??;
                bail!("rejected")
            }
        }
    }
}

/// Sends requests on one connection until the server closes it.
async fn requests(door: &Door, visit: &Visit, first: usize) -> Result<()> {
    let (host, page) = (door.address.to_string(), door.origin());
    let mut stream = open(door, visit).await?;
    for template in REQUESTS.iter().cycle().skip(first).take(REQUESTS_EACH) {
        stream.write_all(filled(template, &host, &page).as_bytes()).await?;
        stream.flush().await?;
        let answer = timeout(ANSWER_TIMEOUT, answer(&mut stream)).await??;
        if answer.starts_with("HTTP/1.1 2") || answer.starts_with("HTTP/1.1 101") {
            return Ok(());
        }
        if answer.contains("\r\nConnection: close") {
            break;
        }
    }
    bail!("rejected")
}

async fn answer(stream: &mut Box<dyn Duplex>) -> Result<String> {
    let mut answer = Vec::new();
    while !is_whole(&answer) {
        ensure!(stream.read_buf(&mut answer).await? > 0, "closed");
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_source_tries_several_kinds() {
        let kinds: HashSet<_> =
            (0..8).map(|round| format!("{:?}", kind(round * SAME_KIND * SOURCES))).collect();
        assert!(kinds.len() > 5, "{kinds:?}");
        assert_eq!((source(0), source(SOURCES)), (source(2 * SOURCES), source(0)));
    }

    #[test]
    fn every_request_and_packet_is_tried() {
        let kinds: Vec<_> = (0..SOURCES).map(kind).collect();
        for first in 0..REQUESTS.len() {
            assert!(kinds.contains(&Kind::Requests(first)), "{first}");
        }
        for packet in PACKETS {
            assert!(kinds.contains(&Kind::Packet(packet)), "{packet}");
        }
    }

    #[test]
    fn fields_are_filled_in() {
        for template in REQUESTS {
            let request = filled(template, "127.0.0.1:1", "https://a.example");
            for field in ["{host}", "{page}", "{long}", "{ws}"] {
                assert!(!request.contains(field), "{request}");
            }
        }
    }
}
