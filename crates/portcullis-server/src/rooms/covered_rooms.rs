//! The rooms that a handler may emit to: those its socket hears, and the one of its permit.
//! Never: a room that only the client's payload names.

use std::sync::Arc;

use parking_lot::Mutex;
use portcullis_model::{Denial, RoomId};

/// What one event's handler may emit to.
///
/// Memory: one list a socket, shared by its events; nothing of its own until the handler joins.
#[derive(Default)]
pub(crate) struct CoveredRooms {
    /// What the socket heard when the event came.
    heard: Option<Arc<Vec<RoomId>>>,
    /// The room that the event's rule has checked.
    permitted: Option<RoomId>,
    /// What the handler has joined since.
    joined: Mutex<Vec<RoomId>>,
}

impl Clone for CoveredRooms {
    fn clone(&self) -> Self {
        let joined = Mutex::new(self.joined.lock().clone());
        Self { heard: self.heard.clone(), permitted: self.permitted.clone(), joined }
    }
}

impl CoveredRooms {
    pub(crate) fn heard(heard: Option<Arc<Vec<RoomId>>>) -> Self {
        Self { heard, ..Self::default() }
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

    /// Whether all these rooms are covered.
    ///
    /// # Errors
    /// [`Denial::Forbidden`] with the reason `room_not_covered`.
    pub(crate) fn check(&self, rooms: &[RoomId]) -> Result<(), Denial> {
        let is_covered = |room: &RoomId| {
            self.permitted.as_ref() == Some(room)
                || self.heard.as_ref().is_some_and(|heard| heard.contains(room))
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
    fn rooms_heard_joined_or_permitted_are_covered_and_no_other() {
        let mut covered = CoveredRooms::heard(Some(Arc::new(vec![room("heard")])));
        covered.permit(Some(&room("permitted")));
        covered.join(&room("joined"));
        let check = |names: &[&str]| {
            let rooms: Vec<RoomId> = names.iter().map(|name| room(name)).collect();
            covered.clone().check(&rooms).is_ok()
        };
        assert!(check(&[]) && check(&["heard", "permitted", "joined"]));
        for names in [&["other"][..], &["heard", "other"], &["Heard"]] {
            assert!(!check(names), "{names:?}");
        }
        let refused = CoveredRooms::default().check(&[room("heard")]);
        assert_eq!(refused, Err(Denial::Forbidden("room_not_covered")));
    }
}
