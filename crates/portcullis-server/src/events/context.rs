//! What a handler gets beside its permit, and what it returns.
//! Never: the client's data; only the permit carries it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_audit::Audit;
use portcullis_guard::{Directory, Gate, User};
use portcullis_model::{Clock, ConnectionId, Denial, Namespace, Now, RoomId};
use serde::Serialize;

use crate::connection::socket_id::SocketId;
use crate::delivery::broadcast::Broadcast;
use crate::delivery::hub::{Delta, Hub};
use crate::events::answer_memory::AnswerMemory;
use crate::events::payload::Payload;
use crate::rooms::covered_rooms::CoveredRooms;

/// What all handlers of a server share.
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
    /// What all handlers share; [`Context`] dereferences to it.
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

    /// Adds the socket to a room. It receives what is handed to the hub after this call.
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

/// The answer of a handler: the acknowledgement, when the client requested one.
#[derive(Debug, Clone)]
pub struct Reply {
    payload: Payload,
    /// Why it cannot be sent.
    fault: Option<&'static str>,
}

/// Members of an acknowledgement that the protocol writes itself.
const RESERVED_MEMBERS: [&str; 2] = ["ok", "error"];

impl Reply {
    /// `{"ok":true}`.
    #[must_use]
    pub fn ok() -> Self {
        Self::of(Payload::raw(String::from(r#"{"ok":true}"#)))
    }

    fn of(payload: Payload) -> Self {
        Self { payload, fault: None }
    }

    /// `{"ok":true, …}` with the members of an object.
    ///
    /// A value that does not serialize to an object adds nothing. The names `ok` and `error` belong
    /// to the protocol: an answer with one of them is not sent. The client reads `INTERNAL`, and
    /// the operational log says why; for a rejection return [`Denial::app`]. In the plain form
    /// `id` is the id of the request, so a member of that name does not arrive there.
    pub fn fields<T: Serialize>(fields: &T) -> Self {
        const OK: &[u8] = br#"{"ok":true"#;
        let mut json = OK.to_vec();
        let written = serde_json::to_writer(&mut json, fields);
        // The opening brace of the value becomes the comma.
        let is_object = json.get(OK.len()) == Some(&b'{');
        let is_empty = json.get(OK.len()..) == Some(b"{}".as_slice());
        if written.is_err() || !is_object || is_empty {
            return Self::ok();
        }
        if has_reserved(json.get(OK.len()..).unwrap_or_default()) {
            return Self { fault: Some("reply_reserved_member"), ..Self::ok() };
        }
        if let Some(brace) = json.get_mut(OK.len()) {
            *brace = b',';
        }
        String::from_utf8(json).map_or_else(|_| Self::ok(), |json| Self::of(Payload::raw(json)))
    }

    /// Arguments of any shape, for events without a payload type.
    #[must_use]
    pub fn arguments(payload: Payload) -> Self {
        Self::of(payload)
    }

    /// Adds a binary member. Its name must not be `ok` or `error`, as in [`Reply::fields`].
    #[must_use]
    pub fn attach(self, name: &str, bytes: impl Into<Bytes>) -> Self {
        let reserved = RESERVED_MEMBERS.contains(&name).then_some("reply_reserved_member");
        Self { payload: self.payload.attach(name, bytes), fault: self.fault.or(reserved) }
    }

    /// The first argument of the answer as JSON, for tests of handlers; `null` when it has none.
    ///
    /// # Panics
    /// When it cannot be sent, because it has a member of a reserved name.
    #[must_use]
    #[track_caller]
    pub fn value(&self) -> serde_json::Value {
        assert!(
            self.fault.is_none(),
            "the reply has a member \"ok\" or \"error\", which are reserved: it is not sent"
        );
        let arguments = format!("[{}]", self.payload.arguments());
        let arguments: Vec<serde_json::Value> =
            serde_json::from_str(&arguments).unwrap_or_default();
        arguments.into_iter().next().unwrap_or_default()
    }

    pub(crate) fn payload(&self) -> &Payload {
        &self.payload
    }

    /// Why it must not be sent, in one word.
    pub(crate) fn fault(&self) -> Option<&'static str> {
        self.fault
    }
}

/// Whether an object has a reserved member. It is parsed only if such a name occurs at any depth.
fn has_reserved(json: &[u8]) -> bool {
    let occurs = |name: &str| {
        let quoted = format!("\"{name}\":");
        json.windows(quoted.len()).any(|part| part == quoted.as_bytes())
    };
    if !RESERVED_MEMBERS.iter().any(|name| occurs(name)) {
        return false;
    }
    let members = serde_json::from_slice::<HashMap<String, serde::de::IgnoredAny>>(json);
    members.is_ok_and(|members| RESERVED_MEMBERS.iter().any(|name| members.contains_key(*name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_fields_follow_ok() {
        #[derive(Serialize)]
        struct Sent {
            seq: u64,
        }
        let json = |reply: Reply| reply.payload().arguments().to_owned();
        assert_eq!(json(Reply::fields(&Sent { seq: 3 })), r#"{"ok":true,"seq":3}"#);
        assert_eq!(json(Reply::fields(&[1])), r#"{"ok":true}"#);
        assert_eq!(json(Reply::fields(&serde_json::json!({}))), json(Reply::ok()));
        let nested = serde_json::json!({"id": 1, "text": "\"ok\":", "inner": {"ok": 1}});
        assert_eq!(Reply::fields(&nested).fault(), None);
    }

    #[test]
    fn reply_with_a_reserved_member_is_at_fault_and_holds_nothing() {
        let reserved = [
            Reply::fields(&serde_json::json!({"ok": false})),
            Reply::fields(&serde_json::json!({"a": 1, "error": "x"})),
            Reply::ok().attach("ok", vec![1]),
        ];
        for reply in reserved {
            assert_eq!(reply.fault(), Some("reply_reserved_member"));
        }
        let reply = Reply::fields(&serde_json::json!({"ok": false}));
        assert_eq!(reply.payload().arguments(), r#"{"ok":true}"#);
    }
}
