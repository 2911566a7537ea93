//! A connection on its shard: what events, CONNECT and the task use to answer a client.
//! Never: the input of the client, or the job that runs.

use std::num::NonZeroU16;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use portcullis_guard::Caller;
use portcullis_model::{ClosedBy, Denial, Now, RoomId, Violation};

use crate::connection::end::EndReason;
use crate::connection::socket::Socket;
use crate::connection::state::Connection;
use crate::delivery::hub::{Acknowledge, Delta, has_pending_batches};
use crate::events::context::Context;
use crate::rejection::{RejectedHead, Rejection, RejectionSource, VerifiedUser, reject};
use crate::rooms::covered_rooms::CoveredRooms;
use crate::shard::state::Shard;
use crate::websocket::control_rate::ControlRate;

/// A connection and its shard.
pub(crate) struct Link {
    pub(crate) shard: Rc<Shard>,
    pub(crate) connection: Rc<Connection>,
}

impl Link {
    /// Ends the connection with a denial.
    pub(crate) fn deny(&self, denial: Denial) {
        self.connection.end(EndReason::Denied(denial));
    }

    /// Queues a frame and has it written in this turn.
    pub(crate) fn send(&self, frame: Bytes) {
        self.shard.send(&self.connection, frame);
    }

    /// Sends frames after the events that handlers have emitted to this connection.
    pub(crate) fn send_in_order(&self, frames: Vec<Bytes>) {
        let connection = self.connection.id;
        if has_pending_batches() {
            let delta = Delta::Acknowledge(Acknowledge { connection, frames: frames.clone() });
            if self.shard.server.hub.try_deliver_to(connection.shard, delta).is_ok() {
                return;
            }
        }
        for frame in frames {
            self.send(frame);
        }
    }

    /// Records and counts a denial with the known facts of this connection.
    pub(crate) fn reject(&self, denial: &Denial, event: Option<&str>, now: Now) -> Rejection {
        let source = RejectionSource { event, ..RejectionSource::default() };
        self.reject_from(denial, source, now)
    }

    /// Rejects an event; `room` is that of a rejected text.
    pub(crate) fn reject_event(
        &self,
        denial: &Denial,
        event: &str,
        room: Option<&RoomId>,
        now: Now,
    ) -> Rejection {
        let source = RejectionSource { event: Some(event), room, ..RejectionSource::default() };
        self.reject_from(denial, source, now)
    }

    /// Rejects a CONNECT, whose credential may have been verified.
    pub(crate) fn reject_connect(
        &self,
        denial: &Denial,
        verified: Option<&VerifiedUser>,
        now: Now,
    ) -> Rejection {
        let source = RejectionSource { verified, ..RejectionSource::default() };
        self.reject_from(denial, source, now)
    }

    fn reject_from(&self, denial: &Denial, source: RejectionSource<'_>, now: Now) -> Rejection {
        let connection = &self.connection;
        let rejected = &connection.client.rejected;
        rejected.set(rejected.get().saturating_add(1));
        let caller = connection.caller();
        let origin = connection.client.origin.as_deref();
        let source = RejectionSource {
            client: Some(connection.client.address),
            port: connection.client.port.map(NonZeroU16::get),
            connection: Some(connection.id),
            user: caller.as_ref().map(|caller| &**caller.principal.user()),
            head: RejectedHead { origin, ..RejectedHead::default() },
            ..source
        };
        reject(&self.shard, denial, &source, now)
    }

    /// Records a denial without an answer, and counts it as a violation.
    pub(crate) fn reject_silently(&self, denial: &Denial, now: Now) {
        if let ClosedBy::Code(_) = denial.answer().closed_by {
            return self.deny(denial.clone());
        }
        let _recorded = self.reject(denial, None, now);
        self.count_violation(denial, now);
    }

    /// Counts a violation of the connection, which ends with the tenth one in a minute.
    pub(crate) fn count_violation(&self, denial: &Denial, now: Now) {
        let Some(caller) = self.connection.caller() else { return };
        let is_last = denial.answer().violation == Violation::Counts && caller.count_violation(now);
        // Replayed and forged messages are deliberate: the third one ends the connection.
        let is_replay = matches!(denial, Denial::Replay(_)) && caller.replayed();
        if is_last || is_replay {
            self.deny(Denial::Strikes);
        }
    }

    /// Counts a control frame or its like; above the rate, the connection ends.
    pub(crate) fn count_control_frame(&self, control: &mut ControlRate, now: Now) -> bool {
        control.take(now).map_err(|denial| self.deny(denial)).is_ok()
    }

    /// The context of a handler or hook of a socket.
    pub(crate) fn context(&self, socket: &Socket, caller: &Caller, now: Now) -> Context {
        Context {
            connection: self.connection.id,
            namespace: socket.namespace.clone(),
            socket: socket.id,
            client: self.connection.client.address,
            now,
            services: Arc::clone(&self.shard.services),
            user: caller.principal.user().clone(),
            rooms: socket.rooms.borrow().len(),
            covered: CoveredRooms::of_socket(socket.shared_rooms()),
        }
    }
}
