//! Live users, sessions, rooms and memberships.
//! Never: storage, queries.

pub(crate) mod tables; // live users, rooms, memberships
pub(crate) mod user; // one user
pub(crate) mod room; // one room
pub(crate) mod list; // the list of rooms, page by page
pub(crate) mod names; // whose names look alike
pub(crate) mod space; // how full its tables are, and of whom
pub(crate) mod session; // one session
pub(crate) mod sessions; // the sessions there are
pub(crate) mod rank; // who can act on whom
pub(crate) mod display_name; // names of users of other issuers
pub(crate) mod look_alike; // which names look alike
pub(crate) mod authority; // what is revoked, and how fresh that knowledge is
pub(crate) mod revocations; // the revoked tokens and sessions
pub(crate) mod queries; // names that look alike, and space in tables
pub(crate) mod list_query; // the list of rooms, page by page
