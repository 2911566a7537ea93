//! `portcullis limits simulate`: counts again what a running server has counted, by other limits.
//! Never: a server; a trace and a configuration are all it takes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use portcullis_guard::{GateOptions, Simulation, TraceEntry};
use portcullis_model::Code;
use serde::Deserialize;

use super::Installation;
use super::demand::Demand;
use crate::output::OutputError;

/// Longest line that is read.
const LINE_MAX_BYTES: usize = 64 * 1024;

/// A line of the file: of a security record, or of something counted.
#[derive(Deserialize)]
struct Line {
    event: LineEvent,
    message: Option<String>,
    #[serde(default)]
    labels: LineLabels,
}

#[derive(Default, Deserialize)]
struct LineLabels {
    /// How many records a line stands for.
    #[serde(default)]
    suppressed: String,
}

#[derive(Deserialize)]
struct LineEvent {
    code: String,
    sequence: u64,
}

/// What became of one limit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Refusals {
    then: u64,
    now: u64,
}

/// What a trace came to.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    counted: u64,
    /// Lines that are missing, by their numbers.
    lost: u64,
    unread: u64,
    starts: u64,
    by_limit: BTreeMap<String, Refusals>,
    differing: u64,
    first: Option<String>,
    demand: Demand,
}

/// Reads a trace and says what the configured limits make of it.
pub(super) fn run(mut installation: Installation, trace: &Path) -> Result<()> {
    installation.settings.settle_anywhere();
    let file = File::open(trace).with_context(|| format!("cannot open {}", trace.display()))?;
    let outcome = play(BufReader::new(file), &installation.settings.gate)?;
    if outcome.counted == 0 {
        bail!(
            "{} holds no access lines: a server writes them with audit.access_file",
            trace.display()
        );
    }
    let mut out = std::io::stdout().lock();
    outcome.print(&mut out).map_err(OutputError::from)?;
    outcome.demand.print(&mut out).map_err(OutputError::from)?;
    Ok(out.flush().map_err(OutputError::from)?)
}

/// Counts every line again. A line that says so begins a new process, with empty buckets.
fn play(mut lines: impl BufRead, options: &GateOptions) -> Result<Outcome> {
    let mut outcome = Outcome { demand: Demand::new(options), ..Outcome::default() };
    let mut rehearsal = Simulation::new(options.clone())?;
    let mut last = 0;
    let mut text = Vec::new();
    loop {
        text.clear();
        let most = &mut std::io::Read::take(&mut lines, LINE_MAX_BYTES as u64);
        if most.read_until(b'\n', &mut text).context("cannot read the trace")? == 0 {
            return Ok(outcome);
        }
        let Ok(line) = serde_json::from_slice::<Line>(&text) else {
            outcome.unread += 1;
            continue;
        };
        if line.event.sequence <= last || last == 0 {
            outcome.starts += 1;
            outcome.demand.restart();
            rehearsal = Simulation::new(options.clone())?;
        } else {
            outcome.lost += line.event.sequence - last - 1;
        }
        last = line.event.sequence;
        if line.event.code == Code::LogLost.name() {
            outcome.lost += line.labels.suppressed.parse::<u64>().unwrap_or(0);
        }
        if line.event.code != Code::Access.name() {
            continue;
        }
        let traced = line.message.and_then(|text| serde_json::from_str::<TraceEntry>(&text).ok());
        match traced {
            Some(traced) => outcome.take(&traced, &mut rehearsal),
            None => outcome.unread += 1,
        }
    }
}

impl Outcome {
    fn take(&mut self, traced: &TraceEntry, rehearsal: &mut Simulation) {
        self.counted += 1;
        self.demand.take(traced);
        let now = rehearsal.play(traced);
        let then = traced.refused.as_deref();
        if let Some(limit) = then {
            self.by_limit.entry(String::from(limit)).or_default().then += 1;
        }
        if let Some(limit) = now {
            self.by_limit.entry(String::from(limit)).or_default().now += 1;
        }
        if now != then {
            self.differing += 1;
            self.first.get_or_insert_with(|| {
                let what = serde_json::to_string(&traced.attempt).unwrap_or_default();
                let (then, now) = (then.unwrap_or("passed"), now.unwrap_or("passes"));
                format!("at {} ms: {then} then, {now} now: {what}", traced.at_ms)
            });
        }
    }

    fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        let Self { counted, starts, lost, unread, differing, .. } = self;
        writeln!(out, "counted: {counted}")?;
        writeln!(out, "starts of the server: {starts}")?;
        writeln!(out, "lines lost: {lost}")?;
        writeln!(out, "lines that are none: {unread}")?;
        writeln!(out, "decided otherwise: {differing}")?;
        if let Some(first) = &self.first {
            writeln!(out, "the first of them {first}")?;
        }
        writeln!(out, "\n{:<34}{:>14}{:>14}", "refusals by limit", "then", "now")?;
        for (limit, Refusals { then, now }) in &self.by_limit {
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

    /// Connections of one address, a millisecond apart; those after the tenth were refused.
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

    fn played(text: &str, count: u32) -> Outcome {
        play(text.as_bytes(), &options(count)).unwrap()
    }

    #[test]
    fn the_same_limits_decide_the_same_and_others_otherwise() {
        let text = trace(15, 1);
        let same = played(&text, 10);
        assert_eq!((same.counted, same.differing, same.lost, same.unread), (15, 0, 0, 0));
        assert_eq!(same.by_limit["connect_per_prefix"], Refusals { then: 5, now: 5 });
        let wider = played(&text, 12);
        assert_eq!(wider.differing, 2);
        assert_eq!(wider.by_limit["connect_per_prefix"], Refusals { then: 5, now: 3 });
        let mut out = Vec::new();
        wider.print(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        assert!(out.contains("at 10 ms: connect_per_prefix then, passes now"), "{out}");
    }

    #[test]
    fn a_start_empties_the_buckets_and_gaps_are_told() {
        let twice = trace(10, 1) + &trace(10, 1);
        let outcome = played(&twice, 10);
        assert_eq!((outcome.counted, outcome.starts, outcome.differing), (20, 2, 0));
        let gap = trace(5, 1) + &trace(5, 9);
        assert_eq!(played(&gap, 10).lost, 3);
        let empty = r#"{"event":{"code":"access","sequence":6}}"#;
        let broken = format!("{}no line\n{empty}\n", trace(5, 1));
        assert_eq!(played(&broken, 10).unread, 2);
        let records = "{\"event\":{\"code\":\"ws_connected\",\"sequence\":1}}\n";
        assert_eq!(played(records, 10).counted, 0);
    }
}
