//! The thread that writes lines: numbers them, encodes them, hands them to the file and stdout.
//! Never: gives up; a place that takes nothing is counted, reported once, and tried again.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_model::{Code, Now};

use crate::encode::{Service, encode};
use crate::queue::Queue;
use crate::record::{Outcome, Record};

/// Lines are handed over in pieces of about this size.
const PIECE_BYTES: usize = 64 * 1024;
/// How much of an old file is read to find its last number; a line is shorter than this.
const TAIL_BYTES: u64 = 64 * 1024;

/// What the writer counts for others to read.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) lines: AtomicU64,
    pub(crate) failed: AtomicU64,
}

/// Where lines go, and the number of the next.
pub(crate) struct Writer {
    pub(crate) file: Option<LogFile>,
    pub(crate) stdout: bool,
    pub(crate) service: Service,
    pub(crate) written: Arc<Written>,
    pub(crate) sequence: u64,
}

/// The log file, and whether its last line is whole.
#[derive(Debug)]
pub(crate) struct LogFile {
    file: File,
    torn: bool,
    /// Lines it did not take since it last took one.
    lost: u64,
}

impl Writer {
    /// Writes what comes until the queue is closed and empty.
    pub(crate) fn run(mut self, queue: &Queue) {
        let mut piece = String::with_capacity(PIECE_BYTES);
        loop {
            let taken = queue.take();
            let mut lines = 0;
            let mut latest = Now::default();
            for (record, now) in taken.records {
                latest = now;
                self.line(&mut piece, &record, now);
                lines += 1;
                if piece.len() >= PIECE_BYTES {
                    self.hand_over(&mut piece, &mut lines);
                }
            }
            self.hand_over(&mut piece, &mut lines);
            self.report_return(&mut piece, latest);
            if taken.last {
                break;
            }
        }
        if let Some(log) = &self.file
            && let Err(error) = log.file.sync_data()
        {
            tracing::warn!(%error, "the security log may not have reached the disk");
        }
    }

    fn line(&mut self, piece: &mut String, record: &Record, now: Now) {
        self.sequence += 1;
        encode(piece, record, now, self.sequence, &self.service);
    }

    fn hand_over(&mut self, piece: &mut String, lines: &mut u64) {
        if *lines == 0 {
            return;
        }
        let mut whole = true;
        if let Some(log) = &mut self.file {
            whole &= log.append(piece, *lines);
        }
        if self.stdout {
            let mut stdout = std::io::stdout().lock();
            whole &= stdout.write_all(piece.as_bytes()).and_then(|()| stdout.flush()).is_ok();
        }
        let count = if whole { &self.written.lines } else { &self.written.failed };
        count.fetch_add(*lines, Ordering::Relaxed);
        piece.clear();
        *lines = 0;
    }

    /// When the file takes lines again, one of them says how many it did not.
    fn report_return(&mut self, piece: &mut String, now: Now) {
        let Some(log) = &mut self.file else { return };
        if log.torn || log.lost == 0 {
            return;
        }
        let record = Record {
            outcome: Outcome::Success,
            reason: "log_file_back",
            suppressed: std::mem::take(&mut log.lost),
            ..Record::new(Code::SysMonitorEnabled)
        };
        tracing::warn!(lost = record.suppressed, "the security log's file takes lines again");
        self.line(piece, &record, now);
        self.hand_over(piece, &mut 1);
    }
}

impl LogFile {
    /// Opens the file for appending and finds the number its last line has.
    ///
    /// A new file can be written by its owner and read by its group (0640).
    pub(crate) fn open(path: &Path) -> std::io::Result<(Self, u64)> {
        let mut options = OpenOptions::new();
        options.append(true).create(true).read(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o640);
        let mut file = options.open(path)?;
        let (torn, sequence) = tail(&mut file)?;
        Ok((Self { file, torn, lost: 0 }, sequence))
    }

    fn append(&mut self, piece: &str, lines: u64) -> bool {
        let started = if self.torn { self.file.write_all(b"\n") } else { Ok(()) };
        match started.and_then(|()| self.file.write_all(piece.as_bytes())) {
            Ok(()) => {
                self.torn = false;
                true
            }
            Err(error) => {
                if self.lost == 0 {
                    tracing::error!(%error, "the security log's file takes no lines");
                }
                self.torn = true;
                self.lost += lines;
                false
            }
        }
    }
}

/// Whether the last line is broken off, and the number of the last whole one.
fn tail(file: &mut File) -> std::io::Result<(bool, u64)> {
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() == 0 {
        return Ok((false, 0));
    }
    file.seek(SeekFrom::Start(metadata.len().saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    let torn = bytes.last() != Some(&b'\n');
    let text = String::from_utf8_lossy(&bytes);
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    // A peer's text cannot hold this: its quotes are escaped.
    let digits = whole.rsplit_once("\"sequence\":").map_or("", |(_, rest)| rest);
    let end = digits.find(|byte: char| !byte.is_ascii_digit()).unwrap_or(digits.len());
    let sequence = digits.get(..end).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    Ok((torn, sequence))
}
