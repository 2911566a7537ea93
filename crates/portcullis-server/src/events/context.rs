//! What a handler gets beside its permit, and what it gives back.
//! Never: a way to the client's data around the permit.

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_audit::Audit;
use portcullis_guard::{Directory, Gate, User};
use portcullis_model::{Clock, ConnectionId, Denial, Namespace, Now, RoomId};
use serde::Serialize;

use crate::connection::socket::SocketId;
use crate::delivery::broadcast::Broadcast;
use crate::delivery::hub::{Delta, Hub};
use crate::events::answer_memory::AnswerMemory;
use crate::events::payload::Payload;
use crate::rooms::covered_rooms::CoveredRooms;

/// What every handler of a server can reach; shared, so that a context costs little.
pub struct Surroundings {
    /// The way to other connections, without a check of rooms: as [`Context::as_server`].
    pub hub: Hub,
    /// For what happens later than `Context::now`.
    pub clock: Arc<dyn Clock>,
    /// Where acts are recorded.
    pub audit: Audit,
    /// The doors, for credentials and rates.
    pub gate: Arc<Gate>,
    /// Users, rooms, memberships as they are now.
    pub directory: Arc<Directory>,
    /// Answers of events that carried a `mid`.
    pub(crate) answers: Arc<AnswerMemory>,
}

/// The surroundings of one event: the socket it came on and the way to others.
#[derive(Clone)]
pub struct Context {
    /// The connection the event came on.
    pub connection: ConnectionId,
    /// The namespace it came in.
    pub namespace: Namespace,
    /// The public id of the socket: the connection's place in the namespace.
    pub socket: SocketId,
    /// The client's address.
    pub client: IpAddr,
    /// When the event was permitted.
    pub now: Now,
    /// What all handlers share; its fields are read as the context's own.
    pub(crate) surroundings: Arc<Surroundings>,
    /// Who is signed in.
    pub(crate) user: Arc<User>,
    /// How many rooms the socket hears.
    pub(crate) rooms: usize,
    /// The rooms that the handler may emit to.
    pub(crate) covered: CoveredRooms,
}

impl Deref for Context {
    type Target = Surroundings;

    fn deref(&self) -> &Surroundings {
        &self.surroundings
    }
}

impl Context {
    /// Who is signed in on the socket.
    #[must_use]
    pub fn user(&self) -> &Arc<User> {
        &self.user
    }

    /// How many rooms the socket hears; at most `ROOMS_PER_CONNECTION_MAX`.
    #[must_use]
    pub fn room_count(&self) -> usize {
        self.rooms
    }

    /// Everyone in the namespace, without a check of rooms: for what the server itself announces.
    ///
    /// All other broadcasts of a context reach a room only if the client may be heard there: the
    /// socket heard the room when the event came, the handler has joined it with this context, or
    /// the event's rule asks for a member or the owner of it. To emit to another room is an error.
    /// Do not pass a room that the client has named to this broadcast.
    pub fn as_server(&self) -> Broadcast {
        self.hub.namespace(self.namespace.clone())
    }

    /// Everyone in the namespace, in rooms that are covered.
    fn covered(&self) -> Broadcast {
        self.as_server().within(self.covered.clone())
    }

    /// This socket alone.
    pub fn this(&self) -> Broadcast {
        self.covered().only(self.connection)
    }

    /// Everyone else in the namespace.
    pub fn others(&self) -> Broadcast {
        self.covered().without(self.connection)
    }

    /// Everyone else who hears the room, which has to be covered: see [`Context::as_server`].
    pub fn others_in(&self, room: &RoomId) -> Broadcast {
        self.others().to(room)
    }

    /// Everyone who hears the room, this socket too. The room has to be covered, as in
    /// [`Context::others_in`].
    pub fn everyone_in(&self, room: &RoomId) -> Broadcast {
        self.covered().to(room)
    }

    /// From here on the socket hears the room: whatever is handed to the hub after this.
    ///
    /// # Errors
    /// [`Denial::RoomLimit`] when it hears as many as it may, [`Denial::Busy`] when its shard is
    /// behind.
    pub fn join(&self, room: &RoomId) -> Result<(), Denial> {
        if self.rooms >= portcullis_model::limits::ROOMS_PER_CONNECTION_MAX {
            return Err(Denial::RoomLimit("rooms_per_connection"));
        }
        self.this().join(room)?;
        self.covered.join(room);
        Ok(())
    }

    /// From here on the socket does not hear the room.
    ///
    /// # Errors
    /// [`Denial::Busy`] when its shard is behind.
    pub fn leave(&self, room: &RoomId) -> Result<(), Denial> {
        self.this().leave(room)
    }

    /// Sends an event to this socket alone.
    ///
    /// # Errors
    /// [`Denial::Busy`] when its shard is behind.
    pub fn emit(&self, name: &str, payload: &Payload) -> Result<(), Denial> {
        self.this().emit(name, payload)
    }

    /// Ends the socket's place in the namespace, after what was emitted to it before.
    ///
    /// # Errors
    /// [`Denial::Busy`] when its shard is behind.
    pub fn disconnect(&self) -> Result<(), Denial> {
        self.this().disconnect()
    }

    /// Hands over a delta, without a check of rooms; for products with deltas of their own.
    ///
    /// # Errors
    /// [`Denial::Busy`] when a shard is behind.
    pub fn deliver(&self, delta: Delta) -> Result<(), Denial> {
        self.hub.try_deliver(delta)
    }
}

/// A handler's answer: becomes the acknowledgement when the client asked for one.
#[derive(Debug, Clone)]
pub struct Reply {
    payload: Payload,
}

impl Reply {
    /// `{"ok":true}`.
    #[must_use]
    pub fn ok() -> Self {
        Self { payload: Payload::raw(String::from(r#"{"ok":true}"#)) }
    }

    /// `{"ok":true, …}` with the members of an object.
    ///
    /// A value that does not serialise to an object adds nothing.
    pub fn fields<T: Serialize>(fields: &T) -> Self {
        const OK: &[u8] = br#"{"ok":true"#;
        let mut json = OK.to_vec();
        let written = serde_json::to_writer(&mut json, fields);
        // What was written begins with its own brace: it makes room for the comma.
        let begins = json.get(OK.len()) == Some(&b'{');
        let empty = json.get(OK.len()..) == Some(b"{}".as_slice());
        if written.is_err() || !begins || empty {
            return Self::ok();
        }
        if let Some(brace) = json.get_mut(OK.len()) {
            *brace = b',';
        }
        String::from_utf8(json)
            .map_or_else(|_| Self::ok(), |json| Self { payload: Payload::raw(json) })
    }

    /// Arguments of any shape, for events without a payload type.
    #[must_use]
    pub fn arguments(payload: Payload) -> Self {
        Self { payload }
    }

    /// Adds a binary member.
    #[must_use]
    pub fn attach(self, name: &str, bytes: impl Into<Bytes>) -> Self {
        Self { payload: self.payload.attach(name, bytes) }
    }

    /// The first argument of the answer as JSON, for tests of handlers; `null` when it has none.
    #[must_use]
    pub fn value(&self) -> serde_json::Value {
        let arguments = format!("[{}]", self.payload.arguments());
        let arguments: Vec<serde_json::Value> =
            serde_json::from_str(&arguments).unwrap_or_default();
        arguments.into_iter().next().unwrap_or_default()
    }

    pub(crate) fn payload(&self) -> &Payload {
        &self.payload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_join_ok() {
        #[derive(Serialize)]
        struct Sent {
            seq: u64,
        }
        let json = |reply: Reply| reply.payload().arguments().to_owned();
        assert_eq!(json(Reply::fields(&Sent { seq: 3 })), r#"{"ok":true,"seq":3}"#);
        assert_eq!(json(Reply::fields(&[1])), r#"{"ok":true}"#);
        assert_eq!(json(Reply::fields(&serde_json::json!({}))), json(Reply::ok()));
    }
}
