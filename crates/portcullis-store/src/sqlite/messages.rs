//! Messages of the embedded store: appended by the writer, read by the readers.
//! Never: a call that blocks its caller.

use std::sync::Arc;

use portcullis_model::RoomId;

use crate::error::StoreError;
use crate::future::StoreFuture;
use crate::messages::MessageStore;
use crate::rows::messages::{
    AppendOutcome, HistoryRequest, MessageRow, NewMessage, ResumeOutcome, ResumeRequest,
};
use crate::sqlite::sealed_fields::seal_message;
use crate::sqlite::store::SqliteStore;
use crate::sqlite::tables::history::{history, last_seq};
use crate::sqlite::tables::resume::{ResumeAttempt, read_missed};

/// How often a recovered connection reads its missed messages, while too many new ones arrive.
const RESUME_ATTEMPTS: usize = 4;

impl MessageStore for SqliteStore {
    fn append(&self, message: NewMessage) -> StoreFuture<'_, AppendOutcome> {
        // Sealed on the caller's thread: there are several of them, and one writer.
        let sealed = self.message_seal().map(|seal| seal_message(seal, &message)).transpose();
        match sealed {
            Ok(sealed) => self.write(move |state, changes| state.append(message, sealed, changes)),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }

    fn resume(&self, resume: ResumeRequest) -> StoreFuture<'_, ResumeOutcome> {
        Box::pin(resume_in_attempts(self, resume))
    }

    fn history(&self, page: HistoryRequest) -> StoreFuture<'_, (Vec<MessageRow>, bool)> {
        let seal = self.seal();
        self.read(move |connection| history(connection, &page, seal.as_deref()))
    }

    fn last_seq(&self, room: RoomId) -> StoreFuture<'_, Option<u64>> {
        self.look_up(move |connection| last_seq(connection, &room))
    }
}

async fn resume_in_attempts(
    store: &SqliteStore,
    request: ResumeRequest,
) -> Result<ResumeOutcome, StoreError> {
    let request = Arc::new(request);
    for _ in 0..RESUME_ATTEMPTS {
        let (for_reader, seal) = (Arc::clone(&request), store.seal());
        let read =
            store.read(move |connection| read_missed(connection, &for_reader, seal.as_deref()));
        let Some(missed) = read.await? else { return Ok(ResumeOutcome::TooMany) };
        let for_writer = Arc::clone(&request);
        let attempt = store.write(move |state, changes| state.resume(&for_writer, missed, changes));
        match attempt.await? {
            ResumeAttempt::Done(outcome) => return Ok(outcome),
            ResumeAttempt::Behind => {}
        }
    }
    Ok(ResumeOutcome::TooMany)
}
