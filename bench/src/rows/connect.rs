//! The cost of opening and keeping one connection.
//! Never: a connection closed while others are counted.

use anyhow::Result;

use crate::clients::client::Client;
use crate::rows::effort::Effort;
use crate::servers::contender::Running;

/// The first connections pay for pools and tables that are not theirs.
const FIRST: usize = 200;

/// The measured cost of a connection.
pub(crate) struct Cost {
    /// CPU from the TCP connection to the answered CONNECT, in microseconds.
    pub(crate) cpu_us: f64,
    /// Resident memory while it idles, in KiB.
    pub(crate) resident_kib: f64,
}

/// Makes connections one after another and keeps them.
pub(crate) async fn measure(running: &Running, effort: &Effort) -> Result<Cost> {
    let mut clients = Vec::with_capacity(FIRST + effort.connections);
    for user in 0..FIRST {
        clients.push(Client::connect(&running.door, user).await?);
    }
    tokio::time::sleep(effort.settle).await;
    let (cpu, resident) = (running.served.cpu_us()?, running.served.resident_kib()?);
    for user in FIRST..FIRST + effort.connections {
        clients.push(Client::connect(&running.door, user).await?);
    }
    let made = effort.connections as f64;
    let cpu_us = (running.served.cpu_us()? - cpu) / made;
    tokio::time::sleep(effort.settle).await;
    let resident_kib = (running.served.resident_kib()? - resident) / made;
    Ok(Cost { cpu_us, resident_kib })
}
