//! `portcullis limits simulate`: replays the trace of a server with the configured limits.
//! Never: a running server; it needs only a trace and a configuration.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use portcullis_guard::{GateOptions, Simulation, TraceEntry};
use portcullis_model::Code;
use serde::Deserialize;

use super::demand::Demand;
use super::installation::Installation;
use super::owner_rights::as_caller;
use crate::output::{OutputError, print};

/// Longest line that is read, in bytes.
const LINE_MAX_BYTES: usize = 64 * 1024;

/// A line of the file: a security record, or a counted attempt.
#[derive(Deserialize)]
struct Line {
    event: LineEvent,
    message: Option<String>,
    #[serde(default)]
    labels: LineLabels,
}

#[derive(Default, Deserialize)]
struct LineLabels {
    /// The number of records that the line replaces.
    #[serde(default)]
    suppressed: String,
}

#[derive(Deserialize)]
struct LineEvent {
    code: String,
    sequence: u64,
}

/// The rejections of one limit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Rejections {
    then: u64,
    now: u64,
}

/// The result of a replayed trace.
#[derive(Debug, Default)]
pub(super) struct SimulationReport {
    counted: u64,
    /// Missing lines, by their sequence numbers.
    lost: u64,
    unread: u64,
    starts: u64,
    by_limit: BTreeMap<String, Rejections>,
    differing: u64,
    first: Option<String>,
    demand: Demand,
}

/// Replays a trace with the configured limits, and prints the report.
pub(super) fn run(mut installation: Installation, trace: &Path) -> Result<()> {
    installation.settings.settle_anywhere();
    let file = as_caller(|| File::open(trace))?;
    let file = file.with_context(|| format!("cannot open {}", trace.display()))?;
    let report = replay(BufReader::new(file), &installation.settings.gate)?;
    if report.counted == 0 {
        bail!(
            "{} contains no access lines: set audit.access_file, so that a server writes them",
            trace.display()
        );
    }
    let mut text = Vec::new();
    report.print(&mut text).map_err(OutputError::from)?;
    report.demand.print(&mut text).map_err(OutputError::from)?;
    Ok(print(format_args!("{}", String::from_utf8_lossy(&text)))?)
}

/// Replays all lines. A restart of the server begins with empty limits.
fn replay(mut lines: impl BufRead, options: &GateOptions) -> Result<SimulationReport> {
    let mut report =
        SimulationReport { demand: Demand::new(options), ..SimulationReport::default() };
    let mut simulation = Simulation::new(options.clone())?;
    let mut last = 0;
    let mut text = Vec::new();
    loop {
        text.clear();
        let most = &mut std::io::Read::take(&mut lines, LINE_MAX_BYTES as u64);
        if most.read_until(b'\n', &mut text).context("cannot read the trace")? == 0 {
            return Ok(report);
        }
        let Ok(line) = serde_json::from_slice::<Line>(&text) else {
            report.unread += 1;
            continue;
        };
        if line.event.sequence <= last || last == 0 {
            report.starts += 1;
            report.demand.restart();
            simulation = Simulation::new(options.clone())?;
        } else {
            report.lost += line.event.sequence - last - 1;
        }
        last = line.event.sequence;
        if line.event.code == Code::LogLost.name() {
            report.lost += line.labels.suppressed.parse::<u64>().unwrap_or(0);
        }
        if line.event.code != Code::Access.name() {
            continue;
        }
        let entry = line.message.and_then(|text| serde_json::from_str::<TraceEntry>(&text).ok());
        match entry {
            Some(entry) => report.take(&entry, &mut simulation),
            None => report.unread += 1,
        }
    }
}

impl SimulationReport {
    fn take(&mut self, entry: &TraceEntry, simulation: &mut Simulation) {
        self.counted += 1;
        self.demand.take(entry);
        let now = simulation.play(entry);
        let then = entry.refused.as_deref();
        if let Some(limit) = then {
            self.by_limit.entry(String::from(limit)).or_default().then += 1;
        }
        if let Some(limit) = now {
            self.by_limit.entry(String::from(limit)).or_default().now += 1;
        }
        if now != then {
            self.differing += 1;
            self.first.get_or_insert_with(|| {
                let what = serde_json::to_string(&entry.attempt).unwrap_or_default();
                let (then, now) = (then.unwrap_or("passed"), now.unwrap_or("passes"));
                format!("at {} ms: {then} then, {now} now: {what}", entry.at_ms)
            });
        }
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Self { counted, starts, lost, unread, differing, .. } = self;
        writeln!(out, "counted attempts: {counted}")?;
        writeln!(out, "server starts: {starts}")?;
        writeln!(out, "lost lines: {lost}")?;
        writeln!(out, "unreadable lines: {unread}")?;
        writeln!(out, "different decisions: {differing}")?;
        if let Some(first) = &self.first {
            writeln!(out, "first different decision: {first}")?;
        }
        writeln!(out, "\n{:<34}{:>14}{:>14}", "rejections by limit", "then", "now")?;
        for (limit, Rejections { then, now }) in &self.by_limit {
            writeln!(out, "{limit:<34}{then:>14}{now:>14}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use portcullis_guard::{Attempt, Rate};
    use serde_json::json;

    use super::*;

    fn options(count: u32) -> GateOptions {
        GateOptions {
            hosts: vec![String::from("a.example")],
            origins: vec![String::from("https://a.example")],
            rate_keys_max: 1024,
            connect_per_prefix: Rate::per(count, 60_000),
            ..GateOptions::default()
        }
    }

    /// Connections of one address, a millisecond apart; those after the tenth were rejected.
    fn trace(count: u64, from: u64) -> String {
        let mut text = String::new();
        for number in 0..count {
            let attempt = Attempt::Connect { client: [192, 0, 2, 1].into(), admission: None };
            let refused = (number >= 10).then(|| String::from("connect_per_prefix"));
            let traced = TraceEntry { at_ms: number, refused, attempt };
            let message = serde_json::to_string(&traced).unwrap();
            let event = json!({ "code": Code::Access.name(), "sequence": from + number });
            writeln!(text, "{}", json!({ "event": event, "message": message })).unwrap();
        }
        text
    }

    fn replayed(text: &str, count: u32) -> SimulationReport {
        replay(text.as_bytes(), &options(count)).unwrap()
    }

    #[test]
    fn same_limits_decide_the_same_and_wider_limits_reject_less() {
        let text = trace(15, 1);
        let same = replayed(&text, 10);
        assert_eq!((same.counted, same.differing, same.lost, same.unread), (15, 0, 0, 0));
        assert_eq!(same.by_limit["connect_per_prefix"], Rejections { then: 5, now: 5 });
        let wider = replayed(&text, 12);
        assert_eq!(wider.differing, 2);
        assert_eq!(wider.by_limit["connect_per_prefix"], Rejections { then: 5, now: 3 });
        let mut out = Vec::new();
        wider.print(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("at 10 ms: connect_per_prefix then, passes now"), "{out}");
    }

    #[test]
    fn restart_empties_the_limits_and_gaps_are_counted() {
        let twice = trace(10, 1) + &trace(10, 1);
        let outcome = replayed(&twice, 10);
        assert_eq!((outcome.counted, outcome.starts, outcome.differing), (20, 2, 0));
        let gap = trace(5, 1) + &trace(5, 9);
        assert_eq!(replayed(&gap, 10).lost, 3);
        let empty = r#"{"event":{"code":"access","sequence":6}}"#;
        let broken = format!("{}no line\n{empty}\n", trace(5, 1));
        assert_eq!(replayed(&broken, 10).unread, 2);
        let records = "{\"event\":{\"code\":\"ws_connected\",\"sequence\":1}}\n";
        assert_eq!(replayed(records, 10).counted, 0);
    }
}
