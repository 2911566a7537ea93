//! A socket that came back: its rooms again, and the messages it missed.
//! Never: a message twice, or one of a room the user has left; the store's writer decides both.

use std::sync::Arc;

use portcullis_model::Denial;
use portcullis_server::{Recovered, Recovering};
use portcullis_store::{PAGE_MAX, ResumeOutcome, ResumeRequest, StoreError};

use crate::Chat;

/// Hands the wish to the writer; the feed answers at the writer's point of the order.
pub(crate) async fn handle(chat: Arc<Chat>, back: Recovering) -> Result<Recovered, Denial> {
    let resume = ResumeRequest {
        user: back.user.id.clone(),
        origin: back.connection.to_bits(),
        rooms: back.rooms,
        after: back.offset,
        limit: PAGE_MAX,
    };
    match chat.store.resume(resume).await.map_err(StoreError::into_denial)? {
        ResumeOutcome::Resumed { .. } => Ok(Recovered::Resumed),
        ResumeOutcome::TooMany => Ok(Recovered::Fresh),
    }
}
