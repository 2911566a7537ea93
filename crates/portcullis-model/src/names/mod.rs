//! Names: ids, namespaces, roles, and members of payloads.
//! Never: a value that has not passed its grammar.

mod id; // ids of users, rooms, messages and connections
mod namespace; // the name of a Socket.IO namespace
mod role; // the permissions of a user outside of rooms
mod member_name; // the name of an undeclared member of a payload

pub use id::{ConnectionId, IdError, MessageId, Mid, Reference, RoomId, SessionId, UserId};
pub use member_name::MemberName;
pub use namespace::Namespace;
pub use role::{CUSTOM_ROLES_MAX, ROLE_NAME_MAX_BYTES, Role, RoleError, RoleTable, Roles};
