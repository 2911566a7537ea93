//! Sessions of users: opened, refreshed, listed, ended.
//! Never: a password check of their own.

pub(crate) mod open; // a log-in becomes a session
pub(crate) mod refresh; // POST /auth/refresh
pub(crate) mod logout; // POST /auth/logout, /auth/logout-all
pub(crate) mod reauthenticate; // POST /auth/reauthenticate
pub(crate) mod list; // GET /auth/sessions, POST /auth/sessions/end
