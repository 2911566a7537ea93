//! Reads columns into the types of the model.
//! Never: a query.

use portcullis_model::{MessageId, RevocationKind, RoomId, SessionId, UserId, Visibility};
use rusqlite::Row;

use crate::error::StoreError;
use crate::rows::sessions::Factors;

/// The lookup form of a name, which is the same for `Alice` and `alice`.
pub(crate) fn fold(username: &str) -> String {
    username.to_lowercase()
}

/// Parses a stored user id.
pub(crate) fn user_id(text: &str) -> Result<UserId, StoreError> {
    UserId::parse(text).map_err(|_| StoreError::Corrupt("user id"))
}

/// Parses a stored message id.
pub(crate) fn message_id(text: &str) -> Result<MessageId, StoreError> {
    MessageId::parse(text).map_err(|_| StoreError::Corrupt("message id"))
}

/// Parses a stored room id.
pub(crate) fn room_id(text: &str) -> Result<RoomId, StoreError> {
    RoomId::parse(text).map_err(|_| StoreError::Corrupt("room id"))
}

/// Parses a stored session id.
pub(crate) fn session_id(text: &str) -> Result<SessionId, StoreError> {
    SessionId::parse(text).map_err(|_| StoreError::Corrupt("session id"))
}

/// Reads a column of text without copying it.
pub(crate) fn text<'r>(row: &'r Row<'_>, column: usize) -> Result<&'r str, StoreError> {
    let value = row.get_ref(column)?;
    value.as_str().map_err(|_| StoreError::Corrupt("text"))
}

/// The stored number of a visibility.
pub(crate) fn visibility_number(visibility: Visibility) -> i64 {
    match visibility {
        Visibility::Public => 0,
        Visibility::Private => 1,
    }
}

/// Reads the stored number of a visibility; an unknown one is private.
pub(crate) fn visibility(number: i64) -> Visibility {
    if number == 0 { Visibility::Public } else { Visibility::Private }
}

/// The stored number of a kind of revocation.
pub(crate) fn revocation_kind_number(kind: RevocationKind) -> i64 {
    match kind {
        RevocationKind::Token => 0,
        RevocationKind::Session => 1,
    }
}

/// Reads the stored number of a kind of revocation.
pub(crate) fn revocation_kind(number: i64) -> RevocationKind {
    if number == 0 { RevocationKind::Token } else { RevocationKind::Session }
}

/// The stored number of factors.
pub(crate) fn factors_number(factors: Factors) -> i64 {
    match factors {
        Factors::Password => 1,
        Factors::PasswordAndCode => 2,
    }
}

/// Reads the stored number of factors; an unknown one is the password alone.
pub(crate) fn factors(number: i64) -> Factors {
    if number == 2 { Factors::PasswordAndCode } else { Factors::Password }
}
