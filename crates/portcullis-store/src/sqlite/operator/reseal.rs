//! Seals values that are in the clear or under an older key, a portion at a time.
//! Never: a change of a value that cannot be opened; a value that is half sealed.

use rusqlite::Connection;

use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::sqlite::sealed_fields::{
    message_record, open_packed, open_totp, pack, seal_packed, seal_totp,
};

/// Most values that one portion reads, so that a running server never waits long.
const PORTION_MAX: u32 = 1_000;

/// The progress after a portion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResealProgress {
    /// Values that the portion has sealed.
    pub done: u64,
    /// The upper bound of the remaining values; 0 at the end.
    pub left: u64,
}

/// The start of the next portion: users from the oldest on, then messages from the newest down.
///
/// A server seals the values that it stores meanwhile.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cursor {
    users_after: i64,
    messages_below: i64,
}

impl Cursor {
    /// The start of the first portion.
    pub(crate) const START: Self = Self { users_after: 0, messages_below: i64::MAX };
}

/// Reads up to `portion` values and seals those that need it; inside a transaction.
pub(crate) fn reseal(
    connection: &Connection,
    seal: &dyn FieldSeal,
    cursor: &mut Cursor,
    portion: u32,
) -> Result<ResealProgress, StoreError> {
    let portion = i64::from(portion.clamp(1, PORTION_MAX));
    let (users, mut done) = reseal_totps(connection, seal, cursor, portion)?;
    if users < portion {
        cursor.users_after = i64::MAX;
        done += reseal_messages(connection, seal, cursor, portion - users)?;
    }
    Ok(ResealProgress { done, left: left(connection, cursor)? })
}

fn left(connection: &Connection, cursor: &Cursor) -> Result<u64, StoreError> {
    let (user, message): (i64, i64) = connection.query_row(
        "SELECT (SELECT ifnull(max(key), 0) FROM users),
             (SELECT ifnull(max(number), 0) FROM messages)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let users = user.saturating_sub(cursor.users_after).max(0);
    let messages = message.min(cursor.messages_below.saturating_sub(1)).max(0);
    Ok(users.saturating_add(messages).cast_unsigned())
}

/// Seals second factors; returns how many were read, and how many of them were sealed.
fn reseal_totps(
    connection: &Connection,
    seal: &dyn FieldSeal,
    cursor: &mut Cursor,
    limit: i64,
) -> Result<(i64, u64), StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT key, id, totp, totp_sealed FROM users
         WHERE totp IS NOT NULL AND key > ?1 ORDER BY key LIMIT ?2",
    )?;
    let mut rows = select.query((cursor.users_after, limit))?;
    let mut page: Vec<(i64, String, Vec<u8>, bool)> = Vec::new();
    while let Some(row) = rows.next()? {
        page.push((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
    }
    let mut update =
        connection.prepare_cached("UPDATE users SET totp = ?2, totp_sealed = ?3 WHERE key = ?1")?;
    let (mut count, mut done) = (0, 0);
    for (key, user, stored, sealed) in page {
        cursor.users_after = key;
        count += 1;
        if sealed && seal.is_current(&stored) {
            continue;
        }
        let secret = open_totp(Some(seal), &user, (stored, sealed))?;
        let (stored, sealed) = seal_totp(Some(seal), &user, secret.expose())?;
        update.execute((key, stored, sealed))?;
        done += 1;
    }
    Ok((count, done))
}

struct MessageValue {
    number: i64,
    room: String,
    record: String,
    stored: StoredValue,
}

enum StoredValue {
    Clear(Vec<u8>),
    Sealed(Vec<u8>),
}

fn reseal_messages(
    connection: &Connection,
    seal: &dyn FieldSeal,
    cursor: &mut Cursor,
    limit: i64,
) -> Result<u64, StoreError> {
    let page = messages(connection, cursor.messages_below, limit)?;
    // A page that is not full is the last one.
    let last = page.last().map_or(1, |row| row.number);
    let full = i64::try_from(page.len()).unwrap_or(limit) >= limit;
    cursor.messages_below = if full { last } else { 1 };
    let mut update = connection.prepare_cached(
        "UPDATE messages SET text = '', html = NULL, digest = NULL, sealed = ?2 WHERE number = ?1",
    )?;
    let mut done = 0;
    for MessageValue { number, room, record, stored } in page {
        let plain = match stored {
            StoredValue::Sealed(sealed) if seal.is_current(&sealed) => continue,
            StoredValue::Sealed(sealed) => open_packed(Some(seal), &room, &record, &sealed)?,
            StoredValue::Clear(plain) => plain,
        };
        update.execute((number, seal_packed(seal, &room, &record, &plain)?))?;
        done += 1;
    }
    Ok(done)
}

fn messages(
    connection: &Connection,
    below: i64,
    limit: i64,
) -> Result<Vec<MessageValue>, StoreError> {
    // Left joins, and errors below: a skipped message would stay under the old key unnoticed.
    let mut select = connection.prepare_cached(
        "SELECT number, rooms.id, messages.id, users.id, text, html, sealed, digest
         FROM messages LEFT JOIN rooms ON rooms.key = messages.room
         LEFT JOIN users ON users.key = messages.user
         WHERE number < ?1 ORDER BY number DESC LIMIT ?2",
    )?;
    let mut rows = select.query((below, limit))?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let (room, user): (Option<String>, Option<String>) = (row.get(1)?, row.get(3)?);
        let room = room.ok_or(StoreError::Corrupt("room of a message"))?;
        let user = user.ok_or(StoreError::Corrupt("user of a message"))?;
        let stored = match row.get::<_, Option<Vec<u8>>>(6)? {
            Some(sealed) => StoredValue::Sealed(sealed),
            None => {
                let (text, html): (String, Option<String>) = (row.get(4)?, row.get(5)?);
                let digest: Option<[u8; 32]> = row.get(7)?;
                StoredValue::Clear(pack(&text, html.as_deref(), digest.as_ref()))
            }
        };
        let record = message_record(&row.get::<_, String>(2)?, &user);
        page.push(MessageValue { number: row.get(0)?, room, record, stored });
    }
    Ok(page)
}
