//! A context without a server, which logs what a handler does with it.
//! Never: in a server; the feature `testing` is for test programs.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use portcullis_audit::Audit;
use portcullis_guard::{Directory, Gate, User};
use portcullis_model::{Clock, ConnectionId, Denial, Namespace, RoomId};
use portcullis_wire::websocket::server_frame;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::connection::socket_id::SocketId;
use crate::delivery::hub::{Batch, Delta, Hub};
use crate::delivery::operation::{Operation, OperationKind, SocketFilter};
use crate::events::context::{Context, Services};
use crate::events::frame::{Form, Frame};
use crate::load::rejected_parties::RejectedParty;
use crate::load::status::{ServerStatus, StatusReader};
use crate::rooms::covered_rooms::CoveredRooms;

/// The parts of a context.
pub struct ContextParts {
    /// The user who is signed in.
    pub user: Arc<User>,
    /// The namespace of the socket.
    pub namespace: Namespace,
    /// The rooms that the socket is in.
    pub rooms: Vec<RoomId>,
    /// The room that the permit covers.
    pub permitted: Option<RoomId>,
    /// The gate that handlers use.
    pub gate: Arc<Gate>,
    /// The directory that handlers use.
    pub directory: Arc<Directory>,
    /// The clock that handlers use.
    pub clock: Arc<dyn Clock>,
}

/// The recipients of an event or operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// The sockets in these rooms; empty for all sockets in the namespace.
    pub rooms: Vec<RoomId>,
    /// Without the sockets in these rooms.
    pub except: Vec<RoomId>,
    /// Which of these sockets.
    pub sockets: Sockets,
}

/// Which sockets of an audience are recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sockets {
    /// All of them.
    All,
    /// All but the socket of the event.
    Others,
    /// Only the socket of the event.
    This,
}

/// One use of a context by a handler.
#[derive(Debug, Clone, PartialEq)]
pub enum ContextUse {
    /// It emitted an event.
    Event {
        /// The name.
        name: String,
        /// The first argument.
        payload: Value,
        /// The recipients.
        to: Audience,
    },
    /// It added sockets to a room.
    Join(RoomId, Audience),
    /// It removed sockets from a room.
    Leave(RoomId, Audience),
    /// It removed sockets from the namespace.
    Disconnect(Audience),
    /// Another use: it requested acknowledgements, listed sockets, or delivered a delta.
    Other,
}

/// The uses of a context, in order.
pub struct ContextLog {
    batches: mpsc::Receiver<Batch>,
}

/// Makes a context and the log of its uses.
///
/// # Errors
/// [`Denial::Internal`] when the system provides no randomness.
pub fn context(parts: ContextParts) -> Result<(Context, ContextLog), Denial> {
    let (hub, mut inboxes) = Hub::new(1);
    let batches = inboxes.pop().ok_or(Denial::Internal("testing"))?;
    let now = parts.clock.now();
    let services = Services {
        hub,
        clock: parts.clock,
        audit: Audit::silent(),
        gate: parts.gate,
        directory: parts.directory,
        answers: Arc::default(),
        status: Arc::new(NoStatus),
    };
    let rooms = (!parts.rooms.is_empty()).then(|| Arc::new(parts.rooms.clone()));
    let mut covered = CoveredRooms::of_socket(rooms);
    covered.permit(parts.permitted.as_ref());
    let context = Context {
        connection: THIS,
        namespace: parts.namespace,
        socket: SocketId::random()?,
        client: IpAddr::from(Ipv4Addr::LOCALHOST),
        now,
        services: Arc::new(services),
        user: parts.user,
        rooms: parts.rooms.len(),
        covered,
    };
    Ok((context, ContextLog { batches }))
}

const THIS: ConnectionId = ConnectionId { shard: 0, number: 1 };

impl ContextLog {
    /// Takes the uses since the last call.
    pub fn take(&mut self) -> Vec<ContextUse> {
        let mut sent = Vec::new();
        while let Ok(batch) = self.batches.try_recv() {
            sent.extend(batch.deltas.iter().map(read));
        }
        sent
    }
}

fn read(delta: &Delta) -> ContextUse {
    let Delta::Operate(Operation { filter, kind, .. }) = delta else { return ContextUse::Other };
    let to = audience(filter);
    match kind {
        OperationKind::Emit { frame, .. } => read_event(frame, to),
        OperationKind::Join(room) => ContextUse::Join(room.clone(), to),
        OperationKind::Leave(room) => ContextUse::Leave(room.clone(), to),
        OperationKind::Disconnect => ContextUse::Disconnect(to),
        OperationKind::EmitWithAck { .. } | OperationKind::Fetch(_) => ContextUse::Other,
    }
}

fn audience(filter: &SocketFilter) -> Audience {
    let sockets = match (filter.only, filter.without) {
        (Some(_), _) => Sockets::This,
        (None, Some(_)) => Sockets::Others,
        (None, None) => Sockets::All,
    };
    Audience { rooms: filter.to.clone(), except: filter.except.clone(), sockets }
}

/// Decodes `42/namespace,["name",payload]`.
fn read_event(frame: &Frame, to: Audience) -> ContextUse {
    let bytes = frame.bytes(Form::SocketIo).unwrap_or_default();
    let text = server_frame(&bytes).map(|(_, payload)| payload).unwrap_or_default();
    let array = text.iter().position(|byte| *byte == b'[').and_then(|at| text.get(at..));
    let arguments = serde_json::from_slice::<Vec<Value>>(array.unwrap_or_default());
    let mut arguments = arguments.unwrap_or_default().into_iter();
    let name = arguments.next().unwrap_or_default();
    let payload = arguments.next().unwrap_or_default();
    ContextUse::Event { name: String::from(name.as_str().unwrap_or_default()), payload, to }
}

/// The state of a server that does nothing.
struct NoStatus;

impl StatusReader for NoStatus {
    fn status(&self) -> ServerStatus {
        ServerStatus::default()
    }

    fn rejected_parties(&self) -> Vec<RejectedParty> {
        Vec::new()
    }
}
