//! The values that go into the store and come out of it.
//! Never: SQL, or a type of one backend.

pub(crate) mod rooms; // rooms, members, invitations
pub(crate) mod messages; // messages and parts of a history
pub(crate) mod write_fence; // the check at commit that a request is still allowed
pub(crate) mod users; // users and their credentials
pub(crate) mod sessions; // sessions and their turns
pub(crate) mod factors; // second factors and invitations to register
pub(crate) mod access_snapshot; // everything that decides about access; revocations
pub(crate) mod blocks; // blocked networks
pub(crate) mod operator; // actions of operators, deletions, listings
pub(crate) mod snapshot; // everything that the start reads
