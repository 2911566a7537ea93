//! An operation on the sockets that a filter matches, in the form that every shard gets.
//! Never: its delivery; the hub does that.

use std::sync::Arc;

use portcullis_guard::{Answer, User};
use portcullis_model::{ConnectionId, Namespace, RoomId, UserId};

use crate::connection::socket_id::SocketId;
use crate::delivery::collector::ResponseCollector;
use crate::delivery::timing::DeliveryTiming;
use crate::events::frame::Frame;

/// Selects sockets. Without rooms: all sockets in the namespace.
#[derive(Debug, Clone, Default)]
pub(crate) struct SocketFilter {
    pub(crate) namespace: Namespace,
    pub(crate) to: Vec<RoomId>,
    pub(crate) except: Vec<RoomId>,
    pub(crate) only: Option<ConnectionId>,
    pub(crate) without: Option<ConnectionId>,
    pub(crate) user: Option<UserId>,
}

/// The operation on the matching sockets.
#[derive(Clone)]
pub(crate) enum OperationKind {
    /// Sends them an event.
    Emit {
        frame: Arc<Frame>,
        /// Whether slow consumers are left out.
        volatile: bool,
    },
    /// Sends them an event and collects their acknowledgements.
    EmitWithAck {
        frame: Arc<Frame>,
        id: u64,
        collector: Arc<ResponseCollector<AckResponse>>,
        timeout_ms: u64,
    },
    /// Adds them to a room.
    Join(RoomId),
    /// Removes them from a room.
    Leave(RoomId),
    /// Removes them from the namespace.
    Disconnect,
    /// Lists them.
    Fetch(Arc<ResponseCollector<SocketInfo>>),
}

/// One operation on the sockets that its filter matches.
#[derive(Clone)]
pub struct Operation {
    pub(crate) filter: SocketFilter,
    pub(crate) kind: OperationKind,
    pub(crate) timing: DeliveryTiming,
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Operation").field("filter", &self.filter).finish_non_exhaustive()
    }
}

/// A socket as handlers see it.
#[derive(Debug, Clone)]
pub struct SocketInfo {
    /// The public id.
    pub id: SocketId,
    /// The connection it is on.
    pub connection: ConnectionId,
    /// The user who is signed in.
    pub user: Arc<User>,
    /// The rooms it is in.
    pub rooms: Vec<RoomId>,
}

/// One acknowledgement of an event of the server.
#[derive(Debug, Clone)]
pub struct AckResponse {
    /// The socket that acknowledged.
    pub socket: SocketId,
    /// The arguments, after the checks of the guard.
    pub answer: Answer,
}
