//! Users, rooms, members and messages behind two traits; SQLite embedded.
//! Never: decisions, sockets.

mod store; // the traits: what is promised, in which order
mod store_account; // its part about people
mod rows; // what goes in and what comes out
mod rows_load; // what the directory is built from
mod rows_delete; // what is deleted
mod rows_account; // the same about people
mod change; // what the feed hears
mod seal; // how fields are sealed at rest
mod error; // a dependency's fault, never the peer's
mod health; // whether the store can write
mod reserve_file; // space that is given up when the disk is full
mod file_watch; // whether the database's files are where they belong
mod disk_watch; // the space on the disk, and how writes went
mod sqlite_inspect; // a database, before it is opened
mod sqlite; // the embedded store: opening it, and its two queues
mod sqlite_file; // the database's files: its lock, and who can read them
mod sqlite_people; // its part about people
mod sqlite_schema; // tables, migrations and settings of a connection
mod sqlite_task; // one change on its way through the writer
mod sqlite_gather; // the one thread that writes: its queue and its loop
mod sqlite_writer; // what it does with a batch: commit, feed, replies
mod sqlite_cache; // what the writer knows without asking: members and last places
mod sqlite_message; // the hot path: one message
mod sqlite_mids; // which message an idempotency key was used for
mod sqlite_resume; // a connection that came back
mod sqlite_room; // rooms and members, inside the writer
mod sqlite_relation; // who is asked into a room or kept out
mod sqlite_account; // people: made, found, listed
mod sqlite_change_user; // one user changes
mod sqlite_session; // sessions and their turns
mod sqlite_revocation; // revoked tokens and sessions
mod sqlite_factor; // second factors, invitations, withdrawals
mod sqlite_authority; // all that decides who may act
mod sqlite_operator_act; // what was done beside a server, until one records it
mod sqlite_beside; // the same tables beside a running server
mod sqlite_delete; // rooms and users deleted beside a running server
mod sqlite_seal; // sealed message texts
mod sqlite_reseal; // sealed again under a newer key
mod sqlite_chores; // what deleted rooms leave behind, removed in small steps
mod sqlite_reader; // the threads that read
mod sqlite_history; // a room's messages, page by page
mod sqlite_query; // what else they read: newest places, everything at the start
#[cfg(test)]
mod sqlite_fixture; // users, rooms and messages for the tests

pub use change::Change;
pub use error::StoreError;
pub use health::{Health, StoreStatus};
pub use rows::{
    Append, CreateRoom, CreateUser, InviteToRoom, Invited, Join, JoinRoom, KickFromRoom, Kicked,
    LeaveRoom, MessageRow, NewMessage, NewRoom, NewUser, Page, Resume, ResumeRooms, RoomRow, Still,
    UserRow, Visibility,
};
pub use rows_account::{
    AuthenticateSession, Authenticated, Authority, ChangeUser, CredentialsRow, FOR_EVER_UNIX_MS,
    Factors, NewInvitation, NewSession, NewTotp, OpenSession, OperatorAct, OperatorActKind,
    PersonRow, Revocation, RevocationKind, RotateSession, Rotated, SessionRow, ShownTurn,
    UserChange, UserChangeKind, WhichSessions,
};
pub use rows_delete::{
    DeleteRoom, DeleteUser, OwnedRooms, RoomDeletion, RoomSummary, UserDeletion,
};
pub use rows_load::{Loaded, LoadedRoom};
pub use seal::{FieldSeal, SealFault};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use sqlite_beside::SqliteBeside;
pub use sqlite_change_user::LoggedOut;
pub use sqlite_inspect::inspect;
pub use sqlite_reseal::Resealed;
pub use store::{CommitFeed, PAGE_MAX, RESUME_ROOMS_MAX, Store, StoreFuture};
pub use store_account::{AccountStore, PEOPLE_MAX, Recheck};
