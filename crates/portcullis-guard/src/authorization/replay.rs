//! Envelopes: numbers without gaps, keys that make a retry have one effect, signatures.
//! Never: remembers a message; the store does, by key and digest.

use std::cell::Cell;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use portcullis_model::limits::INTEGER_MAX;
use portcullis_model::{Denial, Mid, Now};
use serde::Deserialize;

use crate::authentication::credentials::client_key;
use crate::authentication::principal::Caller;
use crate::authorization::event::Replay;
use crate::payload::{field, schema};

/// The largest difference of the clock of the signing client, in milliseconds.
const SIGNED_WINDOW_MS: u64 = 30_000;
/// The start of every signed text, so that other signatures of the key are invalid here.
const SIGNED_CONTEXT: &str = "portcullis-event-v1";

/// The verified envelope of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Envelope {
    /// The idempotency key.
    pub mid: Option<Mid>,
    /// SHA-256 of the payload as sent, with attachments and without sealed fields; there when
    /// there is a `mid`.
    pub digest: Option<[u8; 32]>,
    /// The message's number on its connection.
    pub seq: Option<u64>,
    /// When the client says it made it, in milliseconds since 1970.
    pub ts: Option<u64>,
    /// The client's signature, in base64url.
    pub sig: Option<String>,
}

impl Envelope {
    pub(crate) fn add_digest(&mut self, payload: &str, attachments: &[Bytes]) {
        self.digest = self.mid.is_some().then(|| sum_with(payload, attachments));
    }
}

fn sum_of(payload: &str) -> [u8; 32] {
    let mut sum = [0; 32];
    sum.copy_from_slice(digest::digest(&digest::SHA256, payload.as_bytes()).as_ref());
    sum
}

/// The sum of the payload; with attachments, the sum of its own and of theirs, in order.
fn sum_with(payload: &str, attachments: &[Bytes]) -> [u8; 32] {
    let first = sum_of(payload);
    attachments.iter().fold(first, |sum, bytes| {
        let own = digest::digest(&digest::SHA256, bytes);
        let mut both = digest::Context::new(&digest::SHA256);
        both.update(&sum);
        both.update(own.as_ref());
        let mut sum = [0; 32];
        sum.copy_from_slice(both.finish().as_ref());
        sum
    })
}

/// The envelope as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, deserialize_with = "field::optional_mid")]
    mid: Option<Mid>,
    #[serde(default, deserialize_with = "field::optional")]
    seq: Option<u64>,
    #[serde(default, deserialize_with = "field::optional")]
    ts: Option<u64>,
    #[serde(default, deserialize_with = "field::optional_text::<_, 128>")]
    sig: Option<String>,
}

const FIELDS: &[&str] = &["mid", "seq", "ts", "sig"];

/// Reads an envelope out of text that has passed the JSON scan.
pub(crate) fn read_envelope(text: &str) -> Result<Envelope, Denial> {
    let Written { mid, seq, ts, sig } = schema::read(text, FIELDS)?;
    check_number(seq)?;
    Ok(Envelope { mid, digest: None, seq, ts, sig })
}

/// An envelope the wire crate has read, unchecked.
#[derive(Debug, Clone, Copy, Default)]
pub struct LooseEnvelope<'a> {
    /// The idempotency key.
    pub mid: Option<&'a str>,
    /// The message number.
    pub seq: Option<u64>,
    /// When the client says it made the message.
    pub ts: Option<u64>,
    /// The signature.
    pub sig: Option<&'a str>,
}

/// Checks an envelope the wire crate has read.
pub(crate) fn check_envelope(loose: &LooseEnvelope<'_>) -> Result<Envelope, Denial> {
    let wrong = |_| Denial::Schema { field: Some("mid"), rule: "value" };
    let mid = loose.mid.map(Mid::parse).transpose().map_err(wrong)?;
    check_number(loose.seq)?;
    if loose.sig.is_some_and(|sig| sig.len() > 128) {
        return Err(Denial::Schema { field: Some("sig"), rule: "value" });
    }
    let sig = loose.sig.map(String::from);
    Ok(Envelope { mid, digest: None, seq: loose.seq, ts: loose.ts, sig })
}

fn check_number(seq: Option<u64>) -> Result<(), Denial> {
    match seq {
        Some(number) if number > INTEGER_MAX => {
            Err(Denial::Schema { field: Some("seq"), rule: "value" })
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether the envelope has all that the event's rule requires.
pub(crate) fn check_complete(replay: Replay, envelope: &Envelope) -> Result<(), Denial> {
    let missing = |field, there: bool| {
        if there { Ok(()) } else { Err(Denial::Schema { field: Some(field), rule: "missing" }) }
    };
    match replay {
        Replay::None | Replay::Mid => Ok(()),
        Replay::MidRequired => missing("mid", envelope.mid.is_some()),
        Replay::SeqMid => {
            missing("mid", envelope.mid.is_some()).and(missing("seq", envelope.seq.is_some()))
        }
        Replay::Signed => missing("seq", envelope.seq.is_some())
            .and(missing("ts", envelope.ts.is_some()))
            .and(missing("sig", envelope.sig.is_some())),
    }
}

/// A number is the last one's successor, from 1 on. A message rejected before its number could be
/// read may have had one: so many may be left out. A number is used up even if a later guard
/// refuses.
pub(crate) fn check_sequence(seq: Option<u64>, caller: &Caller) -> Result<(), Denial> {
    let Some(number) = seq else { return Ok(()) };
    let lowest = caller.sequence.get().saturating_add(1);
    if number < lowest {
        return Err(Denial::Replay("seq_repeated"));
    }
    if number > lowest.saturating_add(u64::from(caller.unread.get())) {
        return Err(Denial::Replay("seq_gap"));
    }
    caller.sequence.set(number);
    caller.unread.set(0);
    Ok(())
}

/// Notes a message that was rejected before its number was read.
pub(crate) fn count_unread(unread: &Cell<u32>) {
    unread.set(unread.get().saturating_add(1));
}

/// The content that a signature covers.
pub(crate) struct SignatureInput<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) event: &'a str,
    /// JSON text of the payload, as sent.
    pub(crate) payload: &'a str,
}

/// Whether the message is signed with the key the session is bound to, on this connection, for
/// this namespace, event, number, time and payload.
pub(crate) fn check_signature(
    envelope: &Envelope,
    signed: &SignatureInput<'_>,
    caller: &Caller,
    now: Now,
) -> Result<(), Denial> {
    let (Some(seq), Some(ts), Some(sig)) = (envelope.seq, envelope.ts, &envelope.sig) else {
        return Err(Denial::Replay("signature"));
    };
    if u64::try_from(now.unix_ms).unwrap_or(0).abs_diff(ts) > SIGNED_WINDOW_MS {
        return Err(Denial::Replay("ts"));
    }
    // A session without a key cannot sign; its client has to log in with one.
    let key = caller.principal.key().ok_or(Denial::Replay("no_key"))?;
    let text = signed_text(caller.nonce(), signed, seq, ts);
    match URL_SAFE_NO_PAD.decode(sig) {
        Ok(signature) if client_key::verifies(&key, text.as_bytes(), &signature) => Ok(()),
        Ok(_) | Err(_) => Err(Denial::Replay("signature")),
    }
}

/// One line each: context, connection, namespace, event, number, time, digest of the payload.
fn signed_text(nonce: &str, signed: &SignatureInput<'_>, seq: u64, ts: u64) -> String {
    let sum = URL_SAFE_NO_PAD.encode(sum_of(signed.payload));
    let (namespace, event) = (signed.namespace, signed.event);
    format!("{SIGNED_CONTEXT}\n{nonce}\n{namespace}\n{event}\n{seq}\n{ts}\n{sum}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(envelope: Result<Envelope, Denial>) -> String {
        match envelope {
            Ok(Envelope { mid, digest, seq, .. }) => {
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
            (r#"{"mid":null,"seq":null,"ts":null,"sig":null}"#, "None None"),
            (r#"{"seq":1.0}"#, "None Some(1)"),
            (r#"{"seq":1e2,"mid":"m"}"#, "Some(\"m\") Some(100)"),
            ("null", "object -"),
            ("[]", "object -"),
            (r#""a-1""#, "object -"),
            (r#"{"mid":""}"#, "value mid"),
            (r#"{"mid":"a b"}"#, "value mid"),
            (r#"{"mid":7}"#, "type mid"),
            (r#"{"seq":"1"}"#, "type seq"),
            (r#"{"seq":1.5}"#, "type seq"),
            (r#"{"seq":-1}"#, "value seq"),
            (r#"{"seq":9007199254740992}"#, "value seq"),
            (r#"{"ts":"1"}"#, "type ts"),
            (r#"{"sig":1}"#, "type sig"),
            (r#"{"extra":1}"#, "unknown_field extra"),
        ];
        for (text, expect) in cases {
            assert_eq!(seen(read_envelope(text)), expect, "{text}");
        }
        let loose = |mid, seq, sig| {
            seen(check_envelope(&LooseEnvelope { mid, seq, sig, ..LooseEnvelope::default() }))
        };
        let long = "a".repeat(129);
        assert_eq!(loose(None, None, None), "None None");
        assert_eq!(loose(Some("a"), Some(3), Some("s")), "Some(\"a\") Some(3)");
        assert_eq!(loose(Some("a b"), None, None), "value mid");
        assert_eq!(loose(None, Some(INTEGER_MAX + 1), None), "value seq");
        assert_eq!(loose(None, None, Some(long.as_str())), "value sig");
    }

    #[test]
    fn digest_differs_by_payload_and_needs_a_mid() {
        let digest = |mid: Option<&str>, payload: &str, attachments: &[&'static [u8]]| {
            let mut envelope =
                check_envelope(&LooseEnvelope { mid, ..LooseEnvelope::default() }).unwrap();
            let attachments: Vec<_> =
                attachments.iter().map(|bytes| Bytes::from_static(bytes)).collect();
            envelope.add_digest(payload, &attachments);
            envelope.digest
        };
        assert_eq!(digest(None, "{}", &[]), None);
        assert_eq!(digest(Some("a"), "{}", &[]), digest(Some("b"), "{}", &[]));
        assert_ne!(digest(Some("a"), "{}", &[]), digest(Some("a"), "{ }", &[]));
        let files: [&[&'static [u8]]; 4] = [&[], &[b"ab"], &[b"a", b"b"], &[b"b", b"a"]];
        for (turn, file) in files.iter().enumerate() {
            for other in &files[..turn] {
                assert_ne!(digest(Some("a"), "{}", file), digest(Some("a"), "{}", other));
            }
        }
    }
}
