//! What one connection costs: to make, to keep, to echo.
//! Never: more than one thing measured at a time.

use anyhow::Result;

use crate::client::{Client, token, unix_s};
use crate::echo_server;
use crate::measure::row;

const CONNECTS: usize = 3_000;
const IDLE: usize = 5_000;

pub(crate) async fn run() -> Result<()> {
    connects().await?;
    idle().await?;
    echo(1, 20_000).await?;
    echo(16, 64_000).await?;
    refused_handshakes().await?;
    refused_messages().await
}

async fn connects() -> Result<()> {
    let server = echo_server::start()?;
    let now_s = unix_s()?;
    let tokens: Vec<String> = (0..CONNECTS).map(|user| token(user, now_s)).collect();
    let before = server.cpu_us()?;
    for token in &tokens {
        Client::connect(server.address, token).await?;
    }
    let cpu = server.cpu_us()? - before;
    row("connect (handshake, admission, HS256, CONNECT), CPU each", cpu / CONNECTS as f64, "us");
    Ok(())
}

async fn idle() -> Result<()> {
    let server = echo_server::start()?;
    let now_s = unix_s()?;
    let mut clients = Vec::with_capacity(IDLE + 100);
    // The first hundred pay for pools and tables that are not theirs.
    for user in 0..100 {
        clients.push(Client::connect(server.address, &token(user, now_s)).await?);
    }
    let before = server.resident_kib()?;
    for user in 100..IDLE + 100 {
        clients.push(Client::connect(server.address, &token(user, now_s)).await?);
    }
    let each = (server.resident_kib()? - before) / IDLE as f64;
    row(&format!("idle signed-in connection, resident, of {IDLE}"), each, "KiB");
    Ok(())
}

async fn echo(window: usize, messages: usize) -> Result<()> {
    let server = echo_server::start()?;
    let mut client = Client::connect(server.address, &token(0, unix_s()?)).await?;
    let text = "x".repeat(100);
    let packet = format!(r#"421["echo",{{"text":"{text}"}}]"#);
    let burst = vec![packet; window];
    let before = server.cpu_us()?;
    for _ in 0..messages / window {
        client.send_many(&burst).await?;
        let mut answered = 0;
        while answered < window {
            answered += client.count(b"431").await?;
        }
    }
    let cpu = server.cpu_us()? - before;
    row(
        &format!("echo of a guarded event, window {window}, CPU each"),
        cpu / messages as f64,
        "us",
    );
    Ok(())
}

async fn refused_handshakes() -> Result<()> {
    let server = echo_server::start()?;
    let before = server.cpu_us()?;
    for _ in 0..CONNECTS {
        refuse_one(server.address).await?;
    }
    let cpu = server.cpu_us()? - before;
    row("refused handshake (origin), CPU each", cpu / CONNECTS as f64, "us");
    Ok(())
}

async fn refuse_one(address: std::net::SocketAddr) -> Result<()> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(address).await?;
    let request = format!(
        "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\n\
         Origin: https://evil.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    anyhow::ensure!(answer.starts_with(b"HTTP/1.1 403"), "expected a refusal");
    Ok(())
}

/// Each connection may be refused nine times before its strikes end it.
async fn refused_messages() -> Result<()> {
    const PER_CONNECTION: usize = 9;
    const CONNECTIONS: usize = 1_000;
    let server = echo_server::start()?;
    let now_s = unix_s()?;
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for user in 0..CONNECTIONS {
        clients.push(Client::connect(server.address, &token(user, now_s)).await?);
    }
    let before = server.cpu_us()?;
    let burst = vec![String::from(r#"421["echo",{"text":1}]"#); PER_CONNECTION];
    for client in &mut clients {
        client.send_many(&burst).await?;
        let mut answered = 0;
        while answered < PER_CONNECTION {
            answered += client.count(b"431").await?;
        }
    }
    let cpu = server.cpu_us()? - before;
    let refused = (PER_CONNECTION * CONNECTIONS) as f64;
    row("refused message (schema), CPU each, with its answer", cpu / refused, "us");
    Ok(())
}
