//! History: reads a room's chain of messages from the nearest entry point back.
//! Never: more steps than the page's limit and the distance of two anchors.

use std::sync::Arc;

use portcullis_model::{RoomId, UserId};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::messages::PAGE_MAX;
use crate::rows::messages::{HistoryRequest, MessageRow};
use crate::sqlite::columns::{message_id, text, user_id};
use crate::sqlite::sealed_fields::open_message;

/// The distance of two anchors, at which a room's chain of messages can be entered.
pub(crate) const ANCHOR_EVERY: i64 = 32;

/// A range of `seq`, and how many messages to read from its newest end.
struct Range {
    /// The newest `seq` of the range.
    high: i64,
    /// The newest `seq` below the range.
    low: i64,
    rows_max: usize,
}

/// Reads the messages of one room.
pub(crate) struct RoomReader<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) room: &'a RoomId,
    pub(crate) seal: Option<&'a dyn FieldSeal>,
}

/// Reads a part of a room's messages; see [`crate::MessageStore::history`].
pub(crate) fn history(
    connection: &Connection,
    page: &HistoryRequest,
    seal: Option<&dyn FieldSeal>,
) -> Result<(Vec<MessageRow>, bool), StoreError> {
    // One snapshot for the tail, the anchors and the chain.
    let snapshot = connection.unchecked_transaction()?;
    let Some((room, last_seq, last_number)) = tail(&snapshot, &page.room)? else {
        return Ok((Vec::new(), false));
    };
    let limit = page.limit.clamp(1, PAGE_MAX);
    let rows_max = usize::try_from(limit).unwrap_or(1);
    let bound = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
    let before = page.before.map_or(i64::MAX, bound);
    let newest = last_seq.min(before.saturating_sub(1));
    // One row beyond the limit shows whether there are more.
    let range = match page.after.map(bound) {
        None => Range { high: newest, low: 0, rows_max: rows_max + 1 },
        Some(low) => {
            let high = newest.min(low.saturating_add(i64::from(limit) + 1));
            Range { high, low, rows_max: rows_max + 1 }
        }
    };
    let start = anchor(&snapshot, room, range.high, last_seq)?.unwrap_or(last_number);
    let reader = RoomReader { connection: &snapshot, room: &page.room, seal };
    let mut messages = walk(&reader, start, &range)?;
    let more = messages.len() > rows_max;
    if more && page.after.is_none() {
        messages.pop();
    }
    messages.reverse();
    messages.truncate(rows_max);
    Ok((messages, more))
}

/// A room's key, its newest `seq`, and the number of that message.
pub(crate) fn tail(
    connection: &Connection,
    room: &RoomId,
) -> Result<Option<(i64, i64, i64)>, StoreError> {
    let mut select = connection.prepare_cached(
        "SELECT rooms.key, tails.seq, tails.number
         FROM rooms JOIN tails ON tails.room = rooms.key
         WHERE rooms.id = ?1 AND rooms.deleted = 0",
    )?;
    let found =
        select.query_row([room.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    Ok(found.optional()?)
}

/// The message at the first anchor from a `seq` on; `None` if the tail is nearer.
fn anchor(
    connection: &Connection,
    room: i64,
    seq: i64,
    last_seq: i64,
) -> Result<Option<i64>, StoreError> {
    if seq >= last_seq {
        return Ok(None);
    }
    let mut select = connection.prepare_cached(
        "SELECT number FROM anchors WHERE room = ?1 AND seq BETWEEN ?2 AND ?3
         ORDER BY seq LIMIT 1",
    )?;
    Ok(select.query_row((room, seq, last_seq), |row| row.get(0)).optional()?)
}

/// Walks back from `start`: skips messages above the range, then reads those in it.
fn walk(reader: &RoomReader<'_>, start: i64, range: &Range) -> Result<Vec<MessageRow>, StoreError> {
    let connection = reader.connection;
    let mut messages = Vec::new();
    if range.high <= range.low {
        return Ok(messages);
    }
    let mut skip =
        connection.prepare_cached("SELECT seq, previous FROM messages WHERE number = ?1")?;
    let mut next = start;
    loop {
        let step: Option<(i64, i64)> =
            skip.query_row([next], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match step {
            Some((seq, previous)) if seq > range.high => next = previous,
            Some(_) => break,
            None => return Ok(messages),
        }
    }
    let mut select = connection.prepare_cached(MESSAGE)?;
    let mut authors = Authors::default();
    while messages.len() < range.rows_max {
        let mut rows = select.query([next])?;
        let Some(row) = rows.next()? else { break };
        if row.get::<_, i64>(1)? <= range.low {
            break;
        }
        let (user, previous) = (authors.find(connection, row.get(2)?)?, row.get(3)?);
        messages.push(reader.message(row, next, user)?);
        next = previous;
    }
    Ok(messages)
}

/// Selects one message by its number.
const MESSAGE: &str = "SELECT id, seq, user, previous, text, html, reply_to, sent_unix_ms, sealed
     FROM messages WHERE number = ?1";

/// Reads a room's messages with numbers from `newest` down to `after`, without `after`; the newest
/// first. `None` if there are more than `rows_max`.
pub(crate) fn since(
    reader: &RoomReader<'_>,
    newest: i64,
    after: i64,
    rows_max: usize,
) -> Result<Option<Vec<MessageRow>>, StoreError> {
    let connection = reader.connection;
    let mut messages = Vec::new();
    let mut select = connection.prepare_cached(MESSAGE)?;
    let mut authors = Authors::default();
    let mut next = newest;
    while next > after {
        if messages.len() >= rows_max {
            return Ok(None);
        }
        let mut rows = select.query([next])?;
        // To end here would hide older messages, and report that no more were missed.
        let Some(row) = rows.next()? else {
            return Err(StoreError::Corrupt("number of a message"));
        };
        let user = authors.find(connection, row.get(2)?)?;
        let previous = row.get(3)?;
        messages.push(reader.message(row, next, user)?);
        next = previous;
    }
    Ok(Some(messages))
}

/// The authors on a page, each read once: few authors write many messages.
#[derive(Default)]
struct Authors(Vec<(i64, UserId, Arc<str>)>);

impl Authors {
    fn find(
        &mut self,
        connection: &Connection,
        key: i64,
    ) -> Result<(UserId, Arc<str>), StoreError> {
        let known = self.0.iter().find(|(known, ..)| *known == key);
        if let Some((_, user, username)) = known {
            return Ok((user.clone(), Arc::clone(username)));
        }
        let mut select =
            connection.prepare_cached("SELECT id, username FROM users WHERE key = ?1")?;
        let mut rows = select.query([key])?;
        let Some(row) = rows.next()? else { return Err(StoreError::Corrupt("user")) };
        let (user, username) = (user_id(text(row, 0)?)?, row.get::<_, Arc<str>>(1)?);
        self.0.push((key, user.clone(), Arc::clone(&username)));
        Ok((user, username))
    }
}

impl RoomReader<'_> {
    fn message(
        &self,
        row: &Row<'_>,
        number: i64,
        (user, username): (UserId, Arc<str>),
    ) -> Result<MessageRow, StoreError> {
        let reply_to: Option<String> = row.get(6)?;
        let id = message_id(text(row, 0)?)?;
        let (text, html) = match row.get::<_, Option<Vec<u8>>>(8)? {
            None => (row.get(4)?, row.get(5)?),
            Some(sealed) => {
                let opened = open_message(self.seal, self.room, &id, &user, &sealed)?;
                (opened.text, opened.html)
            }
        };
        Ok(MessageRow {
            id,
            seq: row.get::<_, i64>(1)?.cast_unsigned(),
            number: number.cast_unsigned(),
            room: self.room.clone(),
            user,
            username,
            text,
            html,
            reply_to: reply_to.as_deref().map(message_id).transpose()?,
            sent_unix_ms: row.get(7)?,
        })
    }
}

/// The newest `seq` of a room; see [`crate::MessageStore::last_seq`].
pub(crate) fn last_seq(connection: &Connection, room: &RoomId) -> Result<Option<u64>, StoreError> {
    Ok(tail(connection, room)?.map(|(_, last_seq, _)| last_seq.cast_unsigned()))
}
