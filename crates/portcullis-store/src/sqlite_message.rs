//! The hot path: one message gets its place, its key is kept, the feed will hear of it.
//! Never: a gap or a repeat in a room's places; a place is taken only by a row.

use rusqlite::{Connection, OptionalExtension, Statement};

use crate::error::StoreError;
use crate::rows::{Append, Change, MessageRow, NewMessage};
use crate::sqlite_chores::MID_KEPT_MS;
use crate::sqlite_query::message_id;
use crate::sqlite_writer::Writer;

/// The statements of the hot path, prepared once for the life of the connection.
pub(crate) struct Statements<'c> {
    insert_message: Statement<'c>,
    insert_mid: Statement<'c>,
}

impl<'c> Statements<'c> {
    /// Prepares them; fails when the tables are not what this version expects.
    pub(crate) fn prepare(connection: &'c Connection) -> Result<Self, StoreError> {
        Ok(Self {
            insert_message: connection.prepare(
                "INSERT INTO messages (room, seq, id, user, sent_unix_ms, reply_to, text, html)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?,
            insert_mid: connection.prepare(
                "INSERT INTO mids (user, mid, digest, room, seq, message, sent_unix_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (user, mid) DO NOTHING",
            )?,
        })
    }
}

/// Where a message is about to go.
#[derive(Clone, Copy)]
struct Place {
    room: i64,
    seq: i64,
    user: i64,
}

/// A key that was kept before.
struct Kept {
    number: i64,
    digest: Option<[u8; 32]>,
    room: i64,
    seq: i64,
    message: String,
    sent_unix_ms: i64,
}

impl Writer<'_> {
    /// Stores one message; see [`crate::Store::append`].
    pub(crate) fn append(
        &mut self,
        message: NewMessage,
        changes: &mut Vec<Change>,
    ) -> Result<Append, StoreError> {
        let member = self.cache.member(self.connection, &message.room, &message.user)?;
        let Some((room, user)) = member else { return Ok(Append::NotMember) };
        let place = Place { room: room.key, seq: room.last_seq + 1, user };
        let mut key = None;
        if let Some(mid) = message.mid.clone() {
            if !self.keep_mid(place, mid.as_str(), &message)? {
                return self.repeated(place, mid.as_str(), message, changes);
            }
            key = Some(self.connection.last_insert_rowid());
        }
        self.place(place, key, message, changes)
    }

    /// Gives the message its row. What fails here takes back the key that was kept for it.
    fn place(
        &mut self,
        place: Place,
        key: Option<i64>,
        message: NewMessage,
        changes: &mut Vec<Change>,
    ) -> Result<Append, StoreError> {
        match self.insert(place, &message) {
            Ok(true) => {}
            Ok(false) => {
                self.forget_mid(key);
                return Ok(Append::ReplyMissing);
            }
            Err(error) => {
                self.forget_mid(key);
                return Err(error);
            }
        }
        self.cache.advance(&message.room, place.seq);
        let (id, sent_unix_ms) = (message.id.clone(), message.sent_unix_ms);
        let seq = place.seq.cast_unsigned();
        changes.push(heard(message, seq));
        Ok(Append::Stored { id, seq, sent_unix_ms })
    }

    /// Whether the row was written; `false` when the message it answers is not there.
    fn insert(&mut self, place: Place, message: &NewMessage) -> Result<bool, StoreError> {
        let reply_to = message.reply_to.as_ref().map(|id| id.as_str());
        if let Some(answered) = reply_to
            && !self.is_in_room(place.room, answered)?
        {
            return Ok(false);
        }
        self.statements.insert_message.execute((
            place.room,
            place.seq,
            message.id.as_str(),
            place.user,
            message.sent_unix_ms,
            reply_to,
            message.text.as_str(),
            message.html.as_deref(),
        ))?;
        Ok(true)
    }

    fn is_in_room(&self, room: i64, message: &str) -> Result<bool, StoreError> {
        let mut select =
            self.connection.prepare_cached("SELECT 1 FROM messages WHERE id = ?1 AND room = ?2")?;
        Ok(select.exists((message, room))?)
    }

    /// Keeps the key; `false` when the user has used it before.
    fn keep_mid(
        &mut self,
        place: Place,
        mid: &str,
        message: &NewMessage,
    ) -> Result<bool, StoreError> {
        let written = self.statements.insert_mid.execute((
            place.user,
            mid,
            message.digest.as_ref().map(<[u8; 32]>::as_slice),
            place.room,
            place.seq,
            message.id.as_str(),
            message.sent_unix_ms,
        ))?;
        self.chores.mid_kept(message.sent_unix_ms);
        Ok(written == 1)
    }

    /// Answers a key that was used before, or takes it over when its day is past.
    fn repeated(
        &mut self,
        place: Place,
        mid: &str,
        message: NewMessage,
        changes: &mut Vec<Change>,
    ) -> Result<Append, StoreError> {
        let Some(kept) = self.find_mid(place.user, mid)? else {
            return Err(StoreError::Corrupt("idempotency key"));
        };
        if message.sent_unix_ms.saturating_sub(kept.sent_unix_ms) >= MID_KEPT_MS {
            self.drop_mid(kept.number)?;
            self.keep_mid(place, mid, &message)?;
            let key = self.connection.last_insert_rowid();
            return self.place(place, Some(key), message, changes);
        }
        if kept.digest != message.digest || kept.room != place.room {
            return Ok(Append::Conflict);
        }
        Ok(Append::Repeated {
            id: message_id(&kept.message)?,
            seq: kept.seq.cast_unsigned(),
            sent_unix_ms: kept.sent_unix_ms,
        })
    }

    fn find_mid(&self, user: i64, mid: &str) -> Result<Option<Kept>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT number, digest, room, seq, message, sent_unix_ms FROM mids
             WHERE user = ?1 AND mid = ?2",
        )?;
        let kept = select.query_row((user, mid), |row| {
            Ok(Kept {
                number: row.get(0)?,
                digest: row.get(1)?,
                room: row.get(2)?,
                seq: row.get(3)?,
                message: row.get(4)?,
                sent_unix_ms: row.get(5)?,
            })
        });
        Ok(kept.optional()?)
    }

    fn drop_mid(&self, number: i64) -> Result<(), StoreError> {
        let mut delete = self.connection.prepare_cached("DELETE FROM mids WHERE number = ?1")?;
        delete.execute([number])?;
        Ok(())
    }

    /// Takes back a key whose message was not stored. A key that stays would answer a retry with
    /// a message that never was, so when even this fails the whole batch has to go.
    fn forget_mid(&mut self, key: Option<i64>) {
        if let Some(number) = key
            && let Err(error) = self.drop_mid(number)
        {
            self.broken = Some(error);
        }
    }
}

fn heard(message: NewMessage, seq: u64) -> Change {
    let row = MessageRow {
        id: message.id,
        seq,
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
