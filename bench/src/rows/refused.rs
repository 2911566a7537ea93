//! The cost of a rejection for our server.
//! Never: a refusal that is not answered as it should be.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::clients::client::{Client, handshake};
use crate::rows::baseline;
use crate::rows::effort::Effort;
use crate::servers::contender::{Contender, Running};
use crate::servers::explain::attempt;
use crate::servers::measure::MeasuredServer;

/// Of a flood, so many come together.
pub(crate) const AT_A_TIME: usize = 32;
/// Each connection may be refused nine times before its strikes end it.
const PER_CONNECTION: usize = 9;

/// CPU of one handshake refused for its origin, in microseconds, when so many come at a time.
pub(crate) async fn handshakes(effort: &Effort, at_a_time: usize) -> Result<f64> {
    each(&Contender::Portcullis.start()?.served, effort, at_a_time).await
}

/// The same of a server that reads nothing of what it refuses.
pub(crate) async fn least(effort: &Effort, at_a_time: usize) -> Result<f64> {
    each(&baseline::start_refusals()?, effort, at_a_time).await
}

async fn each(served: &MeasuredServer, effort: &Effort, at_a_time: usize) -> Result<f64> {
    let before = served.cpu_us()?;
    let request = attempt(served, flood(served, 0, effort.connections, at_a_time)).await?;
    Ok((served.cpu_us()? - before) / request as f64)
}

/// Resident memory that a flood leaves behind, in KiB, beyond what its first tenth does.
pub(crate) async fn memory(effort: &Effort) -> Result<f64> {
    let served = Contender::Portcullis.start()?.served;
    let first = attempt(&served, flood(&served, 0, effort.refusals / 10, AT_A_TIME)).await?;
    let before = served.resident_kib()?;
    attempt(&served, flood(&served, first, effort.refusals, AT_A_TIME)).await?;
    Ok(served.resident_kib()? - before)
}

/// So many refused handshakes, each from the next address; gives how many there were.
async fn flood(
    served: &MeasuredServer,
    from: usize,
    many: usize,
    at_a_time: usize,
) -> Result<usize> {
    let rounds = many.div_ceil(at_a_time);
    for round in 0..rounds {
        let mut together = JoinSet::new();
        for number in 0..at_a_time {
            let source = source(from + round * at_a_time + number);
            together.spawn(refuse_one(served.address, source));
        }
        while let Some(refused) = together.join_next().await {
            refused??;
        }
    }
    Ok(rounds * at_a_time)
}

/// One of 60,000 addresses of this machine.
fn source(number: usize) -> Ipv4Addr {
    let [.., high, low] = (number % 60_000).to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

async fn refuse_one(address: SocketAddr, source: Ipv4Addr) -> Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((source, 0).into())?;
    let mut stream = socket.connect(address).await?;
    stream.write_all(handshake(address, "https://evil.example").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    ensure!(answer.starts_with(b"HTTP/1.1 403"), "expected a refusal");
    Ok(())
}

/// CPU of one message refused for its schema, with its answer, in microseconds.
pub(crate) async fn messages(effort: &Effort) -> Result<f64> {
    let running = Contender::Portcullis.start()?;
    attempt(&running.served, each_message(&running, effort)).await
}

async fn each_message(running: &Running, effort: &Effort) -> Result<f64> {
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
