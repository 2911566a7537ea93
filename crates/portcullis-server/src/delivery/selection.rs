//! A selection of connections: of a network, of a user or with an id.
//! Never: the permission to select; the caller has checked it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use portcullis_guard::BlockedNetwork;
use portcullis_model::{ConnectionId, SessionId, UserId};

use crate::delivery::collector::ResponseCollector;

/// The selected connections.
#[derive(Debug, Clone)]
pub enum ConnectionSelection {
    /// The connection with this id.
    Id(ConnectionId),
    /// All connections of a user.
    User(UserId),
    /// The connections of one session of a user.
    Session(UserId, SessionId),
    /// All connections from a network.
    Network(BlockedNetwork),
}

/// The number of connections of a selection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SelectionCounts {
    /// All connections.
    pub connections: usize,
    /// Connections on which a user is signed in.
    pub signed_in: usize,
    /// The different users of these connections.
    pub users: usize,
}

/// The effect on the connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SelectionEffect {
    Count,
    End,
}

/// A selection for all shards, and their answers.
#[derive(Clone)]
pub struct SelectionRequest {
    pub(crate) selection: ConnectionSelection,
    pub(crate) effect: SelectionEffect,
    pub(crate) collector: Arc<ResponseCollector<ShardSelection>>,
}

impl fmt::Debug for SelectionRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("SelectionRequest").field(&self.selection).finish()
    }
}

/// The answer of one shard.
pub(crate) struct ShardSelection {
    pub(crate) connections: usize,
    pub(crate) signed_in: usize,
    pub(crate) users: HashSet<UserId>,
}
