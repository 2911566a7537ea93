//! The rooms that a handler may emit to: those of its socket, and the one of its permit.
//! Never: a room that only the client's payload names.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_model::{Denial, RoomId};

/// The rooms that the handler of one event may emit to.
///
/// Memory: one list for each socket, shared by its events, and the rooms that the handler joins.
#[derive(Default)]
pub(crate) struct CoveredRooms {
    /// The rooms that the socket was in when the event arrived.
    of_socket: Option<Arc<Vec<RoomId>>>,
    /// The room that the event's rule has checked.
    permitted: Option<RoomId>,
    /// The rooms that the handler has joined since.
    joined: Mutex<Vec<RoomId>>,
}

impl Clone for CoveredRooms {
    fn clone(&self) -> Self {
        let joined = Mutex::new(self.joined.lock().clone());
        Self { of_socket: self.of_socket.clone(), permitted: self.permitted.clone(), joined }
    }
}

impl CoveredRooms {
    pub(crate) fn of_socket(of_socket: Option<Arc<Vec<RoomId>>>) -> Self {
        Self { of_socket, ..Self::default() }
    }

    /// Adds the room of the permit.
    pub(crate) fn permit(&mut self, room: Option<&RoomId>) {
        self.permitted = room.cloned();
    }

    /// Adds a room that the handler joins.
    pub(crate) fn join(&self, room: &RoomId) {
        let mut joined = self.joined.lock();
        if !joined.contains(room) {
            joined.push(room.clone());
        }
    }

    /// Checks that all these rooms are covered.
    ///
    /// # Errors
    /// [`Denial::Forbidden`] with the reason `room_not_covered`.
    pub(crate) fn check(&self, rooms: &[RoomId]) -> Result<(), Denial> {
        let is_covered = |room: &RoomId| {
            self.permitted.as_ref() == Some(room)
                || self.of_socket.as_ref().is_some_and(|rooms| rooms.contains(room))
                || self.joined.lock().contains(room)
        };
        let all = rooms.iter().all(is_covered);
        if all { Ok(()) } else { Err(Denial::Forbidden("room_not_covered")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomId {
        RoomId::parse(name).unwrap()
    }

    #[test]
    fn rooms_of_socket_permit_and_handler_are_covered() {
        let mut covered = CoveredRooms::of_socket(Some(Arc::new(vec![room("socket")])));
        covered.permit(Some(&room("permitted")));
        covered.join(&room("joined"));
        let check = |names: &[&str]| {
            let rooms: Vec<RoomId> = names.iter().map(|name| room(name)).collect();
            covered.clone().check(&rooms).is_ok()
        };
        assert!(check(&[]) && check(&["socket", "permitted", "joined"]));
        for names in [&["other"][..], &["socket", "other"], &["Socket"]] {
            assert!(!check(names), "{names:?}");
        }
        let rejected = CoveredRooms::default().check(&[room("socket")]);
        assert_eq!(rejected, Err(Denial::Forbidden("room_not_covered")));
    }
}
