//! One event of one connection, as it was received.
//! Never: owned text, or text that was already checked.

use bytes::Bytes;
use portcullis_model::Denial;

use crate::authorization::replay::{self, Envelope, LooseEnvelope};
use crate::payload::json;

/// One event a connection sent.
#[derive(Debug, Clone, Copy)]
pub struct EventRequest<'a> {
    /// The namespace it came in.
    pub namespace: &'a str,
    /// The event's name, as the rule was found by it.
    pub event: &'a str,
    /// The parts that accompany it.
    pub body: EventBody<'a>,
    /// How large all of it is on the wire, in bytes, attachments included.
    pub size_bytes: usize,
    /// Its binary attachments.
    pub attachments: &'a [Bytes],
}

/// The event's content in either wire form; nothing of it has been checked.
#[derive(Debug, Clone, Copy)]
pub enum EventBody<'a> {
    /// Socket.IO: the whole JSON array `["name", payload?, envelope?]`.
    Array(&'a str),
    /// The plain form, whose outer object the wire crate has read.
    Parts {
        /// JSON text of the payload; none reads as `{}`.
        payload: Option<&'a str>,
        /// The envelope of the message, not verified.
        envelope: LooseEnvelope<'a>,
    },
}

/// The parts of a request whose JSON is valid.
pub(crate) struct Parts<'a> {
    /// JSON text of the payload.
    pub(crate) payload: &'a str,
    envelope: Outside<'a>,
}

/// The envelope, not yet typed.
enum Outside<'a> {
    Json(Option<&'a str>),
    Read(LooseEnvelope<'a>),
}

const NO_PAYLOAD: &str = "{}";

/// An argument that is `null` is absent.
fn present(argument: Option<&str>) -> Option<&str> {
    argument.filter(|text| text.trim_ascii() != "null")
}

impl<'a> EventRequest<'a> {
    /// Scans the JSON once and finds payload and envelope in it; half of a surrogate pair is named
    /// with the field that holds it.
    pub(crate) fn scan(&self, fields: &'static [&'static str]) -> Result<Parts<'a>, Denial> {
        self.scan_parts().map_err(|denial| {
            if denial != Denial::Json("surrogate") {
                return denial;
            }
            let text = match self.body {
                EventBody::Array(text) => text,
                EventBody::Parts { payload, .. } => payload.unwrap_or_default(),
            };
            let field = json::surrogate_field(text, fields);
            field.map_or(denial, |field| Denial::Schema { field: Some(field), rule: "surrogate" })
        })
    }

    fn scan_parts(&self) -> Result<Parts<'a>, Denial> {
        match self.body {
            EventBody::Array(text) => {
                let scan = self.scan_array(text)?;
                let [name, payload, envelope] = scan.elements;
                let named = name.and_then(|name| name.strip_prefix('"')?.strip_suffix('"'));
                // A later argument could be an envelope that is not checked.
                if named != Some(self.event) || scan.items > 3 {
                    return Err(Denial::Schema { field: None, rule: "arguments" });
                }
                let payload = present(payload).unwrap_or(NO_PAYLOAD);
                Ok(Parts { payload, envelope: Outside::Json(present(envelope)) })
            }
            EventBody::Parts { payload, envelope } => {
                if let Some(text) = payload {
                    json::scan(text)?;
                }
                let payload = present(payload).unwrap_or(NO_PAYLOAD);
                Ok(Parts { payload, envelope: Outside::Read(envelope) })
            }
        }
    }
}

impl EventRequest<'_> {
    /// Scans a packet's array. Text after its end is not part of a packet, so the connection ends
    /// (T-200).
    fn scan_array<'t>(&self, text: &'t str) -> Result<json::JsonScan<'t>, Denial> {
        json::scan(text).map_err(|denial| match denial {
            Denial::Json("trailing") => Denial::Packet("trailing"),
            other => other,
        })
    }

    /// Checks that an undeclared packet is well formed.
    pub(crate) fn check_packet(&self) -> Result<(), Denial> {
        match self.body {
            EventBody::Array(text) => match self.scan_array(text) {
                Err(fault @ Denial::Packet(_)) => Err(fault),
                Ok(_) | Err(_) => Ok(()),
            },
            EventBody::Parts { .. } => Ok(()),
        }
    }
}

impl Parts<'_> {
    /// Reads the envelope; none reads as an empty one.
    pub(crate) fn envelope(&self) -> Result<Envelope, Denial> {
        match self.envelope {
            Outside::Json(None) => Ok(Envelope::default()),
            Outside::Json(Some(text)) => replay::read_envelope(text),
            Outside::Read(loose) => replay::check_envelope(&loose),
        }
    }
}
