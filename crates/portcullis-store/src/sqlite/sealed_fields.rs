//! Seals and opens message texts with their formatting, and second factors.
//! Never: a value opened as that of another message, room, author or user.

use portcullis_model::{MessageId, RoomId, Secret, UserId};

use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::rows::messages::NewMessage;

const MESSAGE: &str = "message";
const USERS: &str = "users";
const TOTP: &str = "totp";

/// The content of a message that is sealed. A digest in the clear would confirm a guessed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MessageContent {
    pub(crate) text: String,
    pub(crate) html: Option<String>,
    pub(crate) digest: Option<[u8; 32]>,
}

const HAS_HTML: u8 = 1;
const HAS_DIGEST: u8 = 2;

/// Packs a content: length of the text, text, which of the next two follow, digest, formatting.
pub(crate) fn pack(text: &str, html: Option<&str>, digest: Option<&[u8; 32]>) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes();
    let marks = html.map_or(0, |_| HAS_HTML) | digest.map_or(0, |_| HAS_DIGEST);
    let digest = digest.map_or(&[][..], |digest| digest);
    let html = html.unwrap_or_default().as_bytes();
    [&length[..], text.as_bytes(), &[marks], digest, html].concat()
}

fn unpack(bytes: &[u8]) -> Option<MessageContent> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (text, rest) = rest.split_at_checked(length)?;
    let (marks, rest) = rest.split_first()?;
    let (digest, rest) = match marks & HAS_DIGEST {
        0 => (None, rest),
        _ => rest.split_first_chunk::<32>().map(|(digest, rest)| (Some(*digest), rest))?,
    };
    let utf8 = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
    let html = if marks & HAS_HTML == 0 { None } else { Some(utf8(rest)?) };
    Some(MessageContent { text: utf8(text)?, html, digest })
}

/// The record name of a message: its id and its author, so that neither can be exchanged.
pub(crate) fn message_record(message: &str, user: &str) -> String {
    format!("{message}/{user}")
}

/// Seals the content of a message.
pub(crate) fn seal_message(
    seal: &dyn FieldSeal,
    message: &NewMessage,
) -> Result<Vec<u8>, StoreError> {
    let plain = pack(&message.text, message.html.as_deref(), message.digest.as_ref());
    let record = message_record(message.id.as_str(), message.user.as_str());
    seal_packed(seal, message.room.as_str(), &record, &plain)
}

/// Seals a packed content.
pub(crate) fn seal_packed(
    seal: &dyn FieldSeal,
    room: &str,
    record: &str,
    plain: &[u8],
) -> Result<Vec<u8>, StoreError> {
    seal.seal(room, record, MESSAGE, plain).map_err(|_| message_fault(record))
}

/// Opens a packed content.
pub(crate) fn open_packed(
    seal: Option<&dyn FieldSeal>,
    room: &str,
    record: &str,
    sealed: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let seal = seal.ok_or_else(|| message_fault(record))?;
    seal.open(room, record, MESSAGE, sealed).map_err(|_| message_fault(record))
}

/// Opens the content of a message.
pub(crate) fn open_message(
    seal: Option<&dyn FieldSeal>,
    room: &RoomId,
    message: &MessageId,
    user: &UserId,
    sealed: &[u8],
) -> Result<MessageContent, StoreError> {
    let record = message_record(message.as_str(), user.as_str());
    let plain = open_packed(seal, room.as_str(), &record, sealed)?;
    unpack(&plain).ok_or_else(|| message_fault(&record))
}

fn message_fault(record: &str) -> StoreError {
    StoreError::Unsealable { record: format!("message {record}") }
}

/// Seals a second factor; without a seal it is stored in the clear.
pub(crate) fn seal_totp(
    seal: Option<&dyn FieldSeal>,
    user: &str,
    secret: &[u8],
) -> Result<(Vec<u8>, bool), StoreError> {
    let Some(seal) = seal else { return Ok((secret.to_vec(), false)) };
    let sealed = seal.seal(USERS, user, TOTP, secret).map_err(|_| totp_fault(user))?;
    Ok((sealed, true))
}

/// Opens a stored second factor.
pub(crate) fn open_totp(
    seal: Option<&dyn FieldSeal>,
    user: &str,
    (stored, sealed): (Vec<u8>, bool),
) -> Result<Secret<Vec<u8>>, StoreError> {
    if !sealed {
        return Ok(Secret::new(stored));
    }
    let seal = seal.ok_or_else(|| totp_fault(user))?;
    seal.open(USERS, user, TOTP, &stored).map(Secret::new).map_err(|_| totp_fault(user))
}

fn totp_fault(user: &str) -> StoreError {
    StoreError::Unsealable { record: format!("the second factor of user {user}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_content_is_unpacked_and_cut_content_is_rejected() {
        for (text, html) in [("", None), ("hi", None), ("hi", Some("<b>hi</b>")), ("ü", Some(""))]
        {
            for digest in [None, Some([7; 32])] {
                let packed = pack(text, html, digest.as_ref());
                let (text, html) = (text.to_owned(), html.map(str::to_owned));
                assert_eq!(unpack(&packed), Some(MessageContent { text, html, digest }));
            }
        }
        let cut = pack("hello", Some("<b>hello</b>"), Some(&[7; 32]));
        for length in 0..42 {
            assert_eq!(unpack(&cut[..length]), None, "{length}");
        }
        assert_eq!(unpack(&[0, 0, 0, 1, 0xff, 0]), None, "not UTF-8");
        assert_eq!(unpack(&[0xff; 9]), None, "the length exceeds the rest");
    }
}
