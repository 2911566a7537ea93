//! Live users, sessions, rooms and memberships.
//! Never: storage, queries.

pub(crate) mod tables; // users, rooms and memberships
pub(crate) mod user_facts; // the stored facts of a user
pub(crate) mod user; // one user
pub(crate) mod room; // one room
pub(crate) mod list; // the list of rooms, page by page
pub(crate) mod names; // names that look alike
pub(crate) mod space; // the share of each party in the tables
pub(crate) mod sessions; // sessions and revocations
pub(crate) mod blocks; // blocked networks
pub(crate) mod block_rules; // which networks can be blocked
pub(crate) mod rank; // which users can act on which
pub(crate) mod display_name; // names of users of other issuers
pub(crate) mod look_alike; // names that look alike to a reader
pub(crate) mod queries; // names that look alike, and space in tables
pub(crate) mod list_query; // the list of rooms, page by page
