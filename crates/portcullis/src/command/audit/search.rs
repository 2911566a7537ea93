//! `portcullis audit search`: records that fit conditions, or their number by a field.
//! Never: an unlimited number of counted values.

use std::collections::HashMap;

use anyhow::{Context, Result, bail};
use clap::Args;
use portcullis_admin::Period;
use portcullis_audit::{LogFile, list_log_files};
use serde_json::Value;

use super::filter::FilterArguments;
use super::output::LineOutput;
use super::record_text::{escaped, record_text};
use crate::command::installation::Installation;
use crate::output::errln;

/// Most values that are counted separately (about 100 bytes each).
const VALUES_MAX: usize = 100_000;
/// The name for all further values.
const OTHERS: &str = "(others)";
/// The name for records without the field.
const NONE: &str = "(none)";
/// Short names of fields.
const FIELDS: [(&str, &str); 6] = [
    ("code", "event.code"),
    ("rule", "rule.name"),
    ("reason", "event.reason"),
    ("address", "source.ip"),
    ("user", "user.id"),
    ("name", "user.name"),
];

/// `portcullis audit search …`.
#[derive(Debug, Args)]
pub(crate) struct SearchArguments {
    #[command(flatten)]
    filter: FilterArguments,
    /// Prints how many records have each value of a field: code, rule, reason, address, user,
    /// name, or a path such as `labels.origin`.
    #[arg(long, value_name = "FIELD")]
    count_by: Option<String>,
    /// Prints JSON, one value a line: records as they are in the log.
    #[arg(long)]
    json: bool,
}

/// Prints fitting records, or counts.
pub(super) fn run(installation: &Installation, arguments: &SearchArguments) -> Result<()> {
    let filter = arguments.filter.filter(installation.now().unix_ms);
    let mut counts = arguments.count_by.as_deref().map(Counts::new);
    let mut out = LineOutput::new();
    each_line(installation, filter.period(), |line| {
        if !filter.fits(line) {
            return Ok(());
        }
        match &mut counts {
            Some(counts) => counts.add(line),
            None if arguments.json => out.line(line)?,
            None => out.line(record_text(line).as_bytes())?,
        }
        Ok(())
    })?;
    if let Some(counts) = counts {
        let sorted = counts.sorted();
        if sorted.is_empty() {
            errln!("no record fits the conditions");
        }
        for (value, count) in sorted {
            let line = match arguments.json {
                true => serde_json::json!({ "value": value, "count": count }).to_string(),
                false => format!("{count:>10}  {}", escaped(&value)),
            };
            out.line(line.as_bytes())?;
        }
    }
    Ok(out.flush()?)
}

/// Calls `act` for each line of the files that can have records of a period, oldest first.
pub(super) fn each_line(
    installation: &Installation,
    period: &Period,
    mut act: impl FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let log = &installation.settings.audit.file;
    let files = list_log_files(log).with_context(|| format!("cannot read {}", log.display()))?;
    if files.is_empty() {
        bail!(
            "there is no security log at {}: start the server once, or name the log with \
             PORTCULLIS__AUDIT__FILE=FILE",
            log.display()
        );
    }
    let mut before = String::new();
    for file in files {
        let can_have = period.can_have(&file, &before);
        before.clone_from(&file.closed);
        if !can_have {
            continue;
        }
        if let Err(error) = each_line_of(&file, &mut act)? {
            // A damaged file hides no other one.
            let path = file.path.display();
            errln!("warning: {path} cannot be read to its end, and the rest is left out: {error}");
        }
    }
    Ok(())
}

/// Reads one file; the inner error is that of the file.
fn each_line_of(
    file: &LogFile,
    act: &mut impl FnMut(&[u8]) -> Result<()>,
) -> Result<std::io::Result<()>> {
    let mut lines = match file.lines() {
        Ok(Some(lines)) => lines,
        Ok(None) => return Ok(Ok(())),
        Err(error) => return Ok(Err(error)),
    };
    loop {
        match lines.next_line() {
            Ok(Some(line)) => act(line.bytes)?,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error)),
        }
    }
}

/// The number of records for each value of a field.
struct Counts {
    pointer: String,
    counts: HashMap<String, u64>,
}

impl Counts {
    fn new(field: &str) -> Self {
        let long = FIELDS.iter().find(|(short, _)| *short == field);
        let path = long.map_or(field, |(_, path)| *path);
        Self { pointer: format!("/{}", path.replace('.', "/")), counts: HashMap::new() }
    }

    fn add(&mut self, line: &[u8]) {
        let record: Value = serde_json::from_slice(line).unwrap_or_default();
        let value = match record.pointer(&self.pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Null) | None => String::from(NONE),
            Some(other) => other.to_string(),
        };
        let is_new = !self.counts.contains_key(&value);
        let full = is_new && self.counts.len() >= VALUES_MAX;
        let value = if full { String::from(OTHERS) } else { value };
        *self.counts.entry(value).or_default() += 1;
    }

    /// The most frequent values first.
    fn sorted(self) -> Vec<(String, u64)> {
        let mut counts: Vec<_> = self.counts.into_iter().collect();
        counts.sort_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(&other.0)));
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_by_a_field() {
        let mut counts = Counts::new("code");
        for code in ["a", "b", "b"] {
            counts.add(format!("{{\"event\":{{\"code\":\"{code}\"}}}}").as_bytes());
        }
        counts.add(b"{}");
        let sorted = counts.sorted();
        assert_eq!(sorted, [("b".into(), 2), (NONE.into(), 1), ("a".into(), 1)]);
    }

    #[test]
    fn number_of_counted_values_is_limited() {
        let mut counts = Counts::new("labels.n");
        for number in 0..VALUES_MAX + 10 {
            counts.add(format!("{{\"labels\":{{\"n\":{number}}}}}").as_bytes());
        }
        let sorted = counts.sorted();
        assert_eq!(sorted.len(), VALUES_MAX + 1);
        assert_eq!(sorted.first(), Some(&(OTHERS.into(), 10)));
    }
}
