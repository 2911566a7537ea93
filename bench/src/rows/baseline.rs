//! The minimum cost of a round trip and a rejection on this machine: bare TCP, no protocol.
//! Never: compared in absolute terms; it is the yardstick of the same run.

use std::io::{Read, Write};
use std::process::Command;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::rows::effort::Effort;
use crate::servers::measure::{MeasuredServer, Processors};

const CHUNK: usize = 2_000;
/// As long as the masked frame of the guarded echo.
const LENGTH: usize = 128;

/// Echoes bytes until it is killed.
pub(crate) fn serve() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        println!("listening public http://{}", listener.local_addr()?);
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let count = stream.read(&mut buffer).await?;
                let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else {
                    break;
                };
                stream.write_all(bytes).await?;
            }
        }
    })
}

/// The shortest complete response of a rejection.
const REFUSAL: &[u8] = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Rejects one connection after another until it is killed: four system calls each.
pub(crate) fn serve_refusals() -> Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    println!("listening public http://{}", listener.local_addr()?);
    let mut head = vec![0; 4 * 1024];
    loop {
        let (mut stream, _) = listener.accept()?;
        // The head of a benchmark arrives in one piece.
        if stream.read(&mut head)? > 0 {
            stream.write_all(REFUSAL)?;
        }
    }
}

/// Starts the server that refuses.
pub(crate) fn start_refusals() -> Result<MeasuredServer> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("tcp-refusals");
    MeasuredServer::start(command, Processors::First)
}

/// CPU of one round trip, in microseconds.
pub(crate) async fn measure(effort: &Effort) -> Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("tcp-server");
    let server = MeasuredServer::start(command, Processors::First)?;
    let mut stream = TcpStream::connect(server.address).await?;
    stream.set_nodelay(true)?;
    let message = [b'x'; LENGTH];
    let mut answer = [0; LENGTH];
    let before = server.cpu_us()?;
    let mut trips = 0;
    loop {
        for _ in 0..CHUNK {
            stream.write_all(&message).await?;
            stream.read_exact(&mut answer).await?;
        }
        trips += CHUNK;
        let cpu = server.cpu_us()? - before;
        if cpu >= effort.cpu_us {
            return Ok(cpu / trips as f64);
        }
    }
}
