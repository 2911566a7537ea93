//! The hot path: one message gets its place, its key counts from now on, the feed will hear.
//! Never: a gap or a repeat in a room's places; a place is taken only by a row.

use rusqlite::{Connection, OptionalExtension, Statement};

use crate::changes::Change;
use crate::error::StoreError;
use crate::health::monitor::WriteKind;
use crate::rows::rooms::{AppendOutcome, MessageRow, NewMessage};
use crate::sqlite::columns::message_id;
use crate::sqlite::sealed_fields::open_message;
use crate::sqlite::tables::mids::MID_KEPT_MS;
use crate::sqlite::writer::commit::Writer;

/// Every so many places a room's chain can be entered.
pub(crate) const ANCHOR_EVERY: i64 = 32;

/// The statements of the hot path, prepared once for the life of the connection.
pub(crate) struct Statements<'c> {
    insert_message: Statement<'c>,
    /// Finds the messages a day has under a hash.
    pub(crate) find_mid: Statement<'c>,
}

impl<'c> Statements<'c> {
    /// Prepares them; fails when the tables are not what this version expects.
    pub(crate) fn prepare(connection: &'c Connection) -> Result<Self, StoreError> {
        Ok(Self {
            insert_message: connection.prepare(
                "INSERT INTO messages (number, id, room, seq, previous, user, sent_unix_ms,
                     reply_to, mid, digest, text, html, sealed)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            )?,
            find_mid: connection
                .prepare("SELECT number FROM mids WHERE day = ?1 AND hash = ?2 LIMIT ?3")?,
        })
    }
}

/// Where a message is about to go.
#[derive(Clone, Copy)]
struct Place {
    room: i64,
    seq: i64,
    previous: i64,
    user: i64,
}

/// A message that was stored under a key.
struct Kept {
    digest: Option<[u8; 32]>,
    sealed: Option<Vec<u8>>,
    room: i64,
    seq: i64,
    id: String,
    sent_unix_ms: i64,
}

impl Writer<'_> {
    /// Stores one message, its text sealed where it came so; see [`crate::Store::append`].
    pub(crate) fn append(
        &mut self,
        message: NewMessage,
        sealed: Option<Vec<u8>>,
        changes: &mut Vec<Change>,
    ) -> Result<AppendOutcome, StoreError> {
        // What ended it was told before its own answer, and that before this is looked at.
        if message.fence.as_ref().is_some_and(|fence| !fence.holds()) {
            return Ok(AppendOutcome::Ended);
        }
        let member = self.cache.member(self.connection, &message.room, &message.user)?;
        let Some((room, user)) = member else { return Ok(AppendOutcome::NotMember) };
        let (room, seq, previous) = (room.key, room.last_seq + 1, room.last_number);
        let place = Place { room, seq, previous, user };
        if let Some(mid) = &message.mid
            && let Some(kept) = self.kept(user, mid.as_str(), message.sent_unix_ms)?
        {
            return self.repeated(place, &message, kept);
        }
        if let Some(answered) = &message.reply_to
            && !self.is_in_room(room, answered.as_str())?
        {
            return Ok(AppendOutcome::ReplyMissing);
        }
        self.permit(WriteKind::Client)?;
        let number = self.mids.next_number();
        self.insert(place, number, &message, sealed)?;
        if let Some(mid) = &message.mid {
            self.mids.keep(user, mid.as_str(), message.sent_unix_ms, number);
        }
        self.cache.advance(&message.room, seq, number);
        let (id, sent_unix_ms) = (message.id.clone(), message.sent_unix_ms);
        let seq = seq.cast_unsigned();
        changes.push(heard(message, seq, number.cast_unsigned()));
        Ok(AppendOutcome::Stored { id, seq, sent_unix_ms })
    }

    fn insert(
        &mut self,
        place: Place,
        number: i64,
        message: &NewMessage,
        sealed: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        if place.seq % ANCHOR_EVERY == 0 {
            // First, since a place without a message would be worse than an anchor without one:
            // a leftover anchor is put right by the message that takes its place.
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO anchors VALUES (?1, ?2, ?3)")?
                .execute((place.room, place.seq, number))?;
        }
        let (text, html, digest) = match sealed {
            Some(_) => ("", None, None),
            None => (message.text.as_str(), message.html.as_deref(), message.digest.as_ref()),
        };
        self.statements.insert_message.execute((
            number,
            message.id.as_str(),
            place.room,
            place.seq,
            place.previous,
            place.user,
            message.sent_unix_ms,
            message.reply_to.as_ref().map(|id| id.as_str()),
            message.mid.as_ref().map(|mid| mid.as_str()),
            digest.map(<[u8; 32]>::as_slice),
            text,
            html,
            sealed,
        ))?;
        Ok(())
    }

    fn is_in_room(&self, room: i64, message: &str) -> Result<bool, StoreError> {
        let mut select =
            self.connection.prepare_cached("SELECT 1 FROM messages WHERE id = ?1 AND room = ?2")?;
        Ok(select.exists((message, room))?)
    }

    /// Finds the message a user stored under this key within the last day.
    fn kept(
        &mut self,
        user: i64,
        mid: &str,
        sent_unix_ms: i64,
    ) -> Result<Option<Kept>, StoreError> {
        let numbers = self.mids.find(&mut self.statements.find_mid, user, mid, sent_unix_ms)?;
        for number in numbers {
            let found = self
                .kept_at(number, user, mid)?
                .filter(|kept| sent_unix_ms.saturating_sub(kept.sent_unix_ms) < MID_KEPT_MS);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Reads what was stored, if it is what the hash promised.
    fn kept_at(&self, number: i64, user: i64, mid: &str) -> Result<Option<Kept>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT digest, room, seq, id, sent_unix_ms, sealed FROM messages
             WHERE number = ?1 AND user = ?2 AND mid = ?3",
        )?;
        let kept = select.query_row((number, user, mid), |row| {
            Ok(Kept {
                digest: row.get(0)?,
                room: row.get(1)?,
                seq: row.get(2)?,
                id: row.get(3)?,
                sent_unix_ms: row.get(4)?,
                sealed: row.get(5)?,
            })
        });
        Ok(kept.optional()?)
    }

    fn repeated(
        &self,
        place: Place,
        message: &NewMessage,
        kept: Kept,
    ) -> Result<AppendOutcome, StoreError> {
        if kept.room != place.room {
            return Ok(AppendOutcome::Conflict);
        }
        let (id, seal) = (message_id(&kept.id)?, self.seal.as_deref());
        let digest = match &kept.sealed {
            None => kept.digest,
            Some(sealed) => open_message(seal, &message.room, &id, &message.user, sealed)?.digest,
        };
        if digest != message.digest {
            return Ok(AppendOutcome::Conflict);
        }
        let (seq, sent_unix_ms) = (kept.seq.cast_unsigned(), kept.sent_unix_ms);
        Ok(AppendOutcome::Repeated { id, seq, sent_unix_ms })
    }
}

fn heard(message: NewMessage, seq: u64, number: u64) -> Change {
    let row = MessageRow {
        id: message.id,
        seq,
        number,
        room: message.room,
        user: message.user,
        username: message.username,
        text: message.text,
        html: message.html,
        reply_to: message.reply_to,
        sent_unix_ms: message.sent_unix_ms,
    };
    Change::Message { row, origin: message.origin }
}
