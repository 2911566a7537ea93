//! The real binary: guarded, durable chat messages from many senders.
//! Never: a message counted before its acknowledgement.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::clients::client::{Client, Door};
use crate::clients::dialect::Dialect;
use crate::clients::token::{ISSUER, SECRET, Signer};
use crate::rows::effort::Effort;
use crate::servers::contender::authority;
use crate::servers::explain::attempt;
use crate::servers::measure::{MeasuredServer, Processors};
use crate::servers::plenty;

const ROOMS: usize = 10;
/// Members of each room; each message is delivered to all of them.
pub(crate) const MEMBERS_A_ROOM: usize = 10;

/// How clients reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Plain,
    /// The development certificate of the server.
    Tls,
}

/// CPU of one stored message, in microseconds.
pub(crate) async fn measure(effort: &Effort) -> Result<f64> {
    let (server, _directory) = start()?;
    attempt(&server, send_all(&server, &door(&server), effort.product_rounds)).await
}

/// Starts the binary on a directory of its own.
pub(crate) fn start() -> Result<(MeasuredServer, tempfile::TempDir)> {
    start_over(Transport::Plain)
}

/// The way in, without TLS.
pub(crate) fn door(server: &MeasuredServer) -> Door {
    let signer = Some(Signer::Hs256);
    Door { address: server.address, dialect: Dialect::SocketIo, tls: None, signer, page: None }
}

/// The way in over TLS, to a server that was started in this directory.
pub(crate) fn door_tls(server: &MeasuredServer, directory: &Path) -> Result<Door> {
    let pem = std::fs::read_to_string(directory.join("data/ca.pem")).context("no authority")?;
    Ok(Door { tls: Some(authority(&pem)?), ..door(server) })
}

/// The same as [`start`] over one of the transports.
pub(crate) fn start_over(transport: Transport) -> Result<(MeasuredServer, tempfile::TempDir)> {
    let program = std::env::current_exe()?.with_file_name("portcullis");
    ensure!(program.exists(), "build the server first: cargo build --release -p portcullis");
    let directory = tempfile::tempdir()?;
    let secret = directory.path().join("secret");
    std::fs::write(&secret, SECRET)?;
    Command::new("chmod").arg("600").arg(&secret).status()?;
    let free = || std::net::TcpListener::bind("127.0.0.1:0");
    let (public, private) = (free()?, free()?);
    let addresses = [public.local_addr()?, private.local_addr()?];
    drop((public, private));
    let config = directory.path().join("portcullis.toml");
    std::fs::write(&config, configuration(transport, addresses, &secret.display().to_string()))?;
    let mut command = Command::new(program);
    command.arg("serve").arg("--config").arg(&config);
    command.arg("--data").arg(directory.path().join("data"));
    Ok((MeasuredServer::start(command, Processors::First)?, directory))
}

fn configuration(
    transport: Transport,
    [address, private]: [std::net::SocketAddr; 2],
    secret: &str,
) -> String {
    let limits = plenty::configuration();
    let (tls, scheme) = match transport {
        Transport::Plain => ("off", "http"),
        Transport::Tls => ("development", "https"),
    };
    format!(
        r#"profile = "development"
[listen]
public = "{address}"
private = "{private}"
shards = 1
[transport]
ping_interval_ms = 600000
[tls]
mode = "{tls}"
[origin]
allowed = ["{scheme}://{address}"]
[[token.issuer]]
issuer = "{ISSUER}"
audience = "portcullis"
algorithm = "HS256"
secret_file = "{secret}"
{limits}[audit]
stdout = false
"#
    )
}

/// Everyone sends to their room, and waits for the acknowledgement, so often.
pub(crate) async fn send_all(server: &MeasuredServer, door: &Door, rounds: usize) -> Result<f64> {
    let (mut clients, rooms) = collect(door).await?;
    let before = server.cpu_us()?;
    for round in 0..rounds {
        for (index, client) in clients.iter_mut().enumerate() {
            let id = rooms.get(index / MEMBERS_A_ROOM).context("room")?;
            let text = format!("message number {round} with some ordinary words in it");
            let packet = format!(r#"427["chat:send",{{"roomId":"{id}","message":"{text}"}}]"#);
            client.send(&packet).await?;
        }
        for client in &mut clients {
            let answer = client.until(b"437").await?;
            ensure!(answer.contains("\"ok\":true"), "{answer}");
        }
    }
    let messages = (rounds * ROOMS * MEMBERS_A_ROOM) as f64;
    Ok((server.cpu_us()? - before) / messages)
}

/// The senders, and the rooms of every ten of them.
async fn collect(door: &Door) -> Result<(Vec<Client>, Vec<String>)> {
    let mut clients = Vec::new();
    let mut rooms = Vec::new();
    for room in 0..ROOMS {
        let mut id = String::new();
        for member in 0..MEMBERS_A_ROOM {
            let mut client = Client::connect(door, room * MEMBERS_A_ROOM + member).await?;
            if member == 0 {
                let create = r#"421["room:create",{"name":"bench","visibility":"public"}]"#;
                client.send(create).await?;
                let answer = client.until(b"431").await?;
                let value: serde_json::Value = serde_json::from_str(answer.get(3..).unwrap_or(""))?;
                let found = value.pointer("/0/room/id").and_then(|id| id.as_str());
                found.context(answer.clone())?.clone_into(&mut id);
            } else {
                client.send(&format!(r#"421["room:join",{{"roomId":"{id}"}}]"#)).await?;
                client.until(b"431").await?;
            }
            clients.push(client);
        }
        rooms.push(id);
    }
    Ok((clients, rooms))
}
