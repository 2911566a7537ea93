//! The context that a handler gets beside its permit.
//! Never: the client's data; only the permit carries it.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use portcullis_audit::Audit;
use portcullis_guard::{Directory, Gate, User};
use portcullis_model::{Clock, ConnectionId, Denial, Namespace, Now, RoomId, UserId};

use crate::connection::socket_id::SocketId;
use crate::delivery::broadcast::Broadcast;
use crate::delivery::hub::{Delta, Hub};
use crate::events::answer_memory::AnswerMemory;
use crate::events::payload::Payload;
use crate::load::rejected_parties::RejectedParty;
use crate::load::status::{ServerStatus, StatusReader};
use crate::rooms::covered_rooms::CoveredRooms;

/// The services that all handlers of a server share.
pub struct Services {
    /// Delivers to connections, without a check of rooms: as [`Context::as_server`].
    pub hub: Hub,
    /// The time, for code that runs later than `Context::now`.
    pub clock: Arc<dyn Clock>,
    /// The security log.
    pub audit: Audit,
    /// The gate, for credentials and rates.
    pub gate: Arc<Gate>,
    /// The current users, rooms and memberships.
    pub directory: Arc<Directory>,
    /// Answers of events that carried a `mid`.
    pub(crate) answers: Arc<AnswerMemory>,
    pub(crate) status: Arc<dyn StatusReader>,
}

impl Services {
    /// The state of the server in numbers.
    #[must_use]
    pub fn status(&self) -> ServerStatus {
        self.status.status()
    }

    /// Networks, users and origins that were rejected in the last five minutes, strongest first.
    #[must_use]
    pub fn rejected_parties(&self) -> Vec<RejectedParty> {
        self.status.rejected_parties()
    }
}

/// The context of one event: the socket it arrived on, and the other sockets.
#[derive(Clone)]
pub struct Context {
    /// The connection that the event arrived on.
    pub connection: ConnectionId,
    /// The namespace of the socket.
    pub namespace: Namespace,
    /// The public id of the socket.
    pub socket: SocketId,
    /// The client's address.
    pub client: IpAddr,
    /// When the event was permitted.
    pub now: Now,
    /// The shared services; [`Context`] dereferences to them.
    pub(crate) services: Arc<Services>,
    /// The user who is signed in.
    pub(crate) user: Arc<User>,
    /// The number of rooms that the socket is in.
    pub(crate) rooms: usize,
    /// The rooms that the handler may emit to.
    pub(crate) covered: CoveredRooms,
}

impl Deref for Context {
    type Target = Services;

    fn deref(&self) -> &Services {
        &self.services
    }
}

impl Context {
    /// The shared services, for work that does not depend on the socket.
    #[must_use]
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// The user who is signed in on the socket.
    #[must_use]
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// The number of rooms that the socket is in; at most `ROOMS_PER_CONNECTION_MAX`.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms
    }

    /// All sockets in the namespace, without a check of rooms: for the server's announcements.
    ///
    /// All other broadcasts of a context reach only covered rooms. A room is covered if the socket
    /// was in it when the event arrived, if the handler has joined it with this context, or if the
    /// event's rule requires a member or the owner of it. To emit to another room is an error. Do
    /// not pass a room that the client has named to this broadcast.
    pub fn as_server(&self) -> Broadcast {
        self.hub.namespace(self.namespace.clone())
    }

    /// All sockets in the namespace, in rooms that are covered.
    fn covered(&self) -> Broadcast {
        self.as_server().within(self.covered.clone())
    }

    /// This socket alone.
    pub fn this(&self) -> Broadcast {
        self.covered().only(self.connection)
    }

    /// All other sockets in the namespace.
    pub fn others(&self) -> Broadcast {
        self.covered().without(self.connection)
    }

    /// All other sockets in the room, which has to be covered: see [`Context::as_server`].
    pub fn others_in(&self, room: &RoomId) -> Broadcast {
        self.others().to(room)
    }

    /// All sockets in the room, including this one. The room has to be covered, as in
    /// [`Context::others_in`].
    pub fn everyone_in(&self, room: &RoomId) -> Broadcast {
        self.covered().to(room)
    }

    /// Adds the socket to a room. It receives messages that are passed to the hub after this call.
    ///
    /// # Errors
    /// [`Denial::RoomLimit`] when it is in as many rooms as it may be, [`Denial::Busy`] when the
    /// queue of its shard is full.
    pub fn join(&self, room: &RoomId) -> Result<(), Denial> {
        if self.rooms >= portcullis_model::limits::ROOMS_PER_CONNECTION_MAX {
            return Err(Denial::RoomLimit("rooms_per_connection"));
        }
        self.this().join(room)?;
        self.covered.join(room);
        Ok(())
    }

    /// Removes the socket from a room.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the queue of its shard is full.
    pub fn leave(&self, room: &RoomId) -> Result<(), Denial> {
        self.this().leave(room)
    }

    /// Removes a member from a room: the user can no longer send to it, and all sockets of the user
    /// in this namespace leave it. Returns whether the user was a member.
    ///
    /// The sockets leave after the events that were emitted before. Messages of the user that
    /// arrive later are rejected ([`Denial::Forbidden`], reason `not_member`). Sockets in another
    /// namespace leave with `hub.namespace(other).to(room).of_user(user).leave(room)`.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the queue of a shard is full: the user is no longer a member, and some
    /// sockets may still receive. A second call removes them.
    pub fn remove_member(&self, room: &RoomId, user: &UserId) -> Result<bool, Denial> {
        let was_member = self.directory.remove_member(room, user);
        self.as_server().to(room).of_user(user).leave(room)?;
        Ok(was_member)
    }

    /// Sends an event to this socket alone.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the queue of its shard is full.
    pub fn emit(&self, name: &str, payload: &Payload) -> Result<(), Denial> {
        self.this().emit(name, payload)
    }

    /// Removes the socket from the namespace, after the events that were emitted to it before.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the queue of its shard is full.
    pub fn disconnect(&self) -> Result<(), Denial> {
        self.this().disconnect()
    }

    /// Delivers a delta, without a check of rooms; for products that make their own deltas.
    ///
    /// # Errors
    /// [`Denial::Busy`] when the queue of a shard is full.
    pub fn deliver(&self, delta: Delta) -> Result<(), Denial> {
        self.hub.try_deliver(delta)
    }
}
