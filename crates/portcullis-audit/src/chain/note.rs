//! Signed notes: statements about the log up to one line (C2SP signed-note).
//! Never: a tlog-checkpoint; the first line of the text says that the log is a hash chain.
//!
//! ```text
//! chat.example/portcullis/7q2f…/chain-v1
//! 184467
//! q1v…=
//! epoch 412 2026-10-01T03:12:45.123Z state ok
//!
//! — chat.example/portcullis/7q2f… base64(key id | signature)
//! ```

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::hash::{ChainHash, decode_standard};
use super::key::{PublicKey, SIGNATURE_BYTES, SigningKey, is_name};

/// Ends the first line: the format of the log.
const FORMAT: &str = "/chain-v1";
/// Begins the line of the signature: an em dash and a space.
const SIGNATURE_MARK: &str = "\u{2014} ";
/// Bytes of a key's id.
const ID_BYTES: usize = 4;
/// Longest note.
const NOTE_MAX_BYTES: usize = 1_024;

/// The statement of a note: the log has exactly these lines up to a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The name of the log, which is also that of its keys: host, product, id of the log.
    pub name: String,
    /// The number of the last line.
    pub sequence: u64,
    /// The hash of the last line.
    pub head: ChainHash,
    /// The number of the epoch, whose key signs.
    pub epoch: u64,
    /// The time of the signature, in UTC with milliseconds.
    pub time: String,
    /// The state of the log's file in one word: `ok`, `slow`, `full`, `failing`.
    pub state: String,
}

/// A note with its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    /// The statement.
    pub note: Note,
    key_id: [u8; ID_BYTES],
    signature: [u8; SIGNATURE_BYTES],
}

/// The reason why a text is not a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// It has not the form of a signed note of a security log.
    #[error("not a signed note of a security log")]
    Form,
}

impl Note {
    /// The text that is signed.
    fn text(&self) -> String {
        let Self { name, sequence, head, epoch, time, state } = self;
        let head = STANDARD.encode(head.as_bytes());
        format!("{name}{FORMAT}\n{sequence}\n{head}\nepoch {epoch} {time} state {state}\n")
    }

    /// Signs the note with the key of its epoch.
    pub(crate) fn sign(self, key: &SigningKey) -> SignedNote {
        let signature = key.sign(self.text().as_bytes());
        SignedNote { key_id: key.public().id(&self.name), signature, note: self }
    }
}

impl SignedNote {
    /// Whether a key of the note's name made the signature.
    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        self.key_id == key.id(&self.note.name)
            && key.verify(self.note.text().as_bytes(), &self.signature)
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let signature = STANDARD.encode([&self.key_id[..], &self.signature].concat());
        let (text, name) = (self.note.text(), &self.note.name);
        writeln!(formatter, "{text}\n{SIGNATURE_MARK}{name} {signature}")
    }
}

impl FromStr for SignedNote {
    type Err = NoteError;

    /// Reads the only text that stands for a note; its last line end may be missing.
    fn from_str(text: &str) -> Result<Self, NoteError> {
        let read = parse(text).ok_or(NoteError::Form)?;
        let is_exact = read.to_string().trim_end() == text.trim_end();
        if is_exact { Ok(read) } else { Err(NoteError::Form) }
    }
}

fn parse(text: &str) -> Option<SignedNote> {
    if text.len() > NOTE_MAX_BYTES {
        return None;
    }
    let mut lines = text.trim_end().split('\n');
    let name = lines.next()?.strip_suffix(FORMAT).filter(|name| is_name(name))?;
    let sequence = lines.next()?.parse().ok()?;
    let head = ChainHash::from_bytes(decode_standard(lines.next()?)?);
    let mut words = lines.next()?.split(' ');
    let mut next = || words.next();
    let ("epoch", epoch) = (next()?, next()?.parse().ok()?) else { return None };
    let time = String::from(next()?);
    let ("state", state) = (next()?, String::from(next()?)) else { return None };
    let ("", signed) = (lines.next()?, lines.next()?) else { return None };
    let (signer, signature) = signed.strip_prefix(SIGNATURE_MARK)?.split_once(' ')?;
    let bytes: [u8; ID_BYTES + SIGNATURE_BYTES] = decode_standard(signature)?;
    let (key_id, signature) = bytes.split_first_chunk::<ID_BYTES>()?;
    let note = Note { name: String::from(name), sequence, head, epoch, time, state };
    let signature = signature.first_chunk::<SIGNATURE_BYTES>()?;
    let is_whole = signer == name && lines.next().is_none();
    is_whole.then_some(SignedNote { note, key_id: *key_id, signature: *signature })
}

#[cfg(test)]
mod tests {
    use portcullis_model::Secret;

    use super::*;

    fn signed() -> (SignedNote, SigningKey) {
        let key = SigningKey::from_seed(Secret::new(vec![3; 32])).unwrap();
        let note = Note {
            name: String::from("chat.example/portcullis/7q2f"),
            sequence: 184_467,
            head: ChainHash::start(b"log"),
            epoch: 412,
            time: String::from("2026-10-01T03:12:45.123Z"),
            state: String::from("ok"),
        };
        (note.sign(&key), key)
    }

    #[test]
    fn note_is_read_as_it_is_written() {
        let (note, key) = signed();
        let text = note.to_string();
        assert_eq!(text.lines().count(), 6);
        let read: SignedNote = text.parse().unwrap();
        assert_eq!(read, note);
        assert!(read.is_signed_by(&key.public()));
        assert!(!read.is_signed_by(&SigningKey::generate().unwrap().public()));
    }

    // T-361
    #[test]
    fn every_flipped_bit_of_a_note_is_found() {
        let (note, key) = signed();
        let text = note.to_string().trim_end().as_bytes().to_vec();
        for at in 0..text.len() * 8 {
            let mut changed = text.clone();
            changed[at / 8] ^= 1 << (at % 8);
            let read = std::str::from_utf8(&changed).ok().map(str::parse::<SignedNote>);
            let holds = matches!(read, Some(Ok(read)) if read.is_signed_by(&key.public()));
            assert!(!holds, "bit {at}");
        }
    }

    #[test]
    fn text_of_another_form_is_rejected() {
        let (note, _) = signed();
        let text = note.to_string();
        let changed = [
            text.replace("/chain-v1", "/chain-v2"),
            text.replace("184467", "0184467"),
            text.replace("184467", "+184467"),
            text.replace("\n\n", "\n"),
            text.replace('\u{2014}', "-"),
            format!("{text}{text}"),
            String::new(),
        ];
        for changed in changed {
            assert_eq!(changed.parse::<SignedNote>(), Err(NoteError::Form), "{changed}");
        }
    }
}
