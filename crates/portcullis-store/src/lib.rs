//! Users, rooms, members and messages behind traits; SQLite embedded.
//! Never: decisions, sockets.

mod store; // the traits: what is promised, in which order
mod accounts; // the trait of accounts: users, sessions, factors
mod changes; // a committed change, and the feed that receives it
mod rows; // what goes in and what comes out
mod field_seal; // how fields are sealed at rest
mod error; // a dependency's fault, never the peer's
mod health; // whether the store can write
mod sqlite; // the embedded backend

pub use accounts::{AccountStore, PEOPLE_MAX, Recheck};
pub use changes::Change;
pub use error::StoreError;
pub use field_seal::{FieldSeal, SealFault};
pub use health::monitor::{Health, StoreStatus};
pub use rows::accounts::{
    AuthenticateSession, Authenticated, Authority, ChangeUser, CredentialsRow, FOR_EVER_UNIX_MS,
    Factors, NewInvitation, NewSession, NewTotp, OpenSession, OperatorAct, OperatorActKind,
    PersonRow, Revocation, RevocationKind, RotateSession, Rotated, SessionRow, ShownTurn,
    UserChange, UserChangeKind, WhichSessions,
};
pub use rows::deletions::{
    DeleteRoom, DeleteUser, OwnedRooms, RoomDeletion, RoomSummary, UserDeletion,
};
pub use rows::rooms::{
    Append, CreateRoom, CreateUser, InviteToRoom, Invited, Join, JoinRoom, KickFromRoom, Kicked,
    LeaveRoom, MessageRow, NewMessage, NewRoom, NewUser, Page, Resume, ResumeRooms, RoomRow, Still,
    UserRow, Visibility,
};
pub use rows::snapshot::{Loaded, LoadedRoom};
pub use sqlite::account_tables::user_change::LoggedOut;
pub use sqlite::database::inspect::inspect;
pub use sqlite::operator::reseal::Resealed;
pub use sqlite::operator::store::SqliteBeside;
pub use sqlite::store::{SqliteOptions, SqliteStore};
pub use store::{CommitFeed, PAGE_MAX, RESUME_ROOMS_MAX, Store, StoreFuture};
