//! Handlers that run to their end, because what they store has to be recorded.
//! Never: more handlers than requests; the queue of the store bounds their number.

use portcullis_model::{Deadline, Denial};

use crate::events::reply::Reply;

/// Runs a handler to its end, also when the client disconnects or its time is over.
///
/// # Errors
/// The denial of the handler; [`Denial::Internal`] if it panics.
pub async fn run_to_completion<F>(handler: F) -> Result<Reply, Denial>
where
    F: Future<Output = Result<Reply, Denial>> + Send + 'static,
{
    // A new task does not inherit the deadline of the request by itself.
    tokio::spawn(Deadline::inherit(handler)).await.map_err(|_| Denial::Internal("handler"))?
}
