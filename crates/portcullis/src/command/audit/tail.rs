//! `portcullis audit tail`: the newest records, and those that follow.
//! Never: more than the requested lines and one file's buffer in memory.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, value_parser};
use portcullis_audit::{Follower, line_sequence, list_log_files};

use super::output::LineOutput;
use super::record_text::record_text;
use crate::command::installation::Installation;

/// Most lines to begin with (each usually less than 1 KiB).
const LINES_MAX: i64 = 100_000;
/// Pause before the file is read again.
const PAUSE: Duration = Duration::from_millis(200);

/// `portcullis audit tail …`.
#[derive(Debug, Args)]
pub(crate) struct TailArguments {
    /// Prints further records as they are written, until the command is stopped.
    #[arg(short, long)]
    follow: bool,
    /// The number of records to begin with; at most 100000.
    #[arg(short = 'n', long, default_value_t = 20)]
    #[arg(value_parser = value_parser!(u32).range(..=LINES_MAX))]
    lines: u32,
    /// Prints records as they are in the log: one JSON value a line.
    #[arg(long)]
    json: bool,
}

/// Prints the newest records, then those that follow.
pub(super) fn run(installation: &Installation, arguments: &TailArguments) -> Result<()> {
    let log = &installation.settings.audit.file;
    let count = usize::try_from(arguments.lines).unwrap_or(usize::MAX);
    let read = || format!("cannot read {}", log.display());
    let lines = newest(log, count.max(1)).with_context(read)?;
    let last = lines.back().and_then(|line| line_sequence(line)).unwrap_or(0);
    let mut out = LineOutput::new();
    let print = |out: &mut LineOutput, line: &[u8]| match arguments.json {
        true => out.line(line),
        false => out.line(record_text(line).as_bytes()),
    };
    for line in lines.iter().take(count) {
        print(&mut out, line)?;
    }
    out.flush()?;
    if !arguments.follow {
        return Ok(());
    }
    let mut follower = Follower::new(log, last);
    loop {
        while let Some(line) = follower.next_line().with_context(read)? {
            print(&mut out, &line.bytes)?;
        }
        out.flush()?;
        std::thread::sleep(PAUSE);
    }
}

/// The last lines of the log, oldest first.
fn newest(log: &Path, count: usize) -> std::io::Result<VecDeque<Vec<u8>>> {
    let mut newest = VecDeque::new();
    for file in list_log_files(log)?.iter().rev() {
        let Some(mut lines) = file.lines()? else { continue };
        let missing = count - newest.len();
        let mut last: VecDeque<Vec<u8>> = VecDeque::new();
        // A line that is being written is left for later.
        while let Some(line) = lines.next_complete()? {
            if last.len() == missing {
                last.pop_front();
            }
            last.push_back(line.bytes.to_vec());
        }
        last.append(&mut newest);
        newest = last;
        if newest.len() >= count {
            break;
        }
    }
    Ok(newest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_lines_come_from_several_files_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        let old = folder.path().join("security-20261128T000000Z-1.log");
        std::fs::write(old, "1\n2\n3\n").unwrap();
        std::fs::write(&log, "4\n5\nunfin").unwrap();
        for (count, expect) in [(1, "5"), (2, "45"), (4, "2345"), (99, "12345")] {
            let lines: Vec<u8> = newest(&log, count).unwrap().into_iter().flatten().collect();
            assert_eq!(lines, expect.as_bytes());
        }
    }
}
