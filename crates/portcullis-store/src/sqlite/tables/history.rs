//! History: a room's chain of messages, entered as near as possible and walked to the past.
//! Never: more steps than the page's limit and the distance of two anchors.

use std::sync::Arc;

use portcullis_model::{RoomId, UserId};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::StoreError;
use crate::field_seal::FieldSeal;
use crate::rows::rooms::{HistoryRequest, MessageRow};
use crate::sqlite::columns::{message_id, text, user_id};
use crate::sqlite::sealed_fields::open_message;
use crate::store::PAGE_MAX;

/// A part of a room's places, and how many to read from its newest end.
struct Part {
    /// The newest place wanted.
    high: i64,
    /// The newest place not wanted any more.
    low: i64,
    rows_max: usize,
}

/// Where a room's messages are read from.
pub(crate) struct Source<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) room: &'a RoomId,
    pub(crate) seal: Option<&'a dyn FieldSeal>,
}

/// Reads a part of a room's messages; see [`crate::Store::history`].
pub(crate) fn history(
    connection: &Connection,
    page: &HistoryRequest,
    seal: Option<&dyn FieldSeal>,
) -> Result<(Vec<MessageRow>, bool), StoreError> {
    // One moment for the tail, the anchors and the chain.
    let moment = connection.unchecked_transaction()?;
    let Some((room, last_seq, last_number)) = tail(&moment, &page.room)? else {
        return Ok((Vec::new(), false));
    };
    let limit = page.limit.clamp(1, PAGE_MAX);
    let rows_max = usize::try_from(limit).unwrap_or(1);
    let bound = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
    let before = page.before.map_or(i64::MAX, bound);
    let newest = last_seq.min(before.saturating_sub(1));
    // One row beyond the limit tells whether there are more.
    let part = match page.after.map(bound) {
        None => Part { high: newest, low: 0, rows_max: rows_max + 1 },
        Some(low) => {
            let high = newest.min(low.saturating_add(i64::from(limit) + 1));
            Part { high, low, rows_max: rows_max + 1 }
        }
    };
    let start = anchor(&moment, room, part.high, last_seq)?.unwrap_or(last_number);
    let source = Source { connection: &moment, room: &page.room, seal };
    let mut messages = walk(&source, start, &part)?;
    let more = messages.len() > rows_max;
    if more && page.after.is_none() {
        messages.pop();
    }
    messages.reverse();
    messages.truncate(rows_max);
    Ok((messages, more))
}

/// A room's key, its newest place, and the message there.
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

/// The message at the first anchor from a place on; the tail serves when it is nearer.
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

/// Walks to the past from `start`: past what is too new, then over what is wanted.
fn walk(source: &Source<'_>, start: i64, part: &Part) -> Result<Vec<MessageRow>, StoreError> {
    let connection = source.connection;
    let mut messages = Vec::new();
    if part.high <= part.low {
        return Ok(messages);
    }
    let mut skip =
        connection.prepare_cached("SELECT seq, previous FROM messages WHERE number = ?1")?;
    let mut next = start;
    loop {
        let step: Option<(i64, i64)> =
            skip.query_row([next], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match step {
            Some((seq, previous)) if seq > part.high => next = previous,
            Some(_) => break,
            None => return Ok(messages),
        }
    }
    let mut select = connection.prepare_cached(MESSAGE)?;
    let mut writers = Writers::default();
    while messages.len() < part.rows_max {
        let mut rows = select.query([next])?;
        let Some(row) = rows.next()? else { break };
        if row.get::<_, i64>(1)? <= part.low {
            break;
        }
        let (user, previous) = (writers.find(connection, row.get(2)?)?, row.get(3)?);
        messages.push(source.message(row, next, user)?);
        next = previous;
    }
    Ok(messages)
}

/// Reads one message by its number.
const MESSAGE: &str = "SELECT id, seq, user, previous, text, html, reply_to, sent_unix_ms, sealed
     FROM messages WHERE number = ?1";

/// Reads a room's messages from its newest one, whose number is `newest`, down to what came after
/// `after`; the newest first. `None` when there are more than `rows_max`.
pub(crate) fn since(
    source: &Source<'_>,
    newest: i64,
    after: i64,
    rows_max: usize,
) -> Result<Option<Vec<MessageRow>>, StoreError> {
    let connection = source.connection;
    let mut messages = Vec::new();
    let mut select = connection.prepare_cached(MESSAGE)?;
    let mut writers = Writers::default();
    let mut next = newest;
    while next > after {
        if messages.len() >= rows_max {
            return Ok(None);
        }
        let mut rows = select.query([next])?;
        // To end here would hide what lies behind, and say that nothing more was missed.
        let Some(row) = rows.next()? else {
            return Err(StoreError::Corrupt("number of a message"));
        };
        let user = writers.find(connection, row.get(2)?)?;
        let previous = row.get(3)?;
        messages.push(source.message(row, next, user)?);
        next = previous;
    }
    Ok(Some(messages))
}

/// Who wrote on this page; few people write many messages, so each is read once.
#[derive(Default)]
struct Writers(Vec<(i64, UserId, Arc<str>)>);

impl Writers {
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

impl Source<'_> {
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
