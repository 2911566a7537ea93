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

pub use accounts::{AccountStore, LIST_MAX, RecheckOutcome};
pub use changes::Change;
pub use error::StoreError;
pub use field_seal::{FieldSeal, SealFault};
pub use health::monitor::{Health, StoreStatus};
pub use portcullis_model::{RevocationKind, Visibility};
pub use rows::accounts::{
    AccountRow, Authority, ChangeUserOutcome, CredentialsRow, FOR_EVER_UNIX_MS, Factors,
    NewInvitation, NewSession, NewTotp, OpenSessionOutcome, OperatorAction, OperatorActionKind,
    PresentedTurn, ReauthenticateOutcome, ReauthenticateRequest, Revocation, RotateOutcome,
    RotateRequest, SessionRow, SessionSelector, UserChange, UserChangeKind,
};
pub use rows::deletions::{
    DeleteRoomOutcome, DeleteRoomRequest, DeleteUserOutcome, DeleteUserRequest, OwnedRooms,
    RoomSummary,
};
pub use rows::rooms::{
    AppendOutcome, CreateRoomOutcome, CreateUserOutcome, HistoryRequest, InviteOutcome,
    InviteRequest, JoinOutcome, JoinRequest, KickOutcome, KickRequest, LeaveOutcome, MessageRow,
    NewMessage, NewRoom, NewUser, ResumeOutcome, ResumeRequest, RoomRow, UserRow, WriteFence,
};
pub use rows::snapshot::{RoomSnapshot, StoreSnapshot};
pub use sqlite::account_tables::user_change::LogOutSummary;
pub use sqlite::database::inspect::inspect;
pub use sqlite::operator::reseal::ResealProgress;
pub use sqlite::operator::store::SqliteOperatorStore;
pub use sqlite::store::{SqliteOptions, SqliteStore};
pub use store::{CommitFeed, PAGE_MAX, RESUME_ROOMS_MAX, Store, StoreFuture};
