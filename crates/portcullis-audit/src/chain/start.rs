//! Continues the chain of an earlier process, or begins a new log.
//! Never: a line after one that the keys of the log did not sign or that does not follow from it.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use portcullis_model::Code;

use super::epoch::EpochCertificate;
use super::files::{ChainFiles, ChainUpdate};
use super::hash::ChainHash;
use super::key::{KeyError, SigningKey};
use super::line::SealedLine;
use super::runtime::{Chain, NewestNote};
use super::salts::Salts;
use super::state::{ChainState, EpochKeys};
use super::verify::{ChainRecord, Members, label};
use crate::files::path::with_suffix;
use crate::read::line_reader::is_damage;
use crate::read::line_text::line_sequence;
use crate::read::log_files::list_log_files;
use crate::record::fields::{Outcome, Record};

/// Bytes of the id of a log.
const ID_BYTES: usize = 16;
/// Longest line end that is searched for; records are shorter.
const TAIL_MAX_BYTES: u64 = 128 * 1024;

/// The file of torn lines starts again after this size.
const TORN_MAX_BYTES: u64 = 1024 * 1024;

/// The folder of the chain, and the host in the names of its logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainOptions {
    /// The folder of `audit-chain.state` and `audit-chain.keys`.
    pub folder: PathBuf,
    /// The host in the name of the log; without white space and plus signs.
    pub host: String,
}

/// The chain at the start of a process.
pub(crate) struct ChainStart {
    pub(crate) chain: Chain,
    /// The number of the last line.
    pub(crate) last: u64,
    /// Records about findings at the start.
    pub(crate) records: Vec<Record>,
    /// The state, which is to be stored.
    pub(crate) update: ChainUpdate,
}

/// The lines of the files after the newest note.
enum Tail {
    /// Every line follows from the note.
    Follows { last: u64, head: ChainHash, certificates: Vec<EpochCertificate> },
    /// Lines are missing or changed: the reason in one word.
    Broken(&'static str),
}

/// Opens the chain of a log. `last` is the number of the last line in its files.
///
/// # Errors
/// An error if the system returns no random bytes, or a file cannot be read.
pub(crate) fn start(
    log: &Path,
    options: &ChainOptions,
    files: &ChainFiles,
    last: u64,
    newest: NewestNote,
) -> io::Result<ChainStart> {
    let text = files.read_state()?;
    let state = text.as_ref().map(|text| ChainState::parse(text.expose()));
    let reason = match state {
        None if files.has_certificates() || ends_sealed(log)? => Some("state_missing"),
        None => None,
        Some(None) => Some("state_invalid"),
        Some(Some(state)) => match follow(log, &state)? {
            Tail::Follows { last, head, certificates } => {
                return resume(state, (last, head), &certificates, newest);
            }
            Tail::Broken(reason) => Some(reason),
        },
    };
    begin(options, last, reason, newest)
}

/// A new log, after one that cannot be continued if there is a reason.
fn begin(
    options: &ChainOptions,
    last: u64,
    reason: Option<&'static str>,
    newest: NewestNote,
) -> io::Result<ChainStart> {
    let name = format!("{}/portcullis/{}", options.host, new_id().map_err(io::Error::other)?);
    let key = || SigningKey::generate().map_err(io::Error::other);
    let keys = EpochKeys { epoch: 0, current: key()?, next: key()? };
    let head = ChainHash::start(name.as_bytes());
    let root = (0, keys.current.public());
    let certificate = EpochCertificate::sign(&name, root, (last, head), &keys.current);
    let certificates = format!("log {name}\n{}\n", certificate.to_text());
    let state = ChainState { name, start: last, keys, note: None };
    let salts = Salts::new().map_err(io::Error::other)?;
    let chain = Chain::new(state, head, salts, true, newest);
    let update = chain.update(certificates);
    let records = reason.map(truncated).into_iter().collect();
    Ok(ChainStart { chain, last, records, update })
}

/// The log goes on after its last line.
fn resume(
    mut state: ChainState,
    (last, head): (u64, ChainHash),
    certificates: &[EpochCertificate],
    newest: NewestNote,
) -> io::Result<ChainStart> {
    let mut texts = String::new();
    for certificate in certificates {
        // The log changed its key, and the process ended before that was stored.
        let next = SigningKey::generate().map_err(io::Error::other)?;
        state.keys.epoch = certificate.epoch;
        state.keys.current = std::mem::replace(&mut state.keys.next, next);
        texts.push_str(&certificate.to_text());
        texts.push('\n');
    }
    let is_new = last == state.start;
    let salts = Salts::new().map_err(io::Error::other)?;
    let chain = Chain::new(state, head, salts, is_new, newest);
    let update = chain.update(texts);
    Ok(ChainStart { chain, last, records: Vec::new(), update })
}

/// Reads the lines after the newest note of a state. A damaged file is a changed one.
fn follow(log: &Path, state: &ChainState) -> io::Result<Tail> {
    match follow_lines(log, state) {
        Err(error) if is_damage(&error) => Ok(Tail::Broken("changed")),
        tail => tail,
    }
}

fn follow_lines(log: &Path, state: &ChainState) -> io::Result<Tail> {
    let (anchor, mut head) = state.anchor();
    let files = list_log_files(log)?;
    let mut from = files.len();
    while let Some(at) = from.checked_sub(1) {
        from = at;
        let first = files.get(at).map(|file| file.first()).transpose()?.flatten();
        if first.is_some_and(|first| first <= anchor) {
            break;
        }
    }
    let members = Members::new();
    let mut certificates = Vec::new();
    let mut last = state.note.is_none().then_some(anchor);
    for file in files.get(from..).unwrap_or_default() {
        let Some(mut lines) = file.lines()? else { continue };
        while let Some(line) = lines.next_complete()? {
            let line = SealedLine::parse(line.bytes);
            let numbered = line.and_then(|line| Some((line_sequence(line.public)?, line)));
            let Some((number, line)) = numbered else {
                if last.is_some_and(|last| last > state.start || state.note.is_some()) {
                    return Ok(Tail::Broken("changed"));
                }
                continue;
            };
            match last {
                None if number < anchor => continue,
                None if number == anchor && line.hash == head => last = Some(number),
                None => {
                    return Ok(Tail::Broken(if number > anchor { "missing" } else { "changed" }));
                }
                Some(before) if number <= before && before == state.start => continue,
                Some(before) if number == before + 1 && line.expected(&head) == line.hash => {
                    if members.record(line.public) == Some(ChainRecord::Epoch) {
                        match next_epoch(state, &certificates, line.public) {
                            Epoch::Stored => {}
                            Epoch::Next(certificate) => certificates.push(certificate),
                            Epoch::Later => return Ok(Tail::Broken("state_old")),
                        }
                    }
                    (last, head) = (Some(number), line.hash);
                }
                Some(_) => return Ok(Tail::Broken("changed")),
            }
        }
    }
    Ok(match last {
        Some(last) => Tail::Follows { last, head, certificates },
        None => Tail::Broken("missing"),
    })
}

/// Whether the newest line of the files belongs to a chain.
fn ends_sealed(log: &Path) -> io::Result<bool> {
    for file in list_log_files(log)?.iter().rev() {
        let Some(mut lines) = file.lines()? else { continue };
        let mut last = None;
        while let Some(line) = lines.next_complete()? {
            last = Some(SealedLine::parse(line.bytes).is_some());
        }
        if let Some(is_sealed) = last {
            return Ok(is_sealed);
        }
    }
    Ok(false)
}

/// The epoch that a record of the log starts, compared with the stored one.
enum Epoch {
    /// The stored epoch itself.
    Stored,
    /// The one after it, whose key is stored too.
    Next(EpochCertificate),
    /// A later one: its key is not in the stored state, which is older than the log.
    Later,
}

fn next_epoch(state: &ChainState, known: &[EpochCertificate], public: &[u8]) -> Epoch {
    let keys = &state.keys;
    let text = label(public, "certificate");
    let Some(certificate) = text.and_then(|text| EpochCertificate::parse(&text)) else {
        return Epoch::Later;
    };
    if certificate.epoch == keys.epoch && certificate.key == keys.current.public() {
        return Epoch::Stored;
    }
    let is_next = known.is_empty()
        && certificate.epoch == keys.epoch + 1
        && certificate.key == keys.next.public()
        && certificate.is_signed_by(&state.name, &keys.current.public());
    if is_next { Epoch::Next(certificate) } else { Epoch::Later }
}

fn truncated(reason: &'static str) -> Record {
    let mut record = Record::new(Code::LogTruncated);
    record.outcome = Outcome::Failure;
    record.rule = "security_log";
    record.reason = reason;
    let detail = match reason {
        "state_missing" => "audit-chain.state is missing: the log before cannot be continued",
        "state_invalid" => "audit-chain.state is damaged: the log before cannot be continued",
        "state_old" => "audit-chain.state is older than the log, as after a restore of a backup",
        "missing" => "lines that the newest signed note states are missing from the files",
        _ => "lines after the newest signed note do not follow from it",
    };
    record.detail = Some(String::from(detail));
    record
}

/// 32 random hexadecimal digits.
fn new_id() -> Result<String, KeyError> {
    let mut bytes = [0; ID_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| KeyError::Random)?;
    let mut text = String::with_capacity(2 * ID_BYTES);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Moves the bytes of an incomplete last line to a file of their own; returns the record of it.
///
/// # Errors
/// An I/O error if a file cannot be read or written.
pub(crate) fn set_torn_line_aside(log: &Path) -> io::Result<Option<Record>> {
    // Checked before it is opened: opening a pipe or a terminal has effects.
    let facts = match std::fs::metadata(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        facts => facts?,
    };
    if !facts.is_file() || facts.len() == 0 {
        return Ok(None);
    }
    let mut file = OpenOptions::new().read(true).write(true).open(log)?;
    let from = facts.len().saturating_sub(TAIL_MAX_BYTES);
    file.seek(SeekFrom::Start(from))?;
    let mut tail = Vec::new();
    (&mut file).take(TAIL_MAX_BYTES).read_to_end(&mut tail)?;
    let end = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let torn = tail.get(end..).unwrap_or_default();
    if torn.is_empty() {
        return Ok(None);
    }
    let aside = with_suffix(log, ".torn");
    let mut options = OpenOptions::new();
    let mut out = options.append(true).create(true).mode(0o600).open(&aside)?;
    if out.metadata()?.len() > TORN_MAX_BYTES {
        out.set_len(0)?;
    }
    out.write_all(torn)?;
    out.write_all(b"\n")?;
    out.sync_all()?;
    file.set_len(from + end as u64)?;
    file.sync_all()?;
    let mut record = Record::new(Code::LogTorn);
    record.outcome = Outcome::Success;
    record.rule = "security_log";
    let (bytes, name) = (torn.len(), crate::files::path::file_name(&aside));
    record.detail = Some(format!("{bytes} bytes of an incomplete last line are in {name} now"));
    Ok(Some(record))
}
