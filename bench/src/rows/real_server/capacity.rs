//! Slopes of the real binary that `portcullis capacity` needs and no other row measures.
//! Never: a target; the figures go to `docs/capacity.md`, which states where they were measured.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::clients::client::{Client, Door};
use crate::pages::chart::short;
use crate::pages::machine;
use crate::rows::effort::Effort;
use crate::rows::real_server::product::{self, Transport};
use crate::rows::sample::Sample;
use crate::servers::explain::{attempt, metrics_of};
use crate::servers::measure::MeasuredServer;

/// The first connections pay for pools and tables that are not theirs.
const FIRST: usize = 200;

/// A figure: its name, its unit, and how it was made.
struct Row {
    name: &'static str,
    unit: &'static str,
    sample: Sample,
}

/// The names and units of the figures, in the order of the page.
const ROWS: [(&str, &str); 9] = [
    ("server without connections", "MB"),
    ("idle connection of a signed-in user", "KB"),
    ("idle connection of a signed-in user over TLS", "KB"),
    ("kernel memory of an idle connection", "KB"),
    ("first connect of a user", "µs"),
    ("first connect of a user over TLS", "µs"),
    ("stored message, 100 at a time", "µs"),
    ("stored message over TLS, 100 at a time", "µs"),
    ("stored message, one at a time", "µs"),
];

/// Measures all figures, and prints them as the page has them.
pub(crate) async fn run(effort: &Effort) -> Result<()> {
    let mut rows = ROWS.map(|(name, unit)| Row { name, unit, sample: Sample::default() });
    for round in 1..=effort.rounds {
        eprintln!("capacity, round {round}");
        for (row, figure) in rows.iter_mut().zip(once(effort).await?) {
            eprintln!("    {}: {figure:.2} {}", row.name, row.unit);
            row.sample.0.push(figure);
        }
    }
    let machine = machine::read()?;
    println!("| measured on | {} |\n|---|---|", machine.date);
    println!("| version | {} |", machine::version());
    println!("| processor | {}, {} cores |", machine.processor, machine.processors);
    println!("| kernel | Linux {} |\n", machine.kernel);
    println!("| figure | median (smallest to largest) |\n|---|---|");
    for Row { name, unit, sample } in rows {
        let [median, min, max] = [sample.median(), sample.min(), sample.max()].map(short);
        println!("| {name} | {median} {unit} ({min} to {max}) |");
    }
    Ok(())
}

async fn once(effort: &Effort) -> Result<[f64; ROWS.len()]> {
    let (server, _directory) = product::start()?;
    let plain = attempt(&server, held(&server, &product::door(&server), effort)).await?;
    drop(server);
    let (server, directory) = product::start_over(Transport::Tls)?;
    let door = product::door_tls(&server, directory.path())?;
    let tls = attempt(&server, held(&server, &door, effort)).await?;
    drop(server);
    let many = product::measure(effort).await?;
    let (server, directory) = product::start_over(Transport::Tls)?;
    let door = product::door_tls(&server, directory.path())?;
    let sent = product::send_all(&server, &door, effort.product_rounds);
    let many_tls = attempt(&server, sent).await?;
    drop(server);
    let (server, _directory) = product::start()?;
    let door = product::door(&server);
    let single = attempt(&server, one_at_a_time(&server, &door, effort)).await?;
    Ok([
        plain.base_mib,
        plain.resident_kib,
        tls.resident_kib,
        plain.kernel_kib,
        plain.cpu_us,
        tls.cpu_us,
        many,
        many_tls,
        single,
    ])
}

/// The cost of idle connections.
struct IdleCost {
    base_mib: f64,
    resident_kib: f64,
    kernel_kib: f64,
    cpu_us: f64,
}

/// Makes connections of one user each, and keeps them.
async fn held(server: &MeasuredServer, door: &Door, effort: &Effort) -> Result<IdleCost> {
    tokio::time::sleep(effort.settle).await;
    let base_mib = server.resident_kib()? / 1024.0;
    let mut clients = Vec::with_capacity(FIRST + effort.connections);
    for user in 0..FIRST {
        clients.push(Client::connect(door, user).await?);
    }
    tokio::time::sleep(effort.settle).await;
    let (cpu, resident, kernel) = (server.cpu_us()?, server.resident_kib()?, slab_kib()?);
    for user in FIRST..FIRST + effort.connections {
        clients.push(Client::connect(door, user).await?);
    }
    let made = effort.connections as f64;
    let cpu_us = (server.cpu_us()? - cpu) / made;
    tokio::time::sleep(effort.settle).await;
    let resident_kib = (server.resident_kib()? - resident) / made;
    // Both ends of each connection are on this machine.
    let kernel_kib = (slab_kib()? - kernel) / made / 2.0;
    Ok(IdleCost { base_mib, resident_kib, kernel_kib, cpu_us })
}

/// Memory of the kernel's own objects, in KiB: sockets and files are among them.
fn slab_kib() -> Result<f64> {
    let facts = std::fs::read_to_string(Path::new("/proc/meminfo"))?;
    let line = facts.lines().find_map(|line| line.strip_prefix("Slab:")).context("no Slab")?;
    Ok(line.split_whitespace().next().context("no Slab")?.parse()?)
}

/// CPU of one stored message of a user who is alone in a room, in microseconds. Each of them has a
/// commit of its own.
async fn one_at_a_time(server: &MeasuredServer, door: &Door, effort: &Effort) -> Result<f64> {
    let mut client = Client::connect(door, 0).await?;
    client.send(r#"421["room:create",{"name":"bench","visibility":"public"}]"#).await?;
    let answer = client.until(b"431").await?;
    let value: serde_json::Value = serde_json::from_str(answer.get(3..).unwrap_or(""))?;
    let room = value.pointer("/0/room/id").and_then(|id| id.as_str()).context(answer.clone())?;
    let messages = effort.product_rounds * product::MEMBERS_A_ROOM;
    let before = server.cpu_us()?;
    for number in 0..messages {
        let text = format!("message number {number} with some ordinary words in it");
        let packet = format!(r#"427["chat:send",{{"roomId":"{room}","message":"{text}"}}]"#);
        client.send(&packet).await?;
        let answer = client.until(b"437").await?;
        ensure!(answer.contains("\"ok\":true"), "{answer}");
    }
    let cpu_us = (server.cpu_us()? - before) / messages as f64;
    let metrics = metrics_of(server).await?;
    for line in metrics.lines().filter(|line| line.starts_with("portcullis_store_commit_seconds_"))
    {
        if !line.contains("_bucket") {
            eprintln!("    {line}");
        }
    }
    Ok(cpu_us)
}
