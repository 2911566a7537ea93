//! The hot path: a message gets its `seq`, its key is recorded, and the feed will receive it.
//! Never: a gap or a repeated `seq` in a room; only a stored row takes one.

use portcullis_model::Deadline;
use rusqlite::OptionalExtension;

use crate::changes::Change;
use crate::error::StoreError;
use crate::health::monitor::WriteKind;
use crate::rows::messages::{AppendOutcome, MessageRow, NewMessage};
use crate::sqlite::columns::message_id;
use crate::sqlite::sealed_fields::open_message;
use crate::sqlite::tables::history::ANCHOR_EVERY;
use crate::sqlite::tables::mids::MID_KEPT_MS;
use crate::sqlite::tables::state::WriteState;

/// The position of a new message.
#[derive(Clone, Copy)]
struct Position {
    room: i64,
    seq: i64,
    previous: i64,
    user: i64,
}

/// A message that was stored under the same key.
struct EarlierMessage {
    digest: Option<[u8; 32]>,
    sealed: Option<Vec<u8>>,
    room: i64,
    seq: i64,
    id: String,
    sent_unix_ms: i64,
}

impl WriteState<'_> {
    /// Stores one message, sealed if `sealed` is given; see [`crate::MessageStore::append`].
    pub(crate) fn append(
        &mut self,
        message: NewMessage,
        sealed: Option<Vec<u8>>,
        changes: &mut Vec<Change>,
    ) -> Result<AppendOutcome, StoreError> {
        // A change that closes the fence is reported before its own result, and so before this.
        if message.fence.as_ref().is_some_and(|fence| !fence.is_open()) {
            return Ok(AppendOutcome::Ended);
        }
        let member = self.cache.member(self.connection, &message.room, &message.user)?;
        let Some((room, user)) = member else { return Ok(AppendOutcome::NotMember) };
        let (room, seq, previous) = (room.key, room.last_seq + 1, room.last_number);
        let position = Position { room, seq, previous, user };
        if let Some(mid) = &message.mid
            && let Some(earlier) = self.earlier(user, mid.as_str(), message.sent_unix_ms)?
        {
            return self.repeated(position, &message, earlier);
        }
        if let Some(original) = &message.reply_to
            && !self.is_in_room(room, original.as_str())?
        {
            return Ok(AppendOutcome::ReplyMissing);
        }
        self.check_writable(WriteKind::Client)?;
        let number = self.mids.next_number();
        self.insert(position, number, &message, sealed)?;
        if let Some(mid) = &message.mid {
            self.mids.record(user, mid.as_str(), message.sent_unix_ms, number);
        }
        self.cache.advance(&message.room, seq, number);
        let (id, sent_unix_ms) = (message.id.clone(), message.sent_unix_ms);
        let seq = seq.cast_unsigned();
        changes.push(change(message, seq, number.cast_unsigned()));
        Ok(AppendOutcome::Stored { id, seq, sent_unix_ms })
    }

    fn insert(
        &mut self,
        position: Position,
        number: i64,
        message: &NewMessage,
        sealed: Option<Vec<u8>>,
    ) -> Result<(), StoreError> {
        if position.seq % ANCHOR_EVERY == 0 {
            // Before the message: a message without its anchor would be worse than an anchor
            // without a message, which the next message at this `seq` replaces.
            self.connection
                .prepare_cached("INSERT OR REPLACE INTO anchors VALUES (?1, ?2, ?3)")?
                .execute((position.room, position.seq, number))?;
        }
        let (text, html, digest) = match sealed {
            Some(_) => ("", None, None),
            None => (message.text.as_str(), message.html.as_deref(), message.digest.as_ref()),
        };
        self.statements.insert_message.execute((
            number,
            message.id.as_str(),
            position.room,
            position.seq,
            position.previous,
            position.user,
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

    /// Finds the message that a user stored under this key within the last day.
    fn earlier(
        &mut self,
        user: i64,
        mid: &str,
        sent_unix_ms: i64,
    ) -> Result<Option<EarlierMessage>, StoreError> {
        let numbers = self.mids.find(&mut self.statements.find_mid, user, mid, sent_unix_ms)?;
        for number in numbers {
            let found = self
                .earlier_at(number, user, mid)?
                .filter(|earlier| sent_unix_ms.saturating_sub(earlier.sent_unix_ms) < MID_KEPT_MS);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Reads a message, if it has this user and key; its hash is only a hint.
    fn earlier_at(
        &self,
        number: i64,
        user: i64,
        mid: &str,
    ) -> Result<Option<EarlierMessage>, StoreError> {
        let mut select = self.connection.prepare_cached(
            "SELECT digest, room, seq, id, sent_unix_ms, sealed FROM messages
             WHERE number = ?1 AND user = ?2 AND mid = ?3",
        )?;
        let found = select.query_row((number, user, mid), |row| {
            Ok(EarlierMessage {
                digest: row.get(0)?,
                room: row.get(1)?,
                seq: row.get(2)?,
                id: row.get(3)?,
                sent_unix_ms: row.get(4)?,
                sealed: row.get(5)?,
            })
        });
        Ok(found.optional()?)
    }

    fn repeated(
        &self,
        position: Position,
        message: &NewMessage,
        earlier: EarlierMessage,
    ) -> Result<AppendOutcome, StoreError> {
        if earlier.room != position.room {
            return Ok(AppendOutcome::Conflict);
        }
        let (id, seal) = (message_id(&earlier.id)?, self.seal.as_deref());
        let digest = match &earlier.sealed {
            None => earlier.digest,
            Some(sealed) => open_message(seal, &message.room, &id, &message.user, sealed)?.digest,
        };
        if digest != message.digest {
            return Ok(AppendOutcome::Conflict);
        }
        let (seq, sent_unix_ms) = (earlier.seq.cast_unsigned(), earlier.sent_unix_ms);
        Ok(AppendOutcome::Repeated { id, seq, sent_unix_ms })
    }
}

fn change(message: NewMessage, seq: u64, number: u64) -> Change {
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
    let accepted = Deadline::current().map(Deadline::accepted);
    Change::Message { row, origin: message.origin, accepted }
}
