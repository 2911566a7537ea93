//! The members of a line that connect it with the lines before: offsets, salt, hash.
//! Never: another member behind them; what stands in a line is hashed, or the line is invalid.
//!
//! A line is `PUBLIC PERSONAL ,"integrity":{"part":[A,B],"salt":"…","hash":"…"}}`. PUBLIC are the
//! bytes `[0,A)`, PERSONAL those of `[A,B)`. When the personal part is erased, its commitment
//! stands for it: `,"integrity":{"part":[A,A],"commit":"…","hash":"…"}}`.

use std::fmt::Write;

use super::hash::{ChainHash, HASH_CHARS, SALT_CHARS, Salt};

const START: &[u8] = b",\"integrity\":{\"part\":[";
const SALT: &[u8] = b"],\"salt\":\"";
const COMMITMENT: &[u8] = b"],\"commit\":\"";
const HASH: &[u8] = b"\",\"hash\":\"";
const END: &[u8] = b"\"}}";
/// Bytes that the members add to a line of usual length.
pub(crate) const INTEGRITY_BYTES: u64 = 120;
/// Digits of an offset.
const OFFSET_DIGITS: usize = 10;

/// The personal part of a line, or its commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Personal<'a> {
    /// The part itself; its salt and its bytes.
    Present(SaltedPart<'a>),
    /// It was erased; its commitment is left.
    Erased(ChainHash),
}

/// A personal part and its salt.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct SaltedPart<'a> {
    pub(crate) salt: Salt,
    pub(crate) bytes: &'a [u8],
}

/// A line, split into its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SealedLine<'a> {
    pub(crate) public: &'a [u8],
    pub(crate) personal: Personal<'a>,
    /// The hash that the line states.
    pub(crate) hash: ChainHash,
}

impl std::fmt::Debug for SaltedPart<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SaltedPart({} bytes)", self.bytes.len())
    }
}

impl<'a> SealedLine<'a> {
    /// Splits a line, which has no line end. `None`: it has not this form.
    pub(crate) fn parse(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_suffix(END)?;
        let (rest, hash) = split_last(rest, HASH_CHARS)?;
        let hash = ChainHash::parse(hash)?;
        let rest = rest.strip_suffix(HASH)?;
        let salted = split_last(rest, SALT_CHARS)
            .and_then(|(rest, salt)| Some((rest.strip_suffix(SALT)?, Salt::parse(salt)?)));
        if let Some((rest, salt)) = salted {
            let (public, bytes) = parts(rest)?;
            let personal = Personal::Present(SaltedPart { salt, bytes });
            return Some(Self { public, personal, hash });
        }
        let (rest, commitment) = split_last(rest, HASH_CHARS)?;
        let commitment = ChainHash::parse(commitment)?;
        let (public, bytes) = parts(rest.strip_suffix(COMMITMENT)?)?;
        let personal = Personal::Erased(commitment);
        bytes.is_empty().then_some(Self { public, personal, hash })
    }

    /// The commitment to the personal part.
    pub(crate) fn commitment(&self) -> ChainHash {
        match self.personal {
            Personal::Present(part) => ChainHash::commitment(&part.salt, part.bytes),
            Personal::Erased(commitment) => commitment,
        }
    }

    /// The hash that the line must state after a line with hash `before`.
    pub(crate) fn expected(&self, before: &ChainHash) -> ChainHash {
        before.next(self.public, &self.commitment())
    }

    /// The line without its personal part, line end included.
    pub(crate) fn erased(&self) -> Vec<u8> {
        let mut line = self.public.to_vec();
        let (end, commitment, hash) = (self.public.len(), self.commitment(), self.hash);
        let members = format!(
            ",\"integrity\":{{\"part\":[{end},{end}],\"commit\":\"{commitment}\",\
             \"hash\":\"{hash}\"}}}}\n"
        );
        line.extend_from_slice(members.as_bytes());
        line
    }
}

/// Ends the line that begins at `start` of `out` and whose personal part begins at `personal`:
/// appends the members of the chain and the line end. Returns the hash of the line.
pub(crate) fn seal_line(
    out: &mut String,
    start: usize,
    personal: usize,
    salt: &Salt,
    before: &ChainHash,
) -> ChainHash {
    let bytes = out.as_bytes();
    let public = bytes.get(start..personal).unwrap_or_default();
    let part = bytes.get(personal..).unwrap_or_default();
    let hash = before.next(public, &ChainHash::commitment(salt, part));
    let (from, to) = (personal.saturating_sub(start), out.len().saturating_sub(start));
    let salt = salt.to_text();
    // Writing to a string never fails.
    let _ = writeln!(
        out,
        ",\"integrity\":{{\"part\":[{from},{to}],\"salt\":\"{salt}\",\"hash\":\"{hash}\"}}}}"
    );
    hash
}

fn split_last(bytes: &[u8], count: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(bytes.len().checked_sub(count)?)
}

/// The public and the personal part before `,"integrity":{"part":[A,B`.
fn parts(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (rest, to) = last_number(rest)?;
    let rest = rest.strip_suffix(b",")?;
    let (rest, from) = last_number(rest)?;
    let rest = rest.strip_suffix(START)?;
    if to != rest.len() {
        return None;
    }
    rest.split_at_checked(from)
}

/// Cuts a decimal number without leading zeros from the end.
fn last_number(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let digits = bytes.iter().rev().take(OFFSET_DIGITS).take_while(|byte| byte.is_ascii_digit());
    let (rest, digits) = split_last(bytes, digits.count())?;
    if digits.is_empty() || (digits.len() > 1 && digits.starts_with(b"0")) {
        return None;
    }
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some((rest, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: &str = "{\"event\":{\"sequence\":1}";
    const PERSONAL: &str = ",\"user\":{\"name\":\"ada\"}";

    fn sealed(personal: &str, before: &ChainHash) -> (String, ChainHash) {
        let mut out = format!("earlier\n{PUBLIC}{personal}");
        let hash = seal_line(&mut out, 8, 8 + PUBLIC.len(), &Salt([9; 16]), before);
        (out.split_off(8), hash)
    }

    #[test]
    fn sealed_line_is_json_and_splits_into_its_parts() {
        let start = ChainHash::start(b"log");
        for personal in [PERSONAL, ""] {
            let (line, hash) = sealed(personal, &start);
            let json: serde_json::Value = serde_json::from_str(&line).unwrap();
            let added = line.trim_end().len() - PUBLIC.len() - personal.len() - "}".len();
            assert!((INTEGRITY_BYTES - 20..=INTEGRITY_BYTES).contains(&(added as u64)), "{added}");
            assert_eq!(json["integrity"]["part"][0], PUBLIC.len());
            assert_eq!(json["integrity"]["part"][1], PUBLIC.len() + personal.len());
            let line = SealedLine::parse(line.trim_end().as_bytes()).unwrap();
            assert_eq!((line.public, line.hash), (PUBLIC.as_bytes(), hash));
            assert_eq!(line.expected(&start), hash);
            assert_ne!(line.expected(&hash), hash);
        }
    }

    // T-368, T-369
    #[test]
    fn erased_line_keeps_its_hash_and_loses_part_and_salt() {
        let start = ChainHash::start(b"log");
        let (line, hash) = sealed(PERSONAL, &start);
        let erased = SealedLine::parse(line.trim_end().as_bytes()).unwrap().erased();
        let text = std::str::from_utf8(&erased).unwrap();
        assert!(!text.contains("ada") && !text.contains(&Salt([9; 16]).to_text()), "{text}");
        serde_json::from_str::<serde_json::Value>(text).unwrap();
        let again = SealedLine::parse(text.trim_end().as_bytes()).unwrap();
        assert_eq!((again.expected(&start), again.hash), (hash, hash));
        assert_eq!(again.erased(), erased);
    }

    // T-361
    #[test]
    fn every_flipped_bit_of_a_line_is_found() {
        let start = ChainHash::start(b"log");
        let (line, hash) = sealed(PERSONAL, &start);
        let erased = SealedLine::parse(line.trim_end().as_bytes()).unwrap().erased();
        for line in [line.trim_end().as_bytes(), erased.trim_ascii_end()] {
            for at in 0..line.len() * 8 {
                let mut line = line.to_vec();
                line[at / 8] ^= 1 << (at % 8);
                let holds = SealedLine::parse(&line)
                    .is_some_and(|line| line.expected(&start) == hash && line.hash == hash);
                assert!(!holds, "bit {at}");
            }
        }
    }

    #[test]
    fn line_of_another_form_is_rejected() {
        let (line, _) = sealed(PERSONAL, &ChainHash::start(b"log"));
        let line = line.trim_end();
        let changed = [
            line.replace("[23,", "[024,"),
            line.replace("[23,", "[99,"),
            line.replace("\"part\"", "\"port\""),
            line.replace("}}", "},\"user\":{}}"),
            format!("{line} "),
            line.replace("{\"event\"", "{\"event\" "),
            String::new(),
            String::from("{}"),
        ];
        for changed in changed {
            assert_eq!(SealedLine::parse(changed.as_bytes()), None, "{changed}");
        }
    }
}
