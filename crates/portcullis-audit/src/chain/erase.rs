//! Erases personal parts from closed files: of one user, one name, one address, or all.
//! Never: a change of the hash of a line; the chain stays valid, and a record says what was erased.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use memchr::memmem;

use super::line::{Personal, SealedLine};
use crate::files::file_id::FileId;
use crate::files::path::{folder_of, with_suffix};
use crate::files::rotation_request::{RotationOutcome, rotate_from_outside};
use crate::files::segment::Naming;
use crate::files::segment_lock::{NO_LINK, SegmentLock, keep_owner};
use crate::read::line_reader::{LineEnd, LineReader, is_compressed};
use crate::read::line_text::line_sequence;
use crate::read::log_files::renamed_files;
use crate::record::json_line::escape;

/// Bytes written at a time.
const BUFFER_BYTES: usize = 256 * 1024;

/// The person or client that the erased parts concern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErasureSubject {
    /// The user with this id, also where an operation acted on this user.
    User(String),
    /// The user with this name.
    Name(String),
    /// The client at this address.
    Address(IpAddr),
    /// All.
    All,
}

/// A file with personal parts of the subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureFile {
    /// The file.
    pub path: PathBuf,
    /// The number of the first line concerned.
    pub first: u64,
    /// The number of the last line concerned.
    pub last: u64,
    /// The number of lines concerned.
    pub count: u64,
}

/// The reason why nothing was erased.
#[derive(Debug, thiserror::Error)]
pub enum ErasureError {
    /// The server compresses or removes files, or another erasure runs.
    #[error("the closed files are in use: the server compresses or removes one; try again")]
    InUse,
    /// The server did not close its file.
    #[error("the server has the log open and did not close its file within ten seconds; try again")]
    NotRotated,
    /// A file cannot be read or written.
    #[error("cannot read or rewrite {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}

/// Erases from the closed files of one log, which it holds locked.
#[derive(Debug)]
pub struct Erasure {
    log: PathBuf,
    needles: Needles,
    /// None if the caller has the lock.
    _lock: Option<SegmentLock>,
}

/// The members that name the subject, as they stand in a line; none: all lines.
#[derive(Debug)]
struct Needles(Option<Vec<Vec<u8>>>);

impl Erasure {
    /// Locks the closed files of a log.
    ///
    /// # Errors
    /// [`ErasureError`] when another program has the lock or the folder cannot be written.
    pub fn begin(log: &Path, subject: &ErasureSubject) -> Result<Self, ErasureError> {
        let lock =
            SegmentLock::try_acquire(&Naming::of(log)).map_err(|source| fault(log, source))?;
        let lock = lock.ok_or(ErasureError::InUse)?;
        Ok(Self { log: log.to_owned(), needles: Needles::of(subject), _lock: Some(lock) })
    }

    /// The lines of a file that have a personal part. The caller has the closed files locked.
    pub(crate) fn find_all(
        naming: &Naming,
        path: &Path,
    ) -> Result<Option<ErasureFile>, ErasureError> {
        Self::of_all(naming).search(path).map_err(|source| fault(path, source))
    }

    /// Rewrites a file without personal parts. The caller has the closed files locked.
    pub(crate) fn erase_all(naming: &Naming, file: &ErasureFile) -> Result<(), ErasureError> {
        Self::of_all(naming).erase(file)
    }

    fn of_all(naming: &Naming) -> Self {
        Self { log: naming.open(), needles: Needles(None), _lock: None }
    }

    /// The closed files with personal parts of the subject, oldest first, then those that another
    /// program renamed.
    ///
    /// # Errors
    /// [`ErasureError::File`] for the first file that cannot be read.
    pub fn find(&self) -> Result<Vec<ErasureFile>, ErasureError> {
        let of_log = |source| fault(&self.log, source);
        let segments = Naming::of(&self.log).list().map_err(of_log)?.into_iter();
        let renamed = renamed_files(&self.log).map_err(of_log)?.into_iter();
        let paths = segments.map(|segment| segment.path).chain(renamed.map(|file| file.path));
        let mut found = Vec::new();
        for path in paths {
            found.extend(self.search(&path).map_err(|source| fault(&path, source))?);
        }
        Ok(found)
    }

    /// Closes the open file, so that its lines can be erased: the server does it within a second.
    ///
    /// Without a server, this process does it.
    ///
    /// # Errors
    /// [`ErasureError`] if the server does not answer, or the file cannot be renamed.
    pub fn rotate(&self, now_unix_ms: i64) -> Result<(), ErasureError> {
        match rotate_from_outside(&Naming::of(&self.log), now_unix_ms) {
            Ok(RotationOutcome::Closed) => Ok(()),
            Ok(RotationOutcome::NoAnswer) => Err(ErasureError::NotRotated),
            Err(source) => Err(fault(&self.log, source)),
        }
    }

    /// The number of lines of the open file that concern the subject.
    ///
    /// They can be erased after [`Erasure::rotate`].
    ///
    /// # Errors
    /// [`ErasureError::File`] if the file exists and cannot be read.
    pub fn count_in_open_file(&self) -> Result<u64, ErasureError> {
        match self.search(&self.log) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(fault(&self.log, source)),
            Ok(found) => Ok(found.map_or(0, |file| file.count)),
        }
    }

    /// Rewrites one file without the personal parts of the subject.
    ///
    /// # Errors
    /// [`ErasureError::File`]; the file is as it was then.
    pub fn erase(&self, file: &ErasureFile) -> Result<(), ErasureError> {
        self.rewrite(&file.path).map_err(|source| fault(&file.path, source))
    }

    fn search(&self, path: &Path) -> io::Result<Option<ErasureFile>> {
        let mut found: Option<ErasureFile> = None;
        let mut lines = LineReader::open(path)?;
        while let Some(line) = lines.next_line()? {
            let parsed = SealedLine::parse(line.bytes).filter(|line| self.needles.concern(line));
            let Some(number) = parsed.and_then(|line| line_sequence(line.public)) else { continue };
            let file = found.get_or_insert_with(|| ErasureFile {
                path: path.to_owned(),
                first: number,
                last: number,
                count: 0,
            });
            (file.last, file.count) = (number, file.count + 1);
        }
        Ok(found)
    }

    fn rewrite(&self, path: &Path) -> io::Result<()> {
        let part = with_suffix(path, ".part");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(NO_LINK);
        let out = options.open(&part)?;
        let before = std::fs::metadata(path)?;
        keep_owner(&out, &before)?;
        let written = self
            .write_to(path, BufWriter::with_capacity(BUFFER_BYTES, out))
            .and_then(|out| keep_time(&out, &before))
            .and_then(|()| check_unchanged(path, &before));
        if let Err(error) = written {
            let _removed = std::fs::remove_file(&part);
            return Err(error);
        }
        std::fs::rename(&part, path)?;
        File::open(folder_of(path))?.sync_all()
    }

    fn write_to(&self, path: &Path, mut out: BufWriter<File>) -> io::Result<File> {
        if is_compressed(path) {
            let mut encoder = GzEncoder::new(out, Compression::default());
            self.copy(path, &mut encoder)?;
            out = encoder.finish()?;
        } else {
            self.copy(path, &mut out)?;
        }
        let out = out.into_inner()?;
        out.sync_all()?;
        Ok(out)
    }

    fn copy(&self, path: &Path, out: &mut impl Write) -> io::Result<()> {
        let mut lines = LineReader::open(path)?;
        while let Some(line) = lines.next_line()? {
            let parsed = SealedLine::parse(line.bytes).filter(|line| self.needles.concern(line));
            match (parsed, line.end) {
                (Some(parsed), _) => out.write_all(&parsed.erased())?,
                (None, LineEnd::Complete) => {
                    out.write_all(line.bytes)?;
                    out.write_all(b"\n")?;
                }
                (None, LineEnd::Missing) => out.write_all(line.bytes)?,
                // The reader has left out a part of it, so the file cannot be copied.
                (None, LineEnd::TooLong) => {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a line is too long"));
                }
            }
        }
        Ok(())
    }
}

/// Keeps the time of the last change, by which other programs delete files.
fn keep_time(out: &File, before: &Metadata) -> io::Result<()> {
    out.set_modified(before.modified()?)
}

/// Checks that a path still names the file that was copied: `logrotate` may have renamed it, or the
/// server may have written to it.
fn check_unchanged(path: &Path, before: &Metadata) -> io::Result<()> {
    let now = std::fs::metadata(path)?;
    let is_same = FileId::of(&now) == FileId::of(before) && now.len() == before.len();
    let why = "another program renamed or changed the file meanwhile: run the command again";
    if is_same { Ok(()) } else { Err(io::Error::new(io::ErrorKind::ResourceBusy, why)) }
}

impl Needles {
    fn of(subject: &ErasureSubject) -> Self {
        let member = |name: &str, value: &str| {
            let mut text = format!("\"{name}\":\"");
            escape(&mut text, value);
            text.push('"');
            text.into_bytes()
        };
        // `party` of a silence has the kind of its key in front.
        let members = |names: &[&str], kind: &str, value: &str| -> Vec<_> {
            let plain = names.iter().chain(&["party", "alert_key"]).map(|name| member(name, value));
            plain.chain([member("party", &format!("{kind} {value}"))]).collect()
        };
        Self(match subject {
            ErasureSubject::User(id) => Some(members(&["id"], "user", id)),
            ErasureSubject::Name(name) => Some(members(&["name"], "name", name)),
            ErasureSubject::Address(address) => {
                let texts = address_texts(address.to_canonical());
                let of_text = |text: &String| members(&["ip", "address"], "prefix", text);
                Some(texts.iter().flat_map(of_text).collect())
            }
            ErasureSubject::All => None,
        })
    }

    /// Whether the personal part of a line names the subject.
    fn concern(&self, line: &SealedLine<'_>) -> bool {
        match (&line.personal, &self.0) {
            (Personal::Erased(_), _) => false,
            (Personal::Present(part), None) => !part.bytes.is_empty(),
            (Personal::Present(part), Some(needles)) => {
                needles.iter().any(|needle| memmem::find(part.bytes, needle).is_some())
            }
        }
    }
}

/// The texts of an address in records: itself, and the prefixes by which limits and rules count it.
fn address_texts(address: IpAddr) -> Vec<String> {
    let prefixes = match address {
        IpAddr::V4(address) => vec![format!("{address}/32")],
        IpAddr::V6(address) => [64, 48]
            .map(|bits| {
                let network = address.to_bits() >> (128 - bits) << (128 - bits);
                format!("{}/{bits}", Ipv6Addr::from_bits(network))
            })
            .into(),
    };
    std::iter::once(address.to_string()).chain(prefixes).collect()
}

fn fault(path: &Path, source: io::Error) -> ErasureError {
    ErasureError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::hash::{ChainHash, Salt};
    use crate::chain::line::seal_line;

    /// Lines about three users in turn, the last of whom has no personal part.
    fn lines(from: u64, before: &mut ChainHash) -> String {
        let mut out = String::new();
        for number in from..from + 9 {
            let start = out.len();
            out.push_str(&format!("{{\"event\":{{\"sequence\":{number}}}"));
            let personal = out.len();
            out.push_str(match number % 3 {
                0 => "",
                1 => ",\"source\":{\"ip\":\"192.0.2.1\"},\"user\":{\"id\":\"u1\",\"name\":\"ada\"}",
                _ => ",\"source\":{\"ip\":\"192.0.2.11\"},\"user\":{\"id\":\"u11\"}",
            });
            *before = seal_line(&mut out, start, personal, &Salt([7; 16]), before);
        }
        out
    }

    fn verifies(text: &str, before: &mut ChainHash) {
        for line in text.lines() {
            let line = SealedLine::parse(line.as_bytes()).unwrap();
            assert_eq!(line.expected(before), line.hash);
            *before = line.hash;
        }
    }

    fn read(path: &Path) -> String {
        let mut text = String::new();
        let mut lines = LineReader::open(path).unwrap();
        while let Some(line) = lines.next_line().unwrap() {
            text.push_str(std::str::from_utf8(line.bytes).unwrap());
            text.push('\n');
        }
        text
    }

    // T-368
    #[test]
    fn t368_erased_user_is_gone_from_plain_and_compressed_files_and_hashes_hold() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        let plain = folder.path().join("security-20260712T120000Z-1.log");
        let compressed = folder.path().join("security-20260713T120000Z-10.log.gz");
        let mut head = ChainHash::start(b"log");
        std::fs::write(&plain, lines(1, &mut head)).unwrap();
        let mut encoder =
            GzEncoder::new(File::create(&compressed).unwrap(), Compression::default());
        encoder.write_all(lines(10, &mut head).as_bytes()).unwrap();
        encoder.finish().unwrap();
        std::fs::write(&log, lines(19, &mut head)).unwrap();

        let erasure = Erasure::begin(&log, &ErasureSubject::User(String::from("u1"))).unwrap();
        let again = Erasure::begin(&log, &ErasureSubject::All);
        assert!(matches!(again, Err(ErasureError::InUse)));
        let files = erasure.find().unwrap();
        let ranges: Vec<_> = files.iter().map(|file| (file.first, file.last, file.count)).collect();
        assert_eq!(ranges, [(1, 7, 3), (10, 16, 3)]);
        assert_eq!(erasure.count_in_open_file().unwrap(), 3);
        files.iter().for_each(|file| erasure.erase(file).unwrap());
        let mut before = ChainHash::start(b"log");
        for path in [&plain, &compressed, &log] {
            let text = read(path);
            verifies(&text, &mut before);
            assert_eq!(text.contains("ada"), path == &log, "{text}");
            assert!(text.contains("\"u11\"") && text.contains("192.0.2.11\""));
        }
        assert!(erasure.find().unwrap().is_empty());
        assert_eq!(folder.path().read_dir().unwrap().count(), 4, "files and lock");
    }

    #[test]
    fn files_that_another_program_renamed_are_erased_and_keep_their_time() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("security.log");
        let renamed = folder.path().join("security.log.1");
        let old = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_790_000_000);
        let mut head = ChainHash::start(b"log");
        std::fs::write(&renamed, lines(1, &mut head)).unwrap();
        File::options().write(true).open(&renamed).unwrap().set_modified(old).unwrap();
        let compressed = folder.path().join("security.log-20261127.gz");
        let mut encoder =
            GzEncoder::new(File::create(&compressed).unwrap(), Compression::default());
        encoder.write_all(lines(10, &mut head).as_bytes()).unwrap();
        encoder.finish().unwrap();
        std::fs::write(&log, lines(19, &mut head)).unwrap();
        let other = folder.path().join("security.log.bak");
        std::fs::write(&other, lines(1, &mut ChainHash::start(b"log"))).unwrap();

        let erasure = Erasure::begin(&log, &ErasureSubject::User(String::from("u1"))).unwrap();
        let files = erasure.find().unwrap();
        let mut firsts: Vec<_> = files.iter().map(|file| file.first).collect();
        firsts.sort_unstable();
        assert_eq!(firsts, [1, 10]);
        files.iter().for_each(|file| erasure.erase(file).unwrap());
        let mut before = ChainHash::start(b"log");
        for path in [&renamed, &compressed, &log] {
            let text = read(path);
            verifies(&text, &mut before);
            assert_eq!(text.contains("ada"), path == &log, "{text}");
        }
        assert_eq!(std::fs::metadata(&renamed).unwrap().modified().unwrap(), old);
        assert!(read(&other).contains("ada"), "a copy of another name is not of the log");
    }

    #[test]
    fn file_that_changes_during_the_erasure_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("security.log.1");
        std::fs::write(&path, "one\n").unwrap();
        let before = std::fs::metadata(&path).unwrap();
        assert!(check_unchanged(&path, &before).is_ok());
        std::fs::write(&path, "one\ntwo\n").unwrap();
        let error = check_unchanged(&path, &before).unwrap_err();
        assert!(error.to_string().contains("run the command again"), "{error}");
        std::fs::rename(&path, folder.path().join("security.log.2")).unwrap();
        std::fs::write(&path, "two\n").unwrap();
        assert!(check_unchanged(&path, &before).is_err(), "another file has its name");
    }

    #[test]
    fn subject_is_matched_as_a_whole() {
        let mut head = ChainHash::start(b"log");
        let text = lines(1, &mut head);
        let count = |subject: &ErasureSubject| {
            let needles = Needles::of(subject);
            let lines = text.lines().map(|line| SealedLine::parse(line.as_bytes()).unwrap());
            lines.filter(|line| needles.concern(line)).count()
        };
        let text = |text: &str| String::from(text);
        assert_eq!(count(&ErasureSubject::User(text("u1"))), 3);
        assert_eq!(count(&ErasureSubject::User(text("u"))), 0);
        assert_eq!(count(&ErasureSubject::Name(text("ada"))), 3);
        assert_eq!(count(&ErasureSubject::Name(text("a\"da"))), 0);
        assert_eq!(count(&ErasureSubject::Address("192.0.2.1".parse().unwrap())), 3);
        assert_eq!(count(&ErasureSubject::Address("::ffff:192.0.2.1".parse().unwrap())), 3);
        assert_eq!(count(&ErasureSubject::All), 6);
    }

    // T-368: records of alerts, silences and tables name persons as well.
    #[test]
    fn t368_subject_is_found_in_labels_and_as_a_prefix() {
        let concerns = |subject: &ErasureSubject, label: &str| {
            let (mut out, public) = (String::from("{\"event\":{\"sequence\":1}"), 23);
            out.push_str(&format!(",\"labels\":{{{label}}}"));
            seal_line(&mut out, 0, public, &Salt([7; 16]), &ChainHash::start(b"log"));
            Needles::of(subject).concern(&SealedLine::parse(out.trim_end().as_bytes()).unwrap())
        };
        let user = ErasureSubject::User(String::from("u1"));
        let name = ErasureSubject::Name(String::from("ada"));
        let address = |text: &str| ErasureSubject::Address(text.parse().unwrap());
        for (subject, label, expect) in [
            (&user, r#""party":"user u1""#, true),
            (&user, r#""alert_key":"u1""#, true),
            (&user, r#""party":"user u11""#, false),
            (&name, r#""party":"name ada""#, true),
            (&name, r#""alert_key":"ada""#, true),
            (&name, r#""stated_reason":"ada""#, false),
            (&address("192.0.2.1"), r#""address":"192.0.2.1/32""#, true),
            (&address("192.0.2.1"), r#""party":"prefix 192.0.2.1/32""#, true),
            (&address("192.0.2.1"), r#""address":"192.0.2.11/32""#, false),
            (&address("2001:db8:0:7::9"), r#""address":"2001:db8:0:7::/64""#, true),
            (&address("2001:db8:0:7::9"), r#""party":"2001:db8::/48""#, true),
            (&address("2001:db8:0:7::9"), r#""address":"2001:db8:0:8::/64""#, false),
        ] {
            assert_eq!(concerns(subject, label), expect, "{subject:?} {label}");
        }
    }
}
