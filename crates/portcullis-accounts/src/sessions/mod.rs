//! Sessions of users: opened, refreshed, reauthenticated, listed, ended.
//! Never: a password check without the limits of `login`.

pub(crate) mod session_response; // the response that hands a token to the client
pub(crate) mod open; // a login opens a session
pub(crate) mod refresh; // POST /auth/refresh
pub(crate) mod reauthenticate; // POST /auth/reauthenticate
pub(crate) mod logout; // POST /auth/logout, /auth/logout-all
pub(crate) mod list; // GET /auth/sessions, POST /auth/sessions/end
