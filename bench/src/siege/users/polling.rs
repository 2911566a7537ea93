//! A connection of an honest client or an attacker: a WebSocket, or long-polling over HTTP.
//! Never: two polls or two posts of a session at a time, which would end it.

use std::collections::VecDeque;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::clients::client::{Client, Door, Duplex, Visit, open};
use crate::siege::server::target::is_whole;

/// The separator of two packets of a body.
const SEPARATOR: char = '\u{1e}';

/// The transport of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Socket,
    Polling,
}

/// A connected client.
pub(crate) enum Connection {
    Socket(Client),
    Polling(Box<Poller>),
}

impl Connection {
    /// Connects without signing in.
    pub(crate) async fn open(door: &Door, visit: &Visit, way: Way) -> Result<Self> {
        Ok(match way {
            Way::Socket => Self::Socket(Client::upgrade(door, visit).await?),
            Way::Polling => Self::Polling(Box::new(Poller::open(door, visit).await?)),
        })
    }

    /// Connects and signs in at `/`.
    pub(crate) async fn sign_in(door: &Door, visit: &Visit, way: Way) -> Result<Self> {
        let mut connection = Self::open(door, visit, way).await?;
        let answer = connection.connect(visit).await?;
        if !answer.starts_with("40") {
            bail!("not connected: {answer}");
        }
        Ok(connection)
    }

    /// Asks to be signed in at `/`; gives the answer, whatever it is.
    pub(crate) async fn connect(&mut self, visit: &Visit) -> Result<String> {
        let token = visit.token.as_deref();
        let packet =
            token.map_or_else(|| String::from("40"), |it| format!(r#"40{{"token":"{it}"}}"#));
        self.send(&packet).await?;
        self.until(b"4").await
    }

    pub(crate) async fn send(&mut self, text: &str) -> Result<()> {
        match self {
            Self::Socket(client) => client.send(text).await,
            Self::Polling(poller) => poller.send(text).await,
        }
    }

    pub(crate) async fn send_many(&mut self, texts: &[String]) -> Result<()> {
        match self {
            Self::Socket(client) => client.send_many(texts).await,
            Self::Polling(poller) => poller.send(&texts.join("\u{1e}")).await,
        }
    }

    /// The next packet that starts with `prefix`; it may be dropped while it waits.
    pub(crate) async fn until(&mut self, prefix: &[u8]) -> Result<String> {
        match self {
            Self::Socket(client) => client.until(prefix).await,
            Self::Polling(poller) => poller.until(prefix).await,
        }
    }
}

/// A long-polling session: one connection for polls, one for posts.
pub(crate) struct Poller {
    /// The parts of every request: path, then headers.
    path: String,
    headers: String,
    polls: Http,
    posts: Http,
    packets: VecDeque<String>,
    is_requested: bool,
}

impl Poller {
    /// Opens a session.
    pub(crate) async fn open(door: &Door, visit: &Visit) -> Result<Self> {
        let address = door.address;
        let admission = visit.admission.as_deref();
        let admission = admission.map_or_else(String::new, |it| format!("X-Admission: {it}\r\n"));
        let headers = format!("Host: {address}\r\nOrigin: {}\r\n{admission}", door.origin());
        let path = String::from("/socket.io/?EIO=4&transport=polling");
        let mut polls = Http::open(door, visit).await?;
        polls.ask(&format!("GET {path} HTTP/1.1\r\n{headers}\r\n"));
        let opened = polls.answer().await?;
        let packet = opened.strip_prefix('0').context("no open packet")?;
        let packet: serde_json::Value = serde_json::from_str(packet)?;
        let sid = packet.get("sid").and_then(|sid| sid.as_str()).context("no sid")?;
        let path = format!("{path}&sid={sid}");
        let posts = Http::open(door, visit).await?;
        Ok(Self { path, headers, polls, posts, packets: VecDeque::new(), is_requested: false })
    }

    /// Signs in at `/` with this packet and moves the session to a WebSocket at the same time, as
    /// the stock client does. Returns the WebSocket, or why the session stays on long-polling.
    pub(crate) async fn sign_in_and_upgrade(
        &mut self,
        door: &Door,
        visit: &Visit,
        packet: &str,
    ) -> Result<Result<Client>> {
        let path = self.path.replace("transport=polling", "transport=websocket");
        let sign_in = async {
            self.send(packet).await?;
            self.until(b"4").await
        };
        let (answer, socket) = tokio::join!(sign_in, Client::upgrade_at(door, visit, &path));
        let answer = answer?;
        if !answer.starts_with("40") {
            bail!("not connected: {answer}");
        }
        let upgraded = match socket {
            Ok(socket) => self.move_to(socket).await,
            Err(error) => Err(error),
        };
        Ok(upgraded)
    }

    async fn move_to(&mut self, mut socket: Client) -> Result<Client> {
        socket.send("2probe").await?;
        // The server answers the poll that waits, so that no packet is lost in it.
        let (probe, poll) = tokio::join!(socket.until(b"3probe"), self.until(b"6"));
        probe?;
        poll?;
        socket.send("5").await?;
        Ok(socket)
    }

    async fn send(&mut self, text: &str) -> Result<()> {
        let Self { path, headers, posts, .. } = self;
        let length = text.len();
        posts.ask(&format!(
            "POST {path} HTTP/1.1\r\n{headers}Content-Type: text/plain;charset=UTF-8\r\n\
             Content-Length: {length}\r\n\r\n{text}"
        ));
        posts.answer().await.map(drop)
    }

    async fn until(&mut self, prefix: &[u8]) -> Result<String> {
        loop {
            while let Some(packet) = self.packets.pop_front() {
                if packet.as_bytes().starts_with(prefix) {
                    return Ok(packet);
                }
            }
            if !std::mem::replace(&mut self.is_requested, true) {
                self.polls.ask(&format!("GET {} HTTP/1.1\r\n{}\r\n", self.path, self.headers));
            }
            let body = self.polls.answer().await;
            self.is_requested = false;
            self.packets.extend(body?.split(SEPARATOR).map(String::from));
        }
    }
}

/// A connection for one request after the other; another one when the server has had enough of it.
struct Http {
    door: Door,
    visit: Visit,
    stream: Box<dyn Duplex>,
    is_over: bool,
    to_write: Vec<u8>,
    read: Vec<u8>,
}

impl Http {
    async fn open(door: &Door, visit: &Visit) -> Result<Self> {
        Ok(Self {
            door: door.clone(),
            visit: visit.clone(),
            stream: open(door, visit).await?,
            is_over: false,
            to_write: Vec::new(),
            read: Vec::new(),
        })
    }

    fn ask(&mut self, request: &str) {
        self.to_write.extend_from_slice(request.as_bytes());
    }

    /// The body of the answer to what was asked; goes on where it was dropped.
    async fn answer(&mut self) -> Result<String> {
        if self.is_over {
            self.stream = open(&self.door, &self.visit).await?;
            self.is_over = false;
        }
        while !self.to_write.is_empty() {
            let written = self.stream.write(&self.to_write).await?;
            self.to_write.drain(..written);
        }
        self.stream.flush().await?;
        while !is_whole(&self.read) {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                bail!("the server closed the connection");
            }
        }
        // Requests follow one another, so that nothing stands behind the answer.
        let answer = String::from_utf8_lossy(&std::mem::take(&mut self.read)).into_owned();
        match answer.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 200") => {
                // A connection carries a thousand requests; browsers open the next one.
                self.is_over = head.contains("\r\nConnection: close");
                Ok(String::from(body))
            }
            _ => bail!("refused: {answer}"),
        }
    }
}
