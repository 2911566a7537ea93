//! What it costs our server to say no.
//! Never: a refusal that is not answered as it should be.

use std::net::SocketAddr;

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::client::{Client, handshake};
use crate::contender::Contender;
use crate::effort::Effort;

/// Each connection may be refused nine times before its strikes end it.
const PER_CONNECTION: usize = 9;

/// CPU of one handshake refused for its origin, in microseconds, when so many come at a time.
pub(crate) async fn handshakes(effort: &Effort, at_a_time: usize) -> Result<f64> {
    let running = Contender::Portcullis.start()?;
    let before = running.served.cpu_us()?;
    let rounds = effort.connections.div_ceil(at_a_time);
    for _ in 0..rounds {
        let mut together = JoinSet::new();
        for _ in 0..at_a_time {
            together.spawn(refuse_one(running.door.address));
        }
        while let Some(refused) = together.join_next().await {
            refused??;
        }
    }
    Ok((running.served.cpu_us()? - before) / (rounds * at_a_time) as f64)
}

async fn refuse_one(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(handshake(address, "https://evil.example").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    ensure!(answer.starts_with(b"HTTP/1.1 403"), "expected a refusal");
    Ok(())
}

/// CPU of one message refused for its schema, with its answer, in microseconds.
pub(crate) async fn messages(effort: &Effort) -> Result<f64> {
    let running = Contender::Portcullis.start()?;
    let mut clients = Vec::with_capacity(effort.connections);
    for user in 0..effort.connections {
        clients.push(Client::connect(&running.door, user).await?);
    }
    let before = running.served.cpu_us()?;
    let burst = vec![String::from(r#"421["echo",{"text":1}]"#); PER_CONNECTION];
    for client in &mut clients {
        client.send_many(&burst).await?;
        let mut answered = 0;
        while answered < PER_CONNECTION {
            answered += client.count(b"431").await?;
        }
    }
    let refused = (PER_CONNECTION * effort.connections) as f64;
    Ok((running.served.cpu_us()? - before) / refused)
}
