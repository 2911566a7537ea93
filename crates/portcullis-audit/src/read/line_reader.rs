//! The lines of one file of the log, plain or compressed, read as a stream.
//! Never: more than one buffer in memory, however long a line is.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use memchr::memchr;

/// Bytes of a line that are delivered. Records are shorter; the rest of a longer line is skipped.
pub const LINE_MAX_BYTES: usize = 64 * 1024;
/// Bytes of the buffer.
const BUFFER_BYTES: usize = 4 * LINE_MAX_BYTES;

/// The kind of end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    /// With a line end, which is not part of its bytes.
    Complete,
    /// With the file: its writer was interrupted, or is still writing it.
    Missing,
    /// After [`LINE_MAX_BYTES`]; the rest was skipped.
    TooLong,
}

/// One line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// The offset of the line in the uncompressed content of its file.
    pub offset: u64,
    /// The line, without its line end.
    pub bytes: &'a [u8],
    /// The kind of its end.
    pub end: LineEnd,
}

/// Reads the lines of one file in order.
pub struct LineReader {
    source: Box<dyn Read + Send>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// The offset of `start` in the content.
    offset: u64,
}

impl std::fmt::Debug for LineReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "LineReader(at {})", self.offset)
    }
}

/// A file with a position of its own, because copies of a handle share theirs.
struct FromPosition {
    file: File,
    position: u64,
}

impl Read for FromPosition {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(space, self.position)?;
        self.position += count as u64;
        Ok(count)
    }
}

/// A line in the buffer.
struct LineRange {
    start: usize,
    length: usize,
    offset: u64,
    end: LineEnd,
}

/// Whether a file is compressed, by its name.
pub(crate) fn is_compressed(path: &Path) -> bool {
    path.extension() == Some(OsStr::new("gz"))
}

/// Whether an error says that a compressed file is damaged, and not that it cannot be read.
pub(crate) fn is_damage(error: &io::Error) -> bool {
    error.raw_os_error().is_none()
}

impl LineReader {
    /// Opens a file; a name that ends with `.gz` is that of a compressed one.
    ///
    /// # Errors
    /// The system's error.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let is_compressed = is_compressed(path);
        Ok(if is_compressed { Self::compressed(file) } else { Self::plain(file) })
    }

    /// Reads a plain file from its start. The position of the handle is neither used nor changed.
    #[must_use]
    pub fn plain(file: File) -> Self {
        Self::new(Box::new(FromPosition { file, position: 0 }))
    }

    /// Reads the end of a plain file, of so many bytes at most. The first line can be incomplete.
    ///
    /// # Errors
    /// The system's error.
    pub(crate) fn plain_end(file: File, bytes: u64) -> io::Result<Self> {
        let position = file.metadata()?.len().saturating_sub(bytes);
        let reader = Self::new(Box::new(FromPosition { file, position }));
        Ok(Self { offset: position, ..reader })
    }

    /// Reads a file that gzip compressed.
    #[must_use]
    pub fn compressed(file: File) -> Self {
        Self::new(Box::new(MultiGzDecoder::new(io::BufReader::with_capacity(LINE_MAX_BYTES, file))))
    }

    fn new(source: Box<dyn Read + Send>) -> Self {
        Self { source, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0, offset: 0 }
    }

    /// The offset of the next line in the uncompressed content.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next line; `None` at the end of the file.
    ///
    /// # Errors
    /// The system's error, or that of a compressed file that is damaged.
    pub fn next_line(&mut self) -> io::Result<Option<LogLine<'_>>> {
        let found = match self.find()? {
            Some(found) => Some(found),
            None => self.take_rest(),
        };
        Ok(found.map(|found| self.line(&found)))
    }

    /// The next line that has its line end; `None` until the file has one.
    ///
    /// # Errors
    /// As [`LineReader::next_line`].
    pub fn next_complete(&mut self) -> io::Result<Option<LogLine<'_>>> {
        let found = self.find()?;
        Ok(found.map(|found| self.line(&found)))
    }

    /// Finds the end of a line, reading on as needed.
    fn find(&mut self) -> io::Result<Option<LineRange>> {
        let mut searched = 0;
        loop {
            let unread = self.buffer.get(self.start..self.end).unwrap_or_default();
            let length = unread.len();
            if let Some(end) = memchr(b'\n', unread.get(searched..).unwrap_or_default()) {
                return Ok(Some(self.take(searched + end, 1, LineEnd::Complete)));
            }
            if length > LINE_MAX_BYTES {
                return self.skip_long_line().map(Some);
            }
            searched = length;
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Takes a line and the bytes after it; a longer line is shortened.
    fn take(&mut self, length: usize, after: usize, end: LineEnd) -> LineRange {
        let (start, offset) = (self.start, self.offset);
        self.start += length + after;
        self.offset += (length + after) as u64;
        let end = if length > LINE_MAX_BYTES { LineEnd::TooLong } else { end };
        LineRange { start, length: length.min(LINE_MAX_BYTES), offset, end }
    }

    /// The rest of the file, which has no line end.
    fn take_rest(&mut self) -> Option<LineRange> {
        let length = self.end - self.start;
        (length > 0).then(|| self.take(length, 0, LineEnd::Missing))
    }

    /// Keeps the first bytes of a line at the start of the buffer, and reads to its end.
    fn skip_long_line(&mut self) -> io::Result<LineRange> {
        let offset = self.offset;
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.offset += self.end as u64;
        loop {
            let space = self.buffer.get_mut(LINE_MAX_BYTES..).unwrap_or_default();
            let count = read(&mut *self.source, space)?;
            let found = memchr(b'\n', space.get(..count).unwrap_or_default());
            let taken = found.map_or(count, |at| at + 1);
            self.offset += taken as u64;
            (self.start, self.end) = (LINE_MAX_BYTES + taken, LINE_MAX_BYTES + count);
            if found.is_some() || count == 0 {
                return Ok(LineRange {
                    start: 0,
                    length: LINE_MAX_BYTES,
                    offset,
                    end: LineEnd::TooLong,
                });
            }
        }
    }

    /// Reads more bytes; `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        if self.start > 0 && (self.start == self.end || self.buffer.len() == self.end) {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let count = read(&mut *self.source, self.buffer.get_mut(self.end..).unwrap_or_default())?;
        self.end += count;
        Ok(count > 0)
    }

    fn line(&self, found: &LineRange) -> LogLine<'_> {
        let bytes = self.buffer.get(found.start..found.start + found.length);
        LogLine { offset: found.offset, bytes: bytes.unwrap_or_default(), end: found.end }
    }
}

fn read(source: &mut dyn Read, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(space) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Delivers a text in pieces of a few bytes.
    struct Pieces(Vec<u8>, usize);

    impl Read for Pieces {
        fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(space.len()).min(self.0.len());
            space[..count].copy_from_slice(&self.0[..count]);
            self.0.drain(..count);
            Ok(count)
        }
    }

    fn lines(text: &[u8], piece: usize) -> Vec<(u64, usize, LineEnd)> {
        let mut reader = LineReader::new(Box::new(Pieces(text.to_vec(), piece)));
        let mut lines = Vec::new();
        while let Some(line) = reader.next_line().unwrap() {
            let start = usize::try_from(line.offset).unwrap();
            assert_eq!(line.bytes, &text[start..start + line.bytes.len()], "offset is exact");
            lines.push((line.offset, line.bytes.len(), line.end));
        }
        assert_eq!(reader.offset(), text.len() as u64);
        lines
    }

    #[test]
    fn lines_have_their_offset_and_end_however_they_arrive() {
        use LineEnd::{Complete, Missing};
        for piece in [1, 3, 1 << 20] {
            assert_eq!(lines(b"", piece), []);
            assert_eq!(
                lines(b"ab\n\ncde\nf", piece),
                [(0, 2, Complete), (3, 0, Complete), (4, 3, Complete), (8, 1, Missing)]
            );
        }
    }

    #[test]
    fn long_line_is_shortened_and_the_next_line_is_whole() {
        for more in [0, 1, 200_000, 1_000_000] {
            let long = LINE_MAX_BYTES + more;
            let text = ["a\n".as_bytes(), &vec![b'x'; long], b"\nlast\n"].concat();
            let end = if more == 0 { LineEnd::Complete } else { LineEnd::TooLong };
            for piece in [7_777, 1 << 20] {
                assert_eq!(
                    lines(&text, piece),
                    [
                        (0, 1, LineEnd::Complete),
                        (2, LINE_MAX_BYTES, end),
                        (3 + long as u64, 4, LineEnd::Complete)
                    ],
                    "{more}"
                );
            }
        }
        assert_eq!(lines(&vec![b'x'; 500_000], 99_999), [(0, LINE_MAX_BYTES, LineEnd::TooLong)]);
    }

    #[test]
    fn many_lines_pass_the_buffer_unchanged() {
        let text: String = (0..60_000).map(|number| format!("line {number}\n")).collect();
        assert_eq!(lines(text.as_bytes(), 65_000).len(), 60_000);
    }

    #[test]
    fn unfinished_line_is_delivered_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "one\ntw").unwrap();
        let mut reader = LineReader::plain(File::open(&path).unwrap());
        assert_eq!(reader.next_complete().unwrap().unwrap().bytes, b"one");
        assert!(reader.next_complete().unwrap().is_none());
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        std::io::Write::write_all(&mut file, b"o\n").unwrap();
        assert_eq!(reader.next_complete().unwrap().unwrap().bytes, b"two");
    }
}
