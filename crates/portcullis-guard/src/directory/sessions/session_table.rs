//! The sessions of own users.
//! Never: a session that the feed has not reported; an unknown one has ended.

use std::collections::HashSet;
use std::sync::Arc;

use portcullis_model::SessionId;

use crate::directory::sessions::session::{Session, SessionFacts};
use crate::directory::tables::Directory;

impl Directory {
    /// The session with this id, unless it has ended.
    #[must_use]
    pub fn session(&self, id: &SessionId) -> Option<Arc<Session>> {
        self.sessions.read(id, |session| session.cloned())
    }

    /// Inserts a session, or changes the one that connections hold already.
    ///
    /// A committed session is in force also beyond the limit; see [`Directory::has_session_space`].
    pub fn put_session(&self, facts: SessionFacts) {
        let mut sizes = self.sizes.lock();
        if let Some(session) = self.session(&facts.id) {
            session.change(facts);
            return;
        }
        sizes.sessions += 1;
        let session = Arc::new(Session::new(facts));
        self.sessions.write(&session.id, |all| {
            all.insert(session.id.clone(), Arc::clone(&session));
        });
    }

    /// Whether the table of sessions has space for users to have several each.
    ///
    /// A full table rejects no login: a new session replaces the user's older ones. So the table
    /// never holds more than the limit and one for each user.
    #[must_use]
    pub fn has_session_space(&self) -> bool {
        self.sizes.lock().sessions < self.limits.sessions_max
    }

    /// Ends a session, also through every `Arc` held elsewhere; returns the one that ended.
    pub fn end_session(&self, id: &SessionId) -> Option<Arc<Session>> {
        let mut sizes = self.sizes.lock();
        let session = self.sessions.write(id, |all| all.remove(id))?;
        sizes.sessions -= 1;
        session.end();
        Some(session)
    }

    /// Ends every session that is not among these; returns those that ended.
    pub fn end_sessions_beside(&self, kept: &HashSet<SessionId>) -> Vec<Arc<Session>> {
        let known = self.sessions.keys();
        let gone = known.into_iter().filter(|id| !kept.contains(id));
        gone.filter_map(|id| self.end_session(&id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Now, UserId};

    use super::*;
    use crate::directory::space::DirectoryLimits;
    use crate::directory::user::UserFacts;

    fn facts(id: &str, ends_unix_ms: i64) -> SessionFacts {
        SessionFacts {
            id: SessionId::parse(id).unwrap(),
            user: UserId::parse("ann").unwrap(),
            authenticated_unix_ms: 5,
            ends_unix_ms,
            generation: 0,
            key: None,
        }
    }

    #[test]
    fn t_055_removed_user_is_barred_on_every_connection() {
        let directory =
            Directory::new(DirectoryLimits { users_max: 2, ..DirectoryLimits::default() });
        let id = |name: &str| UserId::parse(name).unwrap();
        let put = |name: &str| directory.put_user(UserFacts::new(id(name), String::from(name)));
        assert!(put("ann") && put("bob") && !put("eve"), "full");
        let held = directory.user(&id("ann")).unwrap();
        let epochs = (held.epoch(), held.sessions_epoch());
        directory.end_users_beside(&HashSet::from([id("bob"), id("carl")]));
        assert!(directory.user(&id("ann")).is_none() && directory.user(&id("bob")).is_some());
        assert!(held.is_barred(Now { monotonic_ms: 0, unix_ms: i64::MAX }));
        assert!(held.epoch() > epochs.0 && held.sessions_epoch() > epochs.1);
        assert!(put("eve"), "there is space again");
    }

    #[test]
    fn t_059_connection_sees_its_session_change_and_end() {
        let limits = DirectoryLimits { sessions_max: 2, ..DirectoryLimits::default() };
        let directory = Directory::new(limits);
        let at = |unix_ms| Now { monotonic_ms: 0, unix_ms };
        directory.put_session(facts("a", 10));
        assert!(directory.has_session_space());
        directory.put_session(facts("b", 10));
        assert!(!directory.has_session_space());
        let held = directory.session(&SessionId::parse("a").unwrap()).unwrap();
        assert!(held.is_live(at(9)) && !held.is_live(at(10)));
        let key = Some(vec![4; 65]);
        directory.put_session(SessionFacts { authenticated_unix_ms: 7, key, ..facts("a", 20) });
        assert!(held.is_live(at(10)) && held.authenticated_unix_ms() == 7);
        assert_eq!(held.key().map(|key| key.len()), Some(65));

        let kept = HashSet::from([SessionId::parse("b").unwrap()]);
        let ended = directory.end_sessions_beside(&kept);
        assert_eq!(ended.len(), 1);
        assert!(held.is_ended() && !held.is_live(at(1)));
        assert!(directory.session(&held.id).is_none());
        assert!(directory.end_session(&held.id).is_none());
        assert!(directory.has_session_space(), "there is space again");
        directory.put_session(facts("c", 10));
        directory.put_session(facts("d", 10));
        assert!(directory.session(&SessionId::parse("d").unwrap()).is_some(), "committed");
    }
}
