//! The time of a look-up in the database, alone and beside reads of history.
//! Never: processor time; what counts here is whether one kind of read waits for another.

use anyhow::{Context, Result, bail, ensure};
use portcullis_model::Moment;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::clients::client::{Client, Door, Duplex, Visit, open};
use crate::clients::dialect::Dialect;
use crate::clients::token::Signer;
use crate::rows::effort::Effort;
use crate::rows::real_server::product;
use crate::rows::sample::Sample;
use crate::servers::explain::attempt;
use crate::servers::measure::MeasuredServer;

/// Connections that read history without a pause.
pub(crate) const READERS: usize = 4;
/// Messages of the page that they read.
const PAGE: usize = 100;
/// Look-ups for one round of the product's measurement.
const FACTOR: usize = 10;
/// Look-ups at most: after 1,000 requests the server closes a connection.
const LOOK_UPS_MAX: usize = 900;

/// The median time of one look-up, in microseconds, beside so many readers of history.
pub(crate) async fn measure(effort: &Effort, readers: usize) -> Result<f64> {
    let (server, _directory) = product::start()?;
    let count = (effort.product_rounds * FACTOR).min(LOOK_UPS_MAX);
    attempt(&server, look_up_beside(&server, count, readers)).await
}

async fn look_up_beside(server: &MeasuredServer, count: usize, readers: usize) -> Result<f64> {
    let signer = Some(Signer::Hs256);
    let door =
        Door { address: server.address, dialect: Dialect::SocketIo, tls: None, signer, page: None };
    let mut asker = Asker::sign_in(&door).await?;
    if readers == 0 {
        return asker.look_up(count).await;
    }
    let (mut clients, room) = room_with_messages(&door, readers).await?;
    let page = format!(r#"427["chat:history",{{"roomId":"{room}","limit":{PAGE}}}]"#);
    tokio::select! {
        outcome = asker.look_up(count) => outcome,
        ended = read_forever(&mut clients, &page) => bail!("history ended: {ended:?}"),
    }
}

/// Every client has a request under way all the time, or waits for its turn to send the next.
async fn read_forever(clients: &mut [Client], page: &str) -> Result<()> {
    loop {
        for client in &mut *clients {
            client.send(page).await?;
        }
        for client in &mut *clients {
            let answer = client.until(b"437").await?;
            ensure!(answer.contains("\"ok\":true"), "{answer}");
        }
    }
}

/// The members of a room that has a page of messages, and its id.
async fn room_with_messages(door: &Door, members: usize) -> Result<(Vec<Client>, String)> {
    let mut clients = Vec::new();
    let mut room = String::new();
    for member in 0..members {
        let mut client = Client::connect(door, member).await?;
        if member == 0 {
            client.send(r#"421["room:create",{"name":"bench","visibility":"public"}]"#).await?;
            let answer = client.until(b"431").await?;
            let value: Value = serde_json::from_str(answer.get(3..).unwrap_or(""))?;
            let id = value.pointer("/0/room/id").and_then(Value::as_str);
            id.context(answer.clone())?.clone_into(&mut room);
            for number in 0..PAGE {
                let text = format!("message number {number} with some ordinary words in it");
                let packet = json!(["chat:send", { "roomId": room, "message": text }]);
                client.send(&format!("422{packet}")).await?;
                let answer = client.until(b"432").await?;
                ensure!(answer.contains("\"ok\":true"), "{answer}");
            }
        } else {
            client.send(&format!(r#"421["room:join",{{"roomId":"{room}"}}]"#)).await?;
            client.until(b"431").await?;
        }
        clients.push(client);
    }
    Ok((clients, room))
}

/// A user of the server's own, on one HTTP connection.
struct Asker {
    stream: Box<dyn Duplex>,
    host: String,
    token: String,
}

impl Asker {
    /// Makes an account and signs in.
    async fn sign_in(door: &Door) -> Result<Self> {
        let stream = open(door, &Visit::default()).await?;
        let mut asker = Self { stream, host: door.address.to_string(), token: String::new() };
        let body = json!({ "username": "asker", "password": "a plain long sentence of my own" });
        asker.ask("POST /auth/register", &body.to_string()).await?;
        let answer = asker.ask("POST /auth/login", &body.to_string()).await?;
        let token = answer.get("access_token").and_then(Value::as_str);
        asker.token = String::from(token.context("a log-in without a token")?);
        Ok(asker)
    }

    /// Lists the user's sessions so often; gives the median time of one list.
    async fn look_up(&mut self, count: usize) -> Result<f64> {
        let mut times = Sample::default();
        for _ in 0..count {
            let started = Moment::now();
            let answer = self.ask("GET /auth/sessions", "").await?;
            times.0.push(Moment::now().since(started).as_secs_f64() * 1e6);
            ensure!(answer.get("sessions").is_some(), "{answer}");
        }
        Ok(times.median())
    }

    async fn ask(&mut self, line: &str, body: &str) -> Result<Value> {
        let Self { host, token, .. } = self;
        let mut request = format!("{line} HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\n");
        if !token.is_empty() {
            request.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if !body.is_empty() {
            let length = body.len();
            request.push_str(&format!("Content-Length: {length}\r\n"));
            request.push_str("Content-Type: application/json\r\n");
        }
        request.push_str("\r\n");
        request.push_str(body);
        self.stream.write_all(request.as_bytes()).await?;
        self.stream.flush().await?;
        self.answer().await
    }

    async fn answer(&mut self) -> Result<Value> {
        let mut bytes = Vec::new();
        loop {
            ensure!(
                self.stream.read_buf(&mut bytes).await? > 0,
                "the server closed the connection"
            );
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let (head, body) = bytes.split_at(end + 4);
            let head = String::from_utf8_lossy(head).to_ascii_lowercase();
            let length = head.split_once("content-length: ").context("no length")?.1;
            let length: usize = length.lines().next().unwrap_or_default().parse()?;
            if body.len() < length {
                continue;
            }
            let is_good = head.starts_with("http/1.1 2");
            ensure!(is_good, "{head}{}", String::from_utf8_lossy(body));
            return Ok(serde_json::from_slice(body)?);
        }
    }
}
