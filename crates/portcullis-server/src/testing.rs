//! A context without a server: what a handler does with it is kept and can be looked at.
//! Never: in a server; the feature `testing` is for test programs.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use portcullis_audit::Audit;
use portcullis_guard::{Directory, Gate, User};
use portcullis_model::{Clock, ConnectionId, Denial, Namespace, RoomId};
use portcullis_wire::websocket::server_frame;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::connection::socket::SocketId;
use crate::delivery::broadcast::{Act, Operation, Select};
use crate::delivery::hub::{Batch, Delta, Hub};
use crate::events::context::{Context, Surroundings};
use crate::events::frame::{Form, Frame};
use crate::rooms::covered_rooms::CoveredRooms;

/// What a context is made of.
pub struct ContextParts {
    /// Who is signed in.
    pub user: Arc<User>,
    /// The namespace of the socket.
    pub namespace: Namespace,
    /// The rooms that the socket hears.
    pub rooms: Vec<RoomId>,
    /// The room that the permit covers.
    pub permitted: Option<RoomId>,
    /// The gate that handlers see.
    pub gate: Arc<Gate>,
    /// The directory that handlers see.
    pub directory: Arc<Directory>,
    /// The clock that handlers see.
    pub clock: Arc<dyn Clock>,
}

/// Whom something was sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience {
    /// The sockets of these rooms; empty for everyone in the namespace.
    pub rooms: Vec<RoomId>,
    /// Not the sockets of these rooms.
    pub except: Vec<RoomId>,
    /// Which sockets beside that.
    pub sockets: Sockets,
}

/// Which sockets of an audience are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sockets {
    /// All of them.
    All,
    /// All but the one that the event came on.
    Others,
    /// Only the one that the event came on.
    This,
}

/// One thing that a handler did with its context.
#[derive(Debug, Clone, PartialEq)]
pub enum Sent {
    /// It emitted an event.
    Event {
        /// The name.
        name: String,
        /// The first argument.
        payload: Value,
        /// Whom it goes to.
        to: Audience,
    },
    /// It joined sockets to a room.
    Join(RoomId, Audience),
    /// It took sockets out of a room.
    Leave(RoomId, Audience),
    /// It ended the place of sockets in the namespace.
    Disconnect(Audience),
    /// It did something else: asked for acknowledgements, listed sockets, or handed over a delta.
    Other,
}

/// What a handler has done with a context, in order.
pub struct SentLog {
    batches: mpsc::Receiver<Batch>,
}

/// Makes a context, and the log of what is done with it.
///
/// # Errors
/// [`Denial::Internal`] when the machine gives no randomness.
pub fn context(parts: ContextParts) -> Result<(Context, SentLog), Denial> {
    let (hub, mut inboxes) = Hub::new(1);
    let batches = inboxes.pop().ok_or(Denial::Internal("testing"))?;
    let now = parts.clock.now();
    let surroundings = Surroundings {
        hub,
        clock: parts.clock,
        audit: Audit::silent(),
        gate: parts.gate,
        directory: parts.directory,
        answers: Arc::default(),
    };
    let heard = (!parts.rooms.is_empty()).then(|| Arc::new(parts.rooms.clone()));
    let mut covered = CoveredRooms::heard(heard);
    covered.permit(parts.permitted.as_ref());
    let context = Context {
        connection: THIS,
        namespace: parts.namespace,
        socket: SocketId::random()?,
        client: IpAddr::from(Ipv4Addr::LOCALHOST),
        now,
        surroundings: Arc::new(surroundings),
        user: parts.user,
        rooms: parts.rooms.len(),
        covered,
    };
    Ok((context, SentLog { batches }))
}

const THIS: ConnectionId = ConnectionId { shard: 0, number: 1 };

impl SentLog {
    /// Takes what was done since the last call.
    pub fn take(&mut self) -> Vec<Sent> {
        let mut sent = Vec::new();
        while let Ok(batch) = self.batches.try_recv() {
            sent.extend(batch.deltas.iter().map(read));
        }
        sent
    }
}

fn read(delta: &Delta) -> Sent {
    let Delta::Operate(Operation { select, act }) = delta else { return Sent::Other };
    let to = audience(select);
    match act {
        Act::Emit { frame, .. } => read_event(frame, to),
        Act::Join(room) => Sent::Join(room.clone(), to),
        Act::Leave(room) => Sent::Leave(room.clone(), to),
        Act::Disconnect => Sent::Disconnect(to),
        Act::Ask { .. } | Act::Fetch(_) => Sent::Other,
    }
}

fn audience(select: &Select) -> Audience {
    let sockets = match (select.only, select.without) {
        (Some(_), _) => Sockets::This,
        (None, Some(_)) => Sockets::Others,
        (None, None) => Sockets::All,
    };
    Audience { rooms: select.to.clone(), except: select.except.clone(), sockets }
}

/// Reads `42/namespace,["name",payload]` back.
fn read_event(frame: &Frame, to: Audience) -> Sent {
    let bytes = frame.bytes(Form::SocketIo).unwrap_or_default();
    let text = server_frame(&bytes).map(|(_, payload)| payload).unwrap_or_default();
    let array = text.iter().position(|byte| *byte == b'[').and_then(|at| text.get(at..));
    let arguments = serde_json::from_slice::<Vec<Value>>(array.unwrap_or_default());
    let mut arguments = arguments.unwrap_or_default().into_iter();
    let name = arguments.next().unwrap_or_default();
    let payload = arguments.next().unwrap_or_default();
    Sent::Event { name: String::from(name.as_str().unwrap_or_default()), payload, to }
}
