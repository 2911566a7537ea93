//! Types that every other crate shares: names, denials, records, limits, secrets, time.
//! Never: serde, async, I/O.

mod names; // ids, namespaces, roles
mod rejection; // rejected requests and their answers
mod record; // codes and severities of security records
mod limit; // every limit that the operator sets, by name
pub mod limits; // fixed limits
mod file_format; // versions of the files that the server keeps
mod block_scope; // which clients of a blocked network are rejected
mod visibility; // public and private rooms
mod revocation_kind; // a token or a session
mod secret; // values that cannot be printed
mod sentence; // errors as sentences
mod time; // clocks, deadlines and counts of durations

pub use block_scope::BlockScope;
pub use file_format::{FileFormat, FormatMatch, LaterFormat};
pub use limit::{Limit, LimitKey};
pub use names::{
    CUSTOM_ROLES_MAX, ConnectionId, IdError, MemberName, MessageId, Mid, Namespace,
    ROLE_NAME_MAX_BYTES, Reference, Role, RoleError, RoleTable, Roles, RoomId, SessionId, UserId,
};
pub use record::{Code, CodeClass, Severity};
pub use rejection::{
    APP_CODE_MAX_BYTES, APP_MESSAGE_MAX_CHARS, Answer, AppDenial, ClosedBy, Denial, Retry,
    ShedKind, TokenFault, Violation, WeakPassword, rule_text,
};
pub use revocation_kind::RevocationKind;
pub use secret::Secret;
pub use sentence::write_sentence;
pub use time::{
    Clock, Deadline, DeadlineFuture, Moment, Now, SystemClock, TimeCounts, TimeHistogram,
};
pub use visibility::Visibility;
