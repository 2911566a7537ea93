//! The shard that serves a session of long-polling, and the queue into it.
//! Never: a table of sessions; the secret id names the shard.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::http::transfer::TransferredConnection;
use crate::polling::session_id::SessionIds;

/// The session ids of a server and the queues into its shards.
#[derive(Clone)]
pub(crate) struct SessionRouter {
    pub(crate) ids: SessionIds,
    /// One queue for each shard, for connections whose sessions live there.
    pub(crate) shards: Arc<[mpsc::Sender<TransferredConnection>]>,
}

impl SessionRouter {
    /// The shard of the session with this id, if this server issued the id.
    pub(crate) fn shard_of(&self, sid: &str) -> Option<u16> {
        let (id, _) = self.ids.read(sid)?;
        (usize::from(id.shard) < self.shards.len()).then_some(id.shard)
    }
}
