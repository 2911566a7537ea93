//! References that explain themselves: which row of the table of denials, and when.
//! Never: readable without the key; a reference reveals nothing to a client.

use std::fmt;
use std::hash::Hasher;

use portcullis_model::{Answer, Now, Reference};
use siphasher::sip::SipHasher24;

/// Five bits a letter, without letters that people confuse.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Letters of a reference.
const LENGTH: u32 = 12;
/// Bits of one half of the number that is enciphered.
const HALF_BITS: u32 = 30;
const HALF_MASK: u64 = (1 << HALF_BITS) - 1;
const ROUNDS: u64 = 4;

const COUNTER_BITS: u32 = 18;
const SHARD_BITS: u32 = 4;
const TIME_BITS: u32 = 20;
const NUMBER_BITS: u32 = 8;

/// Seconds of one step of a reference's time.
pub const REFERENCE_STEP_S: u64 = 4;
/// After this many seconds the time of a reference restarts: 48 days.
pub const REFERENCE_PERIOD_S: u64 = REFERENCE_STEP_S << TIME_BITS;

/// The key that references are enciphered under.
#[derive(Clone)]
pub struct ReferenceKey([u8; 16]);

impl fmt::Debug for ReferenceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ReferenceKey(…)")
    }
}

/// The content of a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReferenceFacts {
    /// The row of the denial.
    pub answer: Answer,
    /// When, in milliseconds since 1970: the start of four seconds, the latest before now. The
    /// same reference could be older by whole multiples of [`REFERENCE_PERIOD_S`].
    pub unix_ms: i64,
    /// The shard that rejected the request, modulo 16.
    pub shard: u16,
}

/// Why a text is not a reference of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Another length or alphabet.
    #[error("a reference has {LENGTH} characters from 0-9 and a-z without i, l, o and u")]
    Shape,
    /// Another server's, or mistyped. One in a thousand of those is not found out.
    #[error("this server has not made this reference: it is another server's, or mistyped")]
    Foreign,
}

impl ReferenceKey {
    /// A key of 128 random or derived bits.
    #[must_use]
    pub fn new(key: [u8; 16]) -> Self {
        Self(key)
    }

    /// Four bytes for a text that only holders of the key can make; SipHash-2-4.
    #[must_use]
    pub fn mark(&self, purpose: &str, text: &[u8]) -> [u8; 4] {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(purpose.as_bytes());
        hasher.write(&[0xff]);
        hasher.write(text);
        let [a, b, c, d, ..] = hasher.finish().to_be_bytes();
        [a, b, c, d]
    }

    /// The reference of a denial; different for each `counter` within 2^18 in four seconds.
    #[must_use]
    pub fn reference(
        &self,
        answer: &Answer,
        now: Now,
        shard: u16,
        counter: u64,
    ) -> Option<Reference> {
        let step = u64::try_from(now.unix_ms).unwrap_or(0) / (1_000 * REFERENCE_STEP_S);
        let mut plain = u64::from(answer.number);
        for (bits, value) in
            [(TIME_BITS, step), (SHARD_BITS, u64::from(shard)), (COUNTER_BITS, counter)]
        {
            plain = (plain << bits) | (value & ((1 << bits) - 1));
        }
        let mut number = self.encipher(plain);
        let mut text = [0u8; LENGTH as usize];
        for slot in text.iter_mut().rev() {
            let index = usize::try_from(number & 31).unwrap_or_default();
            *slot = ALPHABET.get(index).copied().unwrap_or(b'0');
            number >>= 5;
        }
        std::str::from_utf8(&text).ok().and_then(|text| Reference::parse(text).ok())
    }

    /// Reads a reference as people write it: in capitals, with spaces or hyphens, `O` for `0`.
    ///
    /// # Errors
    /// [`ReferenceError`] says why it is not one of this key.
    pub fn explain(&self, text: &str, now: Now) -> Result<ReferenceFacts, ReferenceError> {
        let mut number = 0u64;
        let mut length = 0;
        for byte in normalize_reference(text).bytes() {
            let digit = ALPHABET.iter().position(|letter| *letter == byte);
            let digit = u64::try_from(digit.ok_or(ReferenceError::Shape)?).unwrap_or_default();
            length += 1;
            if length > LENGTH {
                return Err(ReferenceError::Shape);
            }
            number = (number << 5) | digit;
        }
        if length != LENGTH {
            return Err(ReferenceError::Shape);
        }
        let mut plain = self.decipher(number);
        let mut take = |bits: u32| {
            let value = plain & ((1 << bits) - 1);
            plain >>= bits;
            value
        };
        let (_counter, shard, step) = (take(COUNTER_BITS), take(SHARD_BITS), take(TIME_BITS));
        let row = take(NUMBER_BITS);
        let row = u8::try_from(row).ok().and_then(Answer::of_number);
        // The ten bits above are zero in every reference that was made here.
        let Some(answer) = row.filter(|_| plain == 0) else { return Err(ReferenceError::Foreign) };
        let shard = u16::try_from(shard).unwrap_or_default();
        Ok(ReferenceFacts { answer, unix_ms: latest(step, now), shard })
    }

    fn encipher(&self, plain: u64) -> u64 {
        let (mut left, mut right) = (plain >> HALF_BITS, plain & HALF_MASK);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.mix(round, right));
        }
        (left << HALF_BITS) | right
    }

    fn decipher(&self, number: u64) -> u64 {
        let (mut left, mut right) = (number >> HALF_BITS & HALF_MASK, number & HALF_MASK);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.mix(round, left), left);
        }
        (left << HALF_BITS) | right
    }

    /// The round function: a keyed hash of one half.
    fn mix(&self, round: u64, half: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        hasher.write(&((round << HALF_BITS) | half).to_le_bytes());
        hasher.finish() & HALF_MASK
    }
}

/// A reference as people may write it, in the form that records have.
#[must_use]
pub fn normalize_reference(text: &str) -> String {
    let kept = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
    kept.map(|letter| match letter.to_ascii_lowercase() {
        'o' => '0',
        'i' | 'l' => '1',
        other => other,
    })
    .collect()
}

/// The latest time of this step that is not after now, by a clock that may be a minute slow.
fn latest(step: u64, now: Now) -> i64 {
    const STEP_MS: i64 = 1_000 * REFERENCE_STEP_S as i64;
    const PERIOD_MS: i64 = 1_000 * REFERENCE_PERIOD_S as i64;
    let in_period = i64::try_from(step).unwrap_or_default() * STEP_MS;
    let ahead = now.unix_ms + 60_000 - in_period;
    in_period + ahead.div_euclid(PERIOD_MS) * PERIOD_MS
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use portcullis_model::{Denial, TokenFault};

    use super::*;

    fn at(unix_ms: i64) -> Now {
        Now { unix_ms, ..Now::default() }
    }

    fn key() -> ReferenceKey {
        ReferenceKey::new([7; 16])
    }

    const TODAY: i64 = 1_790_824_365_123;

    // T-377
    #[test]
    fn t377_reference_holds_row_and_time_to_four_seconds() {
        let denials = [
            Denial::RequestMalformed,
            Denial::Token(TokenFault::Expired),
            Denial::Token(TokenFault::Key),
            Denial::Strikes,
        ];
        for (counter, denial) in (0..).zip(denials) {
            let answer = denial.answer();
            let made = key().reference(&answer, at(TODAY), 5, counter).unwrap();
            assert_eq!(made.as_str().len(), 12);
            for later_ms in [0, 1_000, 40 * 86_400_000] {
                let facts = key().explain(made.as_str(), at(TODAY + later_ms)).unwrap();
                assert_eq!((facts.answer, facts.shard), (answer, 5));
                assert!((0..4_000).contains(&(TODAY - facts.unix_ms)), "{facts:?}");
            }
        }
    }

    #[test]
    fn reference_older_than_a_period_is_dated_within_the_latest_one() {
        let answer = Denial::Strikes.answer();
        let made = key().reference(&answer, at(TODAY), 0, 1).unwrap();
        let period_ms = 1_000 * i64::try_from(REFERENCE_PERIOD_S).unwrap();
        let later = at(TODAY + period_ms + 10_000);
        let facts = key().explain(made.as_str(), later).unwrap();
        assert!((0..4_000).contains(&(TODAY + period_ms - facts.unix_ms)));
    }

    #[test]
    fn reference_is_read_as_people_write_it() {
        let made = key().reference(&Denial::Busy.answer(), at(TODAY), 1, 2).unwrap();
        let (head, tail) = made.as_str().split_at(6);
        let spoken = format!(" {}-{} ", head.to_uppercase().replace('0', "O"), tail);
        assert!(key().explain(&spoken, at(TODAY)).is_ok(), "{spoken}");
    }

    #[test]
    fn foreign_and_malformed_references_are_rejected() {
        let other = ReferenceKey::new([8; 16]);
        let foreign = |counter| {
            let made = other.reference(&Denial::Busy.answer(), at(TODAY), 0, counter).unwrap();
            key().explain(made.as_str(), at(TODAY)).is_err()
        };
        let found = (0..10_000).filter(|counter| foreign(*counter)).count();
        assert!(found > 9_980, "{found} of 10,000 are found out");
        for text in ["", "abc", "0123456789abc", "0123456789au", "0123456789a\u{e9}", "🙂"] {
            assert_eq!(key().explain(text, at(TODAY)), Err(ReferenceError::Shape), "{text:?}");
        }
    }

    #[test]
    fn references_of_one_moment_differ_and_share_no_prefix() {
        let answer = Denial::Busy.answer();
        let made: HashSet<_> = (0..10_000)
            .map(|counter| key().reference(&answer, at(TODAY), 0, counter).unwrap())
            .collect();
        assert_eq!(made.len(), 10_000);
        let first_letters: HashSet<_> = made.iter().map(|made| &made.as_str()[..2]).collect();
        assert!(first_letters.len() > 900, "{} of 1,024", first_letters.len());
    }
}
