//! The plan as text, for a terminal.
//! Never: a number that the JSON does not have.

use std::fmt::{Display, Formatter, Result, Write};

use super::bound::{Ceiling, about};
use super::needs::Needs;
use super::plan::{Plan, gib};

impl Display for Plan {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        self.write_inputs(out)?;
        self.write_carries(out)?;
        if let Some(needs) = &self.needs {
            self.write_needs(out, needs)?;
        }
        self.write_sources(out)
    }
}

impl Plan {
    fn write_inputs(&self, out: &mut Formatter<'_>) -> Result {
        let (machine, caps, load) = (&self.machine, &self.configuration, &self.load);
        let memory = machine.memory_bytes.map_or(String::from("unknown"), |all| gib(all as f64));
        let files = machine.files.map_or(String::from("any number of"), |all| about(all as f64));
        let tls = if caps.tls { "TLS" } else { "no TLS" };
        writeln!(
            out,
            "machine  {} cores, {memory} of memory, {files} open files\n\
             server   {} shards, {tls}, a ping each {} s\n\
             load     {} members in a room, {} % of messages stored, texts of {} bytes",
            machine.cores,
            caps.shards,
            about(caps.ping_interval_ms as f64 / 1_000.0),
            about(load.members as f64),
            about(load.stored_percent),
            load.text_bytes,
        )
    }

    fn write_carries(&self, out: &mut Formatter<'_>) -> Result {
        let carries = &self.carries;
        let mut carried = format!(
            "\nThis machine carries about\n  {} connections; the first bound is {}\n  {} messages \
             a second beside {} connections; the first bound is {}",
            about(carries.connections.value),
            first(&carries.connections),
            about(carries.messages_per_s.value),
            about(carries.beside_connections),
            first(&carries.messages_per_s),
        );
        if carries.messages_per_s_at_most > carries.messages_per_s.value {
            let most = about(carries.messages_per_s_at_most);
            write!(carried, "\n    up to {most} when many arrive at once")?;
        }
        let commits = match carries.commits_per_s {
            Some(commits) => format!("{} commits a second", about(commits)),
            None => format!("an unknown number of commits ({})", self.machine.commit_from),
        };
        let most = about(carries.reconnect_s);
        writeln!(
            out,
            "{carried}\n  {commits}\nAfter a restart all clients are back within {most} s."
        )?;
        write_bounds(out, "connections", &carries.connections)?;
        write_bounds(out, "messages a second", &carries.messages_per_s)
    }

    fn write_needs(&self, out: &mut Formatter<'_>, needs: &Needs) -> Result {
        let wanted = [
            self.load.connections.map(|open| format!("{} connections", about(open as f64))),
            self.load.messages.map(|sent| format!("{} messages a second", about(sent))),
        ];
        let wanted: Vec<String> = wanted.into_iter().flatten().collect();
        let cores = match needs.cores {
            cores if cores > needs.cores_at_least * 1.05 => {
                format!("{} to {}", about(needs.cores_at_least), about(cores))
            }
            cores => about(cores),
        };
        writeln!(
            out,
            "\n{} need about\n  {cores} cores\n  {} of memory\n  {} open files\n  {} Mbit/s\n  {} \
             commits a second or more, for {} stored messages",
            wanted.join(" and "),
            gib(needs.memory_bytes),
            about(needs.open_files as f64),
            about(needs.network_mbit),
            about(needs.commits_per_s_at_least),
            about(needs.stored_per_s),
        )?;
        writeln!(out, "set")?;
        for line in &needs.settings {
            writeln!(out, "  {line}")?;
        }
        if needs.exceeds.is_empty() {
            return writeln!(out, "This machine is enough, with this configuration.");
        }
        writeln!(out, "This machine, with this configuration, is not enough:")?;
        for bound in &needs.exceeds {
            writeln!(out, "  {}: {} ({})", bound.name, about(bound.value), bound.why)?;
        }
        Ok(())
    }

    fn write_sources(&self, out: &mut Formatter<'_>) -> Result {
        writeln!(out, "\nfigures")?;
        for source in &self.slopes {
            let value = format!("{} {}", about(source.value), source.unit);
            writeln!(out, "  {:<42} {value:<10} {}", source.slope, source.from)?;
        }
        let commit = self.machine.commit_us.map(|us| format!("{} ms", about(us / 1_000.0)));
        let commit = commit.unwrap_or_else(|| String::from("unknown"));
        writeln!(out, "  {:<42} {commit:<10} {}", "commit", self.machine.commit_from)?;
        for note in &self.notes {
            writeln!(out, "note: {note}")?;
        }
        writeln!(
            out,
            "margin: memory ±{} %; processor times ±{} % near full load. Far below it, a message \
             takes up to {} times as much, because it wakes threads that sleep. Test with your own \
             load before you depend on a figure.",
            self.margins.memory_percent,
            self.margins.processor_percent,
            self.margins.low_load_factor,
        )
    }
}

fn first(carried: &Ceiling) -> &'static str {
    carried.first().map_or("unknown", |bound| bound.name)
}

fn write_bounds(out: &mut Formatter<'_>, kind: &str, carried: &Ceiling) -> Result {
    writeln!(out, "\nbounds of {kind}")?;
    for bound in &carried.bounds {
        writeln!(out, "  {:<28} {:>12}  {}", bound.name, about(bound.value), bound.why)?;
    }
    Ok(())
}
