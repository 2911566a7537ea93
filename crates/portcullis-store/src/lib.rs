//! Users, rooms, members and messages behind traits; SQLite embedded.
//! Never: decisions, sockets.

mod store; // the trait of a complete backend, and its guarantees
mod rooms; // the trait of rooms and members
mod messages; // the trait of messages
mod accounts; // the trait of accounts: users, sessions, factors
mod blocks; // the trait of blocked networks
mod changes; // the trait of changes, and the feed that receives them
mod rows; // the values that go in and come out
mod future; // the future that all methods return
mod error; // faults of the disk, the database, or the configuration
mod field_seal; // how fields are sealed at rest
mod health; // whether the store can write
mod sqlite; // the embedded backend

pub use accounts::{AccountStore, LIST_MAX};
pub use blocks::BlockStore;
pub use changes::{Change, ChangeStore, CommitFeed, RecheckOutcome};
pub use error::StoreError;
pub use field_seal::{FieldSeal, SealFault, SealingKey};
pub use future::StoreFuture;
pub use health::monitor::Health;
pub use health::status::StoreStatus;
pub use messages::{MessageStore, PAGE_MAX, RESUME_ROOMS_MAX};
pub use portcullis_model::{RevocationKind, Visibility};
pub use rooms::RoomStore;
pub use rows::access_snapshot::{AccessSnapshot, Revocation};
pub use rows::blocks::{BlockRow, PutBlockOutcome};
pub use rows::factors::{InvitationId, InvitationRow, NewInvitation, NewTotp};
pub use rows::messages::{
    AppendOutcome, HistoryRequest, MessageRow, NewMessage, ResumeOutcome, ResumeRequest,
};
pub use rows::operator::{
    DeleteUserOutcome, DeleteUserRequest, OperatorAction, OperatorActionKind, OwnedRooms,
    RoomSummary,
};
pub use rows::rooms::{
    CreateRoomOutcome, DeleteRoomOutcome, DeleteRoomRequest, InviteOutcome, InviteRequest,
    JoinOutcome, JoinRequest, KickOutcome, KickRequest, LeaveOutcome, NewRoom, RoomRow,
};
pub use rows::sessions::{
    Factors, NewSession, OpenSessionOutcome, PresentedTurn, ReauthenticateOutcome,
    ReauthenticateRequest, RotateOutcome, RotateRequest, SessionRow, SessionSelector,
};
pub use rows::snapshot::{RoomSnapshot, StoreSnapshot};
pub use rows::users::{
    AccountRow, ChangeUserOutcome, CreateUserOutcome, CredentialsRow, FOR_EVER_UNIX_MS, NewUser,
    UserChange, UserChangeKind, UserRow,
};
pub use rows::write_fence::WriteFence;
pub use sqlite::account_tables::user_change::LogOutSummary;
pub use sqlite::copy::check::{
    check_copy, check_schema, deleted_users, migrate_copy, newest_schema,
};
pub use sqlite::copy::progress::{CopyProgress, CopyState};
pub use sqlite::copy::stopped::StoppedDatabase;
pub use sqlite::copy::write_out::write_out;
pub use sqlite::database::inspect::inspect;
pub use sqlite::operator::reseal::ResealProgress;
pub use sqlite::operator::store::SqliteOperatorStore;
pub use sqlite::options::SqliteOptions;
pub use sqlite::sealing_keys::{missing_keys, missing_keys_of_copy, missing_keys_unchanged};
pub use sqlite::store::SqliteStore;
pub use store::Store;
