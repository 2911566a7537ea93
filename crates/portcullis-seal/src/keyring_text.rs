//! The format of a keyring file: a first line with the version, then one key a line.
//! Never: a line that is skipped or repaired.
//!
//! ```text
//! portcullis-field-keys 1
//! old 5c0f6bb0e2ad6a3c 1760000000000 <base64 of 32 bytes>
//! current 91d2a7c3de0b4f18 1770000000000 <base64 of 32 bytes>
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_model::{FileFormat, FormatMatch, Secret};
use zeroize::Zeroizing;

use crate::field_key::FieldKey;
use crate::keys::Keys;
use crate::line_fault::{KEYS_MAX, LineFault};

const FORMAT: FileFormat = FileFormat::new("portcullis-field-keys ", 1);
const CURRENT: &str = "current";
const OLD: &str = "old";
/// Longest line: state, id, time, key, separators and line end.
const LINE_MAX_BYTES: usize = 7 + 16 + 20 + 44 + 4;
const TEXT_MAX_BYTES: usize = (KEYS_MAX + 1) * LINE_MAX_BYTES;

/// The line and the fault of an invalid keyring text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TextFault {
    pub(crate) line: usize,
    pub(crate) fault: LineFault,
}

pub(crate) fn parse(bytes: &[u8]) -> Result<Keys, TextFault> {
    let at = |line| move |fault| TextFault { line, fault };
    let text = str::from_utf8(bytes).map_err(|_| at(1)(LineFault::NotText))?;
    let mut lines = text.strip_suffix('\n').unwrap_or(text).split('\n');
    check_header(lines.next().unwrap_or_default()).map_err(at(1))?;
    let (mut current, mut old) = (None, Vec::new());
    let mut last = 1;
    for (line, number) in lines.zip(2..) {
        last = number;
        if number > KEYS_MAX + 1 {
            return Err(at(number)(LineFault::TooMany));
        }
        let (state, key) = parse_line(line).map_err(at(number))?;
        match (state, &current) {
            (State::Current, None) => current = Some(key),
            (State::Current, Some(_)) => return Err(at(number)(LineFault::SecondCurrent)),
            (State::Old, _) => old.push(key),
        }
    }
    if !text.ends_with('\n') {
        return Err(at(last)(LineFault::Cut));
    }
    let current = current.ok_or(LineFault::NoCurrent).map_err(at(last))?;
    Keys::new(current, old).map_err(at(last))
}

/// The text of these keys, with capacity for the longest: growing would leave copies.
pub(crate) fn render(keys: &Keys) -> Secret<Vec<u8>> {
    let mut text = Vec::with_capacity(TEXT_MAX_BYTES);
    text.extend_from_slice(format!("{FORMAT}\n").as_bytes());
    let old = keys.old().iter().map(|key| (OLD, key));
    for (state, key) in old.chain([(CURRENT, keys.current())]) {
        let facts = format!("{state} {} {} ", key.id(), key.created_unix_ms());
        let encoded = Zeroizing::new(STANDARD.encode(key.expose()));
        text.extend_from_slice(facts.as_bytes());
        text.extend_from_slice(encoded.as_bytes());
        text.push(b'\n');
    }
    Secret::new(text)
}

enum State {
    Current,
    Old,
}

fn check_header(line: &str) -> Result<(), LineFault> {
    match FORMAT.compare(line) {
        FormatMatch::Known => Ok(()),
        FormatMatch::Later(format) => Err(LineFault::Later(format)),
        FormatMatch::Foreign => Err(LineFault::Header),
    }
}

fn parse_line(line: &str) -> Result<(State, FieldKey), LineFault> {
    let mut words = line.split(' ');
    let (Some(state), Some(id), Some(created), Some(encoded), None) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return Err(LineFault::Words);
    };
    let state = match state {
        CURRENT => State::Current,
        OLD => State::Old,
        _ => return Err(LineFault::State),
    };
    let id = id.parse().map_err(|_| LineFault::Id)?;
    let created_unix_ms = parse_time(created)?;
    let key = FieldKey::parse(&mut *decode(encoded)?, created_unix_ms)?;
    if key.id() == id { Ok((state, key)) } else { Err(LineFault::Mismatch) }
}

fn parse_time(word: &str) -> Result<i64, LineFault> {
    let time = word.parse::<i64>().map_err(|_| LineFault::Time)?;
    // A time has one valid form, as all other parts do.
    if time < 0 || time.to_string() != word { Err(LineFault::Time) } else { Ok(time) }
}

fn decode(word: &str) -> Result<Zeroizing<Vec<u8>>, LineFault> {
    let mut bytes = Zeroizing::new(vec![0; word.len()]);
    let length = STANDARD.decode_slice(word, &mut bytes).map_err(|_| LineFault::KeyEncoding)?;
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use portcullis_model::LaterFormat;
    use proptest::prelude::*;

    use super::*;
    use crate::key_id::KeyId;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const LINE: &str =
        "1ad27a17980de4f3 1770000000000 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn key(byte: u8, created_unix_ms: i64) -> FieldKey {
        FieldKey::parse(&mut vec![byte; 32], created_unix_ms).unwrap()
    }

    fn ring_of_three() -> String {
        let keys = Keys::new(key(3, 30), vec![key(1, 10), key(2, 20)]).unwrap();
        String::from_utf8(render(&keys).expose().clone()).unwrap()
    }

    fn fault(text: impl AsRef<[u8]>) -> Option<(usize, LineFault)> {
        parse(text.as_ref()).err().map(|fault| (fault.line, fault.fault))
    }

    #[test]
    fn written_keyring_is_read_again() {
        let text = ring_of_three();
        let keys = parse(text.as_bytes()).unwrap();
        assert_eq!(render(&keys).expose(), text.as_bytes());
        let times: Vec<_> = keys.facts().iter().map(|key| key.created_unix_ms).collect();
        assert_eq!((keys.current().created_unix_ms(), times), (30, vec![10, 20, 30]));
        // The documented format on disk.
        let pinned =
            parse(format!("portcullis-field-keys 1\ncurrent {LINE}\n").as_bytes()).unwrap();
        assert_eq!(pinned.current().expose(), (0..32).collect::<Vec<u8>>());
    }

    #[test]
    fn invalid_file_is_rejected_with_its_line() {
        let short = KEY.replace("Hh8=", "Hg==");
        let long = KEY.replace("Hh8=", "Hh8g");
        let line = |from: &str, to: &str| format!("current {LINE}\n").replace(from, to);
        let cases = [
            (line("", ""), None),
            (String::new(), Some((1, LineFault::NoCurrent))),
            (line("current", "old"), Some((2, LineFault::NoCurrent))),
            (line("current", "Current"), Some((2, LineFault::State))),
            (line("current", ""), Some((2, LineFault::State))),
            (line("current 1", "current  1"), Some((2, LineFault::Words))),
            (line("current ", " current "), Some((2, LineFault::Words))),
            (line("\n", " \n"), Some((2, LineFault::Words))),
            (line("\n", " more\n"), Some((2, LineFault::Words))),
            (line("\n", "\n\n"), Some((3, LineFault::Words))),
            (line("current ", "\ncurrent "), Some((2, LineFault::Words))),
            (line("\n", "\n# a remark\n"), Some((3, LineFault::Words))),
            (line("\n", "\nmore"), Some((3, LineFault::Words))),
            (line("\n", "\r\n"), Some((2, LineFault::KeyEncoding))),
            (line("\n", ""), Some((2, LineFault::Cut))),
            (line("1ad27a", "1AD27A"), Some((2, LineFault::Id))),
            (line("1ad27a", "1ad27"), Some((2, LineFault::Id))),
            (line("1ad27a", "1ad27b"), Some((2, LineFault::Mismatch))),
            (line("1770000000000", "1770000000001"), Some((2, LineFault::Mismatch))),
            (line("1770000000000", "-1770000000000"), Some((2, LineFault::Time))),
            (line("1770000000000", "+1770000000000"), Some((2, LineFault::Time))),
            (line("1770000000000", "01770000000000"), Some((2, LineFault::Time))),
            (line("1770000000000", "99999999999999999999"), Some((2, LineFault::Time))),
            (line("AAEC", "AAED"), Some((2, LineFault::Mismatch))),
            (line("AAEC", "AA*C"), Some((2, LineFault::KeyEncoding))),
            (line("Hh8=", "Hh8"), Some((2, LineFault::KeyEncoding))),
            (line("Hh8=", "Hh9="), Some((2, LineFault::KeyEncoding))),
            (line("Hh8=", "Hh8=Hh8="), Some((2, LineFault::KeyEncoding))),
            (line(KEY, &short), Some((2, LineFault::KeyLength(31)))),
            (line(KEY, &long), Some((2, LineFault::KeyLength(33)))),
            (line(KEY, ""), Some((2, LineFault::KeyLength(0)))),
            (line(KEY, &format!("{}=", "A".repeat(43))), Some((2, LineFault::KeyZero))),
            (format!("current {LINE}\n").repeat(2), Some((3, LineFault::SecondCurrent))),
            (
                format!("current {LINE}\nold {LINE}\n"),
                Some((3, LineFault::Doubled("1ad27a17980de4f3".parse::<KeyId>().unwrap()))),
            ),
        ];
        for (body, expect) in cases {
            assert_eq!(fault(format!("portcullis-field-keys 1\n{body}")), expect, "{body:?}");
        }
    }

    #[test]
    fn inexact_first_line_is_rejected() {
        let cases = [
            ("", LineFault::Header),
            ("portcullis-field-keys", LineFault::Header),
            ("portcullis-field-keys ", LineFault::Header),
            ("portcullis-field-keys 01", LineFault::Header),
            ("portcullis-field-keys one", LineFault::Header),
            ("portcullis-field-keys  1", LineFault::Header),
            ("\u{feff}portcullis-field-keys 1", LineFault::Header),
            ("portcullis-field-keys 0", LineFault::Header),
            ("portcullis-field-keys 2", LineFault::Later(LaterFormat { seen: 2, known: 1 })),
        ];
        for (first, expect) in cases {
            let text = format!("{first}\ncurrent {LINE}\n");
            assert_eq!(fault(&text), Some((1, expect)), "{first:?}");
        }
        assert_eq!(fault(""), Some((1, LineFault::Header)));
        assert_eq!(fault([0xff, 0xfe]), Some((1, LineFault::NotText)));
    }

    #[test]
    fn largest_keyring_fits_the_file() {
        let old = |count: u8| (1..=count).map(|byte| key(byte, i64::MAX)).collect::<Vec<_>>();
        let keys = Keys::new(key(200, i64::MAX), old(63)).unwrap();
        let text = render(&keys);
        assert!(text.expose().len() < 16 * 1024);
        // Written without growing, which would leave copies behind.
        assert_eq!(text.expose().capacity(), TEXT_MAX_BYTES);
        assert!(parse(text.expose()).is_ok());
        assert_eq!(Keys::new(key(200, 1), old(64)).err(), Some(LineFault::TooMany));
        let more = format!("{}old {LINE}\n", String::from_utf8(text.expose().clone()).unwrap());
        assert_eq!(fault(more), Some((66, LineFault::TooMany)));
    }

    #[test]
    fn changed_or_missing_byte_is_detected() {
        let text = ring_of_three().into_bytes();
        for at in 0..text.len() {
            assert!(fault(&text[..at]).is_some(), "cut at {at}");
            for bit in 0..8 {
                let mut changed = text.clone();
                changed[at] ^= 1 << bit;
                assert!(fault(&changed).is_some(), "bit {bit} of byte {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn random_bytes_are_rejected(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(parse(&bytes).is_err());
        }
    }
}
