//! The state of the chain that the server needs to continue a log: its name, keys, newest note.
//! Never: an old key, or a copy of a key in freed memory.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::{FileFormat, FormatMatch, LaterFormat, Secret};

use super::hash::ChainHash;
use super::key::{SigningKey, is_name};
use super::note::SignedNote;

/// The first line of the file.
const FORMAT: FileFormat = FileFormat::new("portcullis-audit-chain ", 1);
/// Longest file.
const TEXT_MAX_BYTES: usize = 4_096;

/// The keys of the current and of the next epoch.
///
/// The next key is on the disk before the log names it, so that a crash loses no key.
#[derive(Debug)]
pub(crate) struct EpochKeys {
    pub(crate) epoch: u64,
    pub(crate) current: SigningKey,
    pub(crate) next: SigningKey,
}

/// The content of the file.
#[derive(Debug)]
pub(crate) struct ChainState {
    /// The name of the log: host, product, id.
    pub(crate) name: String,
    /// The number before the first line of the log.
    pub(crate) start: u64,
    pub(crate) keys: EpochKeys,
    /// The newest note.
    pub(crate) note: Option<SignedNote>,
}

impl ChainState {
    /// The line that the newest note states, or the start of the log.
    pub(crate) fn anchor(&self) -> (u64, ChainHash) {
        match &self.note {
            Some(signed) => (signed.note.sequence, signed.note.head),
            None => (self.start, ChainHash::start(self.name.as_bytes())),
        }
    }

    /// The text of the file, which contains the keys.
    pub(crate) fn to_text(&self) -> Secret<String> {
        let Self { name, start, keys, note } = self;
        // The text never grows beyond its capacity, so no copy of a key is left in memory.
        let mut text = String::with_capacity(TEXT_MAX_BYTES);
        let epoch = keys.epoch;
        text.push_str(&format!("{FORMAT}\nlog {name}\nstart {start}\nepoch {epoch}\nseed "));
        STANDARD.encode_string(keys.current.seed().expose(), &mut text);
        text.push_str("\nnext ");
        STANDARD.encode_string(keys.next.seed().expose(), &mut text);
        text.push('\n');
        if let Some(note) = note {
            text.push_str("note\n");
            text.push_str(&note.to_string());
        }
        Secret::new(text)
    }

    /// Reads the text of the file. `None`: it is not in this form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (head, note) = match text.split_once("\nnote\n") {
            Some((head, note)) => (head, Some(note.parse::<SignedNote>().ok()?)),
            None => (text, None),
        };
        let mut lines = head.trim_end().split('\n');
        let mut next = || lines.next();
        if FORMAT.compare(next()?) != FormatMatch::Known {
            return None;
        }
        let name = next()?.strip_prefix("log ").filter(|name| is_name(name))?;
        let start = next()?.strip_prefix("start ")?.parse().ok()?;
        let epoch = next()?.strip_prefix("epoch ")?.parse().ok()?;
        let current = signing_key(next()?.strip_prefix("seed ")?)?;
        let next_key = signing_key(next()?.strip_prefix("next ")?)?;
        let is_of_log = note.as_ref().is_none_or(|signed| signed.note.name == name);
        let is_whole = is_of_log && next().is_none();
        let keys = EpochKeys { epoch, current, next: next_key };
        is_whole.then(|| Self { name: String::from(name), start, keys, note })
    }
}

/// The format of a state that a later version wrote; `None` for any other text.
pub(crate) fn later_format(text: &str) -> Option<LaterFormat> {
    match FORMAT.compare(text.lines().next().unwrap_or_default()) {
        FormatMatch::Later(format) => Some(format),
        FormatMatch::Known | FormatMatch::Foreign => None,
    }
}

fn signing_key(text: &str) -> Option<SigningKey> {
    let seed = Secret::new(STANDARD.decode(text).ok()?);
    SigningKey::from_seed(seed).ok()
}

#[cfg(test)]
mod tests {
    use super::super::note::Note;
    use super::*;

    fn state(note: bool) -> ChainState {
        let (current, next) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let name = String::from("chat.example/portcullis/7q");
        let note = note.then(|| {
            let head = ChainHash::start(b"x");
            let (time, state) = (String::from("2026-10-01T03:12:45.123Z"), String::from("ok"));
            Note { name: name.clone(), sequence: 9, head, epoch: 3, time, state }.sign(&current)
        });
        ChainState { name, start: 4, keys: EpochKeys { epoch: 3, current, next }, note }
    }

    #[test]
    fn state_is_read_as_it_is_written() {
        for note in [false, true] {
            let state = state(note);
            let text = state.to_text();
            let read = ChainState::parse(text.expose()).unwrap();
            assert_eq!(read.to_text().expose(), text.expose());
            assert_eq!(read.anchor().0, if note { 9 } else { 4 });
            assert!(!format!("{state:?}").contains(text.expose().lines().nth(4).unwrap()));
        }
    }

    #[test]
    fn state_in_another_form_is_rejected() {
        let text = state(true).to_text();
        let text = text.expose();
        let changed = [
            String::new(),
            text.replace("chain 1", "chain 2"),
            text.replace("epoch 3\nseed", "epoch x\nseed"),
            text.replace("seed ", "seed A"),
            text.replace("log chat", "log chap"),
            text.replace("\nnote\n", "\n"),
            String::from(&text[..text.len() / 2]),
        ];
        for changed in changed {
            assert!(ChainState::parse(&changed).is_none(), "{changed}");
            let is_later = changed.starts_with("portcullis-audit-chain 2");
            assert_eq!(later_format(&changed).is_some(), is_later, "{changed}");
        }
    }
}
