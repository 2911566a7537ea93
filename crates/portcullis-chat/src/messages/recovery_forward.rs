//! Forwards the recovery of a connection to the store; the feed then delivers what it missed.
//! Never: the choice of messages and rooms; the writer of the store makes it.

use std::sync::Arc;

use portcullis_model::Denial;
use portcullis_server::{RecoveryOutcome, RecoveryRequest};
use portcullis_store::{PAGE_MAX, ResumeOutcome, ResumeRequest, StoreError};

use crate::chat::Chat;

/// Passes the request to the writer; the feed delivers at the point in commit order where it ran.
pub(crate) async fn handle(
    chat: Arc<Chat>,
    recovering: RecoveryRequest,
) -> Result<RecoveryOutcome, Denial> {
    let resume = ResumeRequest {
        user: recovering.user.id.clone(),
        origin: recovering.connection.to_bits(),
        rooms: recovering.rooms,
        after: recovering.offset,
        limit: PAGE_MAX,
    };
    match chat.store.resume(resume).await.map_err(StoreError::into_denial)? {
        ResumeOutcome::Resumed { .. } => Ok(RecoveryOutcome::Resumed),
        ResumeOutcome::TooMany => Ok(RecoveryOutcome::Fresh),
    }
}
