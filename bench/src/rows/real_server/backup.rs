//! The time of an acknowledgement beside a backup: stored messages at a steady rate.
//! Never: a target for the machine; what counts is the ratio within one run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use portcullis_model::Moment;
use tokio::sync::watch;
use tokio::task::{JoinSet, LocalSet, spawn_blocking};
use tokio::time::sleep;

use crate::clients::client::{Client, Door};
use crate::rows::effort::Effort;
use crate::rows::real_server::product;
use crate::rows::sample::Sample;
use crate::servers::explain::attempt;

/// Senders; each is alone in a room, so that a message is one commit and one acknowledgement.
const SENDERS: usize = 100;
/// Messages a second of all senders together.
const RATE: usize = 5_000;
/// The time between two messages of one sender.
const EVERY: Duration = Duration::from_micros((1_000_000 * SENDERS / RATE) as u64);
/// Messages in the database before the first backup, for one round of the product's measurement.
const STORED: usize = 2_000;

/// The times of the acknowledgements of one phase, in milliseconds, and its length.
#[derive(Debug, Default)]
struct Phase {
    times_ms: Vec<f64>,
    length_s: f64,
}

impl Phase {
    fn percentile(&self, percent: usize) -> f64 {
        let mut sorted = self.times_ms.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted.get(rank).copied().unwrap_or(f64::NAN)
    }

    fn rate(&self) -> f64 {
        self.times_ms.len() as f64 / self.length_s
    }
}

/// Measures rounds of a phase without and a phase beside a backup, and prints them.
pub(crate) async fn run(effort: &Effort) -> Result<()> {
    let (server, directory) = product::start()?;
    let (local, door) = (LocalSet::new(), product::door(&server));
    let rounds = local.run_until(all(&door, directory.path(), effort));
    let rounds = attempt(&server, rounds).await?;
    let ratio = |percent: usize| {
        let of = |phase: &Phase| phase.percentile(percent);
        Sample(rounds.iter().map(|(quiet, busy)| of(busy) / of(quiet)).collect())
    };
    println!("| round | p50 and p99 without, ms | beside a backup, ms | messages/s | backup, s |");
    println!("|---|---|---|---|---|");
    for (index, (quiet, busy)) in rounds.iter().enumerate() {
        println!(
            "| {} | {:.2}, {:.2} | {:.2}, {:.2} | {:.0}, {:.0} | {:.1} |",
            index + 1,
            quiet.percentile(50),
            quiet.percentile(99),
            busy.percentile(50),
            busy.percentile(99),
            quiet.rate(),
            busy.rate(),
            busy.length_s,
        );
    }
    for percent in [50, 99] {
        let ratio = ratio(percent);
        let [median, min, max] = [ratio.median(), ratio.min(), ratio.max()];
        println!("p{percent} beside a backup: {median:.2} times ({min:.2} to {max:.2})");
    }
    Ok(())
}

async fn all(door: &Door, directory: &Path, effort: &Effort) -> Result<Vec<(Phase, Phase)>> {
    let stored = STORED * effort.product_rounds;
    let mut senders = Senders::sign_in(door).await?;
    senders.fill(stored).await?;
    let size = directory.join("data/portcullis.db").metadata()?.len();
    eprintln!("{stored} messages stored, {} MiB", size / 1024 / 1024);
    let mut rounds = Vec::new();
    for round in 0..effort.rounds {
        let copy = directory.join(format!("copy-{round}"));
        let busy_end = make_backup(directory.to_path_buf(), copy.clone());
        let busy = senders.send_until(busy_end).await?;
        ensure!(copy.join("manifest.json").exists(), "the backup has no manifest");
        std::fs::remove_dir_all(&copy)?;
        let length = Duration::from_secs_f64(busy.length_s.max(2.0));
        let quiet = async move {
            sleep(length).await;
            Ok(())
        };
        rounds.push((senders.send_until(quiet).await?, busy));
    }
    Ok(rounds)
}

/// The command that an operator uses.
async fn make_backup(directory: PathBuf, copy: PathBuf) -> Result<()> {
    let program = std::env::current_exe()?.with_file_name("portcullis");
    let mut command = Command::new(program);
    command.arg("backup").arg(copy).arg("--config").arg(directory.join("portcullis.toml"));
    command.arg("--data").arg(directory.join("data")).stdout(Stdio::null());
    let status = spawn_blocking(move || command.status()).await??;
    ensure!(status.success(), "the backup ended with {status}");
    Ok(())
}

/// A signed-in user and the room of that user.
struct Sender {
    client: Client,
    packet: String,
}

impl Sender {
    async fn send(&mut self) -> Result<()> {
        self.client.send(&self.packet).await?;
        let answer = self.client.until(b"437").await?;
        ensure!(answer.contains("\"ok\":true"), "{answer}");
        Ok(())
    }
}

struct Senders(Vec<Sender>);

impl Senders {
    async fn sign_in(door: &Door) -> Result<Self> {
        let mut senders = Vec::with_capacity(SENDERS);
        for user in 0..SENDERS {
            let mut client = Client::connect(door, user).await?;
            client.send(r#"421["room:create",{"name":"bench","visibility":"public"}]"#).await?;
            let answer = client.until(b"431").await?;
            let value: serde_json::Value = serde_json::from_str(answer.get(3..).unwrap_or(""))?;
            let room = value.pointer("/0/room/id").and_then(serde_json::Value::as_str);
            let room = room.context(answer.clone())?;
            let text = "a message with some ordinary words in it";
            let packet = format!(r#"427["chat:send",{{"roomId":"{room}","message":"{text}"}}]"#);
            senders.push(Sender { client, packet });
        }
        Ok(Self(senders))
    }

    /// Stores messages as fast as they are acknowledged.
    async fn fill(&mut self, messages: usize) -> Result<()> {
        for _ in 0..messages / SENDERS {
            for sender in &mut self.0 {
                sender.client.send(&sender.packet).await?;
            }
            for sender in &mut self.0 {
                let answer = sender.client.until(b"437").await?;
                ensure!(answer.contains("\"ok\":true"), "{answer}");
            }
        }
        Ok(())
    }

    /// Sends at the steady rate until another work ends. The time of an acknowledgement counts from
    /// the moment at which its message was due, so that a late sender hides nothing.
    async fn send_until(&mut self, work: impl Future<Output = Result<()>>) -> Result<Phase> {
        let started = Moment::now();
        let (end, ended) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (index, mut sender) in std::mem::take(&mut self.0).into_iter().enumerate() {
            let first = EVERY / u32::try_from(SENDERS)? * u32::try_from(index)?;
            let ended = ended.clone();
            tasks.spawn_local(async move {
                let mut times_ms = Vec::new();
                let mut due = started.plus(first);
                while !*ended.borrow() {
                    sleep(due.since(Moment::now())).await;
                    sender.send().await?;
                    times_ms.push(Moment::now().since(due).as_secs_f64() * 1_000.0);
                    due = due.plus(EVERY);
                }
                anyhow::Ok((sender, times_ms))
            });
        }
        work.await?;
        let mut phase =
            Phase { times_ms: Vec::new(), length_s: Moment::now().since(started).as_secs_f64() };
        end.send_replace(true);
        while let Some(task) = tasks.join_next().await {
            let (sender, times_ms) = task??;
            self.0.push(sender);
            phase.times_ms.extend(times_ms);
        }
        Ok(phase)
    }
}
