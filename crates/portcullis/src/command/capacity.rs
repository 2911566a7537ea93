//! `portcullis capacity`: what a machine carries, and what a load needs.
//! Never: a change; a running server is asked for its metrics only.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::to_string_pretty;

use super::access;
use super::installation::Installation;
use super::running::private_request::exchange;
use crate::capacity::caps::Caps;
use crate::capacity::figures::Figures;
use crate::capacity::machine::Machine;
use crate::capacity::metrics_text::ServerFacts;
use crate::capacity::own_slopes::{Interval, apply_memory, apply_processor, commit_us};
use crate::capacity::plan::{Inputs, Plan};
use crate::capacity::slopes::Slopes;
use crate::capacity::workload::Workload;
use crate::output::outln;

const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
/// Seconds between two readings of the metrics, at most.
const INTERVAL_MAX_S: u64 = 3_600;

/// The arguments of `portcullis capacity`.
#[derive(Debug, Args)]
pub(crate) struct CapacityArguments {
    /// Connections that are open at a time.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    connections: Option<u64>,
    /// Messages that all clients send in a second.
    #[arg(long, value_name = "N", value_parser = read_positive)]
    messages_per_second: Option<f64>,
    /// Members of the room of a message; each of them gets it.
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    members: u64,
    /// The part of the messages that is stored, in percent; messages of the chat are.
    #[arg(long, value_name = "PERCENT", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u8).range(0..=100))]
    stored: u8,
    /// Length of the text of a message, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 100)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    text: u64,
    /// Processors; by default those of this machine, or of its control group. Each carries a shard.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_024))]
    cores: Option<u64>,
    /// Memory in GiB; by default that of this machine, or of its control group.
    #[arg(long, value_name = "GIB", value_parser = read_positive)]
    memory: Option<f64>,
    /// Open files of the server; by default the limit of a running server, or of this shell.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(64..))]
    files: Option<u64>,
    /// Speed of the network in Mbit/s; by default that of the fastest interface, if it reports one.
    #[arg(long, value_name = "MBIT", value_parser = read_positive)]
    network: Option<f64>,
    /// Measures the processor time of the running server over this time; run it in a busy hour.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "10")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=INTERVAL_MAX_S))]
    measured: Option<u64>,
    /// Prints the plan as JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the plan.
pub(super) fn run(installation: &Installation, arguments: &CapacityArguments) -> Result<()> {
    let plan = Plan::of(inputs(installation, arguments)?);
    if arguments.json {
        outln!("{}", to_string_pretty(&plan)?)?;
    } else {
        outln!("{}", plan.to_string().trim_end())?;
    }
    Ok(())
}

fn inputs(installation: &Installation, arguments: &CapacityArguments) -> Result<Inputs> {
    let settings = &installation.settings;
    let mut caps = Caps::of(settings, &access::actions(settings)?.0);
    let mut machine = Machine::read(&settings.storage.data);
    let slopes = Slopes::read(&Figures::read()?, caps.encryption())?;
    let load = Workload {
        connections: arguments.connections,
        messages: arguments.messages_per_second,
        members: arguments.members,
        stored_percent: f64::from(arguments.stored),
        text_bytes: arguments.text,
    };
    let first = server_facts(installation);
    if let Ok(facts) = &first {
        let files = facts.files_max as u64;
        machine.files = (files > 0).then_some(files);
        if let Some(us) = commit_us(facts) {
            machine.commit_us = Some(us);
            machine.commit_from = format!("the running server: {} commits", facts.commits);
        }
    }
    if let Some(cores) = arguments.cores {
        // Another machine has as many shards as processors.
        (machine.cores, caps.shards) = (cores, cores);
    }
    if let Some(gib) = arguments.memory {
        machine.memory_bytes = Some((gib * GIB) as u64);
        caps.memory_bytes = None;
    }
    machine.files = arguments.files.or(machine.files);
    machine.network_mbit = arguments.network.or(machine.network_mbit);
    let mut inputs = Inputs { machine, caps, slopes, load, notes: Vec::new() };
    match first {
        Ok(facts) => apply_server(installation, arguments, &mut inputs, &facts)?,
        Err(why) if arguments.measured.is_some() => return Err(why),
        Err(_no_server) => inputs
            .notes
            .push(String::from("no server runs here, so all slopes are those of the benchmarks")),
    }
    Ok(inputs)
}

/// Applies what the running server has measured.
fn apply_server(
    installation: &Installation,
    arguments: &CapacityArguments,
    inputs: &mut Inputs,
    first: &ServerFacts,
) -> Result<()> {
    let Inputs { slopes, notes, load, caps, .. } = inputs;
    let mut latest = *first;
    if let Some(seconds) = arguments.measured {
        thread::sleep(Duration::from_secs(seconds));
        latest = server_facts(installation)?;
        let interval = Interval { facts: latest.since(first), seconds: seconds as f64 };
        notes.extend(apply_processor(slopes, &interval, load, caps.ping_interval_ms).err());
    }
    notes.extend(apply_memory(slopes, &latest).err());
    Ok(())
}

/// The metrics of the running server.
fn server_facts(installation: &Installation) -> Result<ServerFacts> {
    let address = installation.settings.server.private.context("listen.private is not set")?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let response = exchange(address, &request)
        .with_context(|| format!("the server does not respond on {address}: check that it runs"))?;
    match ServerFacts::parse(&response) {
        Some(facts) => Ok(facts),
        None => bail!("the program that listens on {address} is not a server of this version"),
    }
}

fn read_positive(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| format!("{text:?} is not a number above 0"))
}
