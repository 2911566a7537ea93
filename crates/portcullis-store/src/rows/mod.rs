//! The values that go into the store and come out of it.
//! Never: SQL, or a type of one backend.

pub(crate) mod rooms; // rooms, members, messages
pub(crate) mod accounts; // users, sessions, factors, revocations
pub(crate) mod deletions; // deleted rooms and users
pub(crate) mod snapshot; // everything at the start
