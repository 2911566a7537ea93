//! Envelopes: message numbers that only rise, and keys that make a retry have one effect.
//! Never: remembers a message; the store does, by key and digest.

use std::cell::Cell;

use aws_lc_rs::digest;
use portcullis_model::limits::INTEGER_MAX;
use portcullis_model::{Denial, Mid};
use serde::Deserialize;

use crate::{field, schema};

/// What a message says about itself, checked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    /// The idempotency key.
    pub mid: Option<Mid>,
    /// SHA-256 of the payload as sent; there when there is a `mid`.
    pub digest: Option<[u8; 32]>,
    /// The message's number on its connection.
    pub seq: Option<u64>,
}

impl Envelope {
    pub(crate) fn add_digest(&mut self, payload: &str) {
        self.digest = self.mid.is_some().then(|| {
            let mut sum = [0; 32];
            let made = digest::digest(&digest::SHA256, payload.as_bytes());
            sum.copy_from_slice(made.as_ref());
            sum
        });
    }
}

/// The envelope as JSON. `ts` and `sig` belong to signed events: no rule asks for them yet, so
/// their form is checked and nothing else is promised.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, deserialize_with = "field::optional_mid")]
    mid: Option<Mid>,
    #[serde(default, deserialize_with = "field::optional")]
    seq: Option<u64>,
    #[serde(default, rename = "ts", deserialize_with = "field::optional")]
    _ts: Option<u64>,
    #[serde(default, rename = "sig", deserialize_with = "field::optional_text::<_, 1024>")]
    _sig: Option<String>,
}

const FIELDS: &[&str] = &["mid", "seq", "ts", "sig"];

/// Reads an envelope out of text that has passed the JSON scan.
pub(crate) fn read_envelope(text: &str) -> Result<Envelope, Denial> {
    let written: Written = schema::read(text, FIELDS)?;
    check_number(written.seq)?;
    Ok(Envelope { mid: written.mid, digest: None, seq: written.seq })
}

/// Checks an envelope the wire crate has read.
pub(crate) fn check_envelope(mid: Option<&str>, seq: Option<u64>) -> Result<Envelope, Denial> {
    let wrong = |_| Denial::Schema { field: Some("mid"), rule: "value" };
    let mid = mid.map(Mid::parse).transpose().map_err(wrong)?;
    check_number(seq)?;
    Ok(Envelope { mid, digest: None, seq })
}

fn check_number(seq: Option<u64>) -> Result<(), Denial> {
    match seq {
        Some(number) if number > INTEGER_MAX => {
            Err(Denial::Schema { field: Some("seq"), rule: "value" })
        }
        Some(_) | None => Ok(()),
    }
}

/// A number must be higher than every one before it on the connection; gaps are allowed, for a
/// client may number what it never sends. A number is used up even if a later guard refuses.
pub(crate) fn check_sequence(seq: Option<u64>, sequence_min: &Cell<u64>) -> Result<(), Denial> {
    let Some(number) = seq else { return Ok(()) };
    if number < sequence_min.get() {
        return Err(Denial::Replay("seq_not_rising"));
    }
    sequence_min.set(number.saturating_add(1));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(envelope: Result<Envelope, Denial>) -> String {
        match envelope {
            Ok(Envelope { mid, digest, seq }) => {
                assert_eq!(digest, None);
                format!("{:?} {seq:?}", mid.as_ref().map(Mid::as_str))
            }
            Err(denial) => format!("{} {}", denial.reason(), denial.field().unwrap_or("-")),
        }
    }

    #[test]
    fn t_142_envelopes_are_read_strictly() {
        let cases = [
            ("{}", "None None"),
            (r#"{"mid":"a-1","seq":0}"#, "Some(\"a-1\") Some(0)"),
            (r#"{"seq":9007199254740991,"ts":1,"sig":"x"}"#, "None Some(9007199254740991)"),
            ("null", "object -"),
            ("[]", "object -"),
            (r#""a-1""#, "object -"),
            (r#"{"mid":""}"#, "value mid"),
            (r#"{"mid":"a b"}"#, "value mid"),
            (r#"{"mid":7}"#, "type mid"),
            (r#"{"mid":null}"#, "type mid"),
            (r#"{"seq":"1"}"#, "type seq"),
            (r#"{"seq":1.0}"#, "type seq"),
            (r#"{"seq":-1}"#, "value seq"),
            (r#"{"seq":9007199254740992}"#, "value seq"),
            (r#"{"ts":"1"}"#, "type ts"),
            (r#"{"sig":1}"#, "type sig"),
            (r#"{"extra":1}"#, "unknown_field -"),
        ];
        for (text, expect) in cases {
            assert_eq!(seen(read_envelope(text)), expect, "{text}");
        }
        assert_eq!(seen(check_envelope(None, None)), "None None");
        assert_eq!(seen(check_envelope(Some("a"), Some(3))), "Some(\"a\") Some(3)");
        assert_eq!(seen(check_envelope(Some("a b"), None)), "value mid");
        assert_eq!(seen(check_envelope(None, Some(INTEGER_MAX + 1))), "value seq");
    }

    #[test]
    fn t_143_numbers_only_rise() {
        let next = Cell::new(0);
        let cases = [
            (Some(0), true),
            (Some(0), false),
            (None, true),
            (Some(1), true),
            (Some(5), true),
            (Some(5), false),
            (Some(4), false),
            (Some(6), true),
            (Some(INTEGER_MAX), true),
            (Some(INTEGER_MAX), false),
        ];
        for (seq, expect) in cases {
            let outcome = check_sequence(seq, &next);
            assert_eq!(outcome.is_ok(), expect, "{seq:?}");
            if let Err(denial) = outcome {
                assert_eq!(denial.answer().code, "REPLAY");
            }
        }
    }

    #[test]
    fn digests_tell_payloads_apart_and_only_with_a_mid() {
        let digest = |mid: Option<&str>, payload: &str| {
            let mut envelope = check_envelope(mid, None).unwrap();
            envelope.add_digest(payload);
            envelope.digest
        };
        assert_eq!(digest(None, "{}"), None);
        assert_eq!(digest(Some("a"), "{}"), digest(Some("b"), "{}"));
        assert_ne!(digest(Some("a"), "{}"), digest(Some("a"), "{ }"));
    }
}
