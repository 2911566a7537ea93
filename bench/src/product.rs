//! The real binary: guarded, durable chat messages from many senders.
//! Never: a message counted before its acknowledgement.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::client::{Client, ISSUER, SECRET, token, unix_s};
use crate::measure::{Served, row};

const ROOMS: usize = 10;
const MEMBERS_A_ROOM: usize = 10;
const ROUNDS: usize = 100;

pub(crate) async fn run() -> Result<()> {
    let program = std::env::current_exe()?.with_file_name("portcullis");
    ensure!(program.exists(), "build the server first: cargo build --release -p portcullis");
    let directory = tempfile::tempdir()?;
    let secret = directory.path().join("secret");
    std::fs::write(&secret, SECRET)?;
    Command::new("chmod").arg("600").arg(&secret).status()?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    drop(listener);
    let config = directory.path().join("portcullis.toml");
    std::fs::write(&config, configuration(address, &secret.display().to_string()))?;
    let mut command = Command::new("taskset");
    command.args(["-c", "0"]).arg(program).arg("serve").arg("--config").arg(&config);
    command.arg("--data").arg(directory.path().join("data"));
    let server = Served::start(&mut command)?;
    measure(&server).await
}

fn configuration(address: std::net::SocketAddr, secret: &str) -> String {
    format!(
        r#"profile = "development"
[listen]
public = "{address}"
private = "127.0.0.1:0"
shards = 1
[tls]
mode = "off"
[origin]
allowed = ["http://{address}"]
[[token.issuer]]
issuer = "{ISSUER}"
audience = "portcullis"
algorithm = "HS256"
secret_file = "{secret}"
[rate]
connect_per_prefix = "100000/1s"
message_per_user = "100000/1s"
message_per_connection = "100000/1s"
event_per_user = {{ "chat:send" = "100000/1s", "room:create" = "100000/1s" }}
[audit]
stdout = false
"#
    )
}

async fn measure(server: &Served) -> Result<()> {
    let now_s = unix_s()?;
    let mut clients = Vec::new();
    let mut rooms = Vec::new();
    for room in 0..ROOMS {
        let mut id = String::new();
        for member in 0..MEMBERS_A_ROOM {
            let user = room * MEMBERS_A_ROOM + member;
            let mut client = Client::connect(server.address, &token(user, now_s)).await?;
            if member == 0 {
                let create = r#"421["room:create",{"name":"bench","visibility":"public"}]"#;
                client.send(create).await?;
                let answer = client.until("431").await?;
                let value: serde_json::Value = serde_json::from_str(answer.get(3..).unwrap_or(""))?;
                let found = value.pointer("/0/room/id").and_then(|id| id.as_str());
                found.context(answer.clone())?.clone_into(&mut id);
            } else {
                client.send(&format!(r#"421["room:join",{{"roomId":"{id}"}}]"#)).await?;
                client.until("431").await?;
            }
            clients.push(client);
        }
        rooms.push(id);
    }
    let before = server.cpu_us()?;
    for round in 0..ROUNDS {
        for (index, client) in clients.iter_mut().enumerate() {
            let id = rooms.get(index / MEMBERS_A_ROOM).context("room")?;
            let text = format!("message number {round} with some ordinary words in it");
            let packet = format!(r#"427["chat:send",{{"roomId":"{id}","message":"{text}"}}]"#);
            client.send(&packet).await?;
        }
        for client in &mut clients {
            let answer = client.until("437").await?;
            ensure!(answer.contains("\"ok\":true"), "{answer}");
        }
    }
    let cpu = server.cpu_us()? - before;
    let messages = (ROUNDS * ROOMS * MEMBERS_A_ROOM) as f64;
    row("chat:send, guarded, stored, to 10 members, CPU a message", cpu / messages, "us");
    Ok(())
}
