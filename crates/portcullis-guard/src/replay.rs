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
