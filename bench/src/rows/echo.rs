//! One message there and its answer back, on one connection or on many in turn.
//! Never: more than the window unanswered.

use anyhow::Result;

use crate::clients::client::Client;
use crate::rows::effort::Effort;
use crate::servers::contender::Running;

/// Messages between two samples of the processor time.
const CHUNK: usize = 2_048;

/// CPU of one echo, for each window, in microseconds.
pub(crate) async fn measure(
    running: &Running,
    windows: &[usize],
    effort: &Effort,
) -> Result<Vec<f64>> {
    let mut client = [Client::connect(&running.door, 0).await?];
    let mut figures = Vec::new();
    for window in windows {
        figures.push(in_turn(running, &mut client, *window, effort).await?);
    }
    Ok(figures)
}

/// CPU of one echo when `connections` are used in turn, in microseconds.
pub(crate) async fn measure_many(
    running: &Running,
    connections: usize,
    effort: &Effort,
) -> Result<f64> {
    let mut clients = Vec::with_capacity(connections);
    for user in 0..connections {
        clients.push(Client::connect(&running.door, user).await?);
    }
    in_turn(running, &mut clients, 1, effort).await
}

async fn in_turn(
    running: &Running,
    clients: &mut [Client],
    window: usize,
    effort: &Effort,
) -> Result<f64> {
    let dialect = running.door.dialect;
    let burst = vec![dialect.echo(); window];
    let rounds = CHUNK.div_ceil(window * clients.len());
    let mut before = 0.0;
    let mut chunks = 0.0;
    loop {
        for _ in 0..rounds {
            for client in clients.iter_mut() {
                client.send_many(&burst).await?;
                let mut answered = 0;
                while answered < window {
                    answered += client.count(dialect.echoed()).await?;
                }
            }
        }
        let now = running.served.cpu_us()?;
        // The first chunk warms caches and just-in-time compilers.
        if before == 0.0 {
            before = now;
            continue;
        }
        chunks += 1.0;
        if now - before >= effort.cpu_us {
            let messages = chunks * (rounds * window * clients.len()) as f64;
            return Ok((now - before) / messages);
        }
    }
}
