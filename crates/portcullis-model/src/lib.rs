//! The nouns every other crate shares: ids, roles, denials, limits, secrets, time.
//! Never: serde, async, I/O.

mod id; // names of users, rooms, messages, connections
mod namespace; // the name of a Socket.IO namespace
mod role; // what a user may do at all
mod member_name; // the name of a member nobody declared
mod denial; // every way a peer can be refused
mod answer; // what a denial says and how much it matters
mod weak_password; // why a new password is rejected
mod denial_table; // the row of each denial
mod app_denial; // an application's own rejection
mod denial_cause; // what a client can change, where a row covers several causes
mod code; // the name of each security record
mod limit; // every limit the operator sets, by name
pub mod limits; // hard limits no configuration can lift
mod secret; // values that cannot be printed
mod clock; // what time it is, as a value handed down
mod visibility; // who may find a room
mod revocation_kind; // a token or a session
mod sentence; // errors as sentences
mod deadline; // when the request on this thread must be answered

pub use answer::{Answer, ClosedBy, Retry, Severity, Violation};
pub use app_denial::{APP_CODE_MAX_BYTES, APP_MESSAGE_MAX_CHARS, AppDenial};
pub use clock::{Clock, Moment, Now, SystemClock};
pub use code::{Code, CodeClass};
pub use deadline::{Deadline, Scoped};
pub use denial::{Denial, Shed, TokenFault};
pub use id::{ConnectionId, IdError, MessageId, Mid, Reference, RoomId, SessionId, UserId};
pub use limit::{Limit, LimitKey};
pub use member_name::MemberName;
pub use namespace::Namespace;
pub use revocation_kind::RevocationKind;
pub use role::{CUSTOM_ROLES_MAX, ROLE_NAME_MAX_BYTES, Role, RoleError, RoleTable, Roles};
pub use secret::Secret;
pub use sentence::write_sentence;
pub use visibility::Visibility;
pub use weak_password::WeakPassword;
