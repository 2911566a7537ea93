//! Sessions and revocations: what their tests share.
//! Never: a server.

mod opening; // sessions that are opened, evicted and ended
mod rotation; // turns of a refresh token
mod reauthentication; // a fresh proof of the password
mod recheck; // changes of other programs
mod cleanup; // revocations, and the removal of ended rows

use portcullis_model::{Role, Roles, SessionId};
use portcullis_store::{
    AccessSnapshot, AccountStore, Change, ChangeStore, CreateUserOutcome, Factors, NewInvitation,
    NewSession, NewUser, OpenSessionOutcome, PresentedTurn, ReauthenticateOutcome,
    ReauthenticateRequest, RecheckOutcome, Revocation, RevocationKind, RotateOutcome,
    RotateRequest, SessionRow, SessionSelector, SqliteStore, Store, UserChange, UserChangeKind,
};

use crate::fixture::{FeedRecorder, StoreDirectory, local_user, new_session, session_id, user_id};

const GRACE: i64 = 10;
const IDLE: i64 = 100;
/// The end of every session that is opened at 0.
const ENDS: i64 = 250;
const DEVICE: [u8; 32] = [1; 32];

/// A session of a user who can have three.
fn session_of_three(name: &str, user: &str, at_unix_ms: i64) -> NewSession {
    NewSession { sessions_per_user_max: 3, ..new_session(name, user, at_unix_ms) }
}

async fn open(store: &SqliteStore, name: &str, user: &str, at_unix_ms: i64) {
    let answer = store.open_session(session_of_three(name, user, at_unix_ms)).await.unwrap();
    assert_eq!(answer, OpenSessionOutcome::Opened, "{name}");
}

fn turn(name: &str, turn: u64, at_unix_ms: i64) -> RotateRequest {
    RotateRequest {
        session: session_id(name),
        presented: PresentedTurn { number: turn, device_hash: DEVICE },
        at_unix_ms,
        grace_ms: GRACE,
        idle_ms: IDLE,
    }
}

/// A store with two users.
async fn open_with_rows(directory: &StoreDirectory) -> (SqliteStore, FeedRecorder) {
    let (store, feed) = directory.open();
    for name in ["Ann", "Bob"] {
        assert_eq!(store.create_user(local_user(name)).await.unwrap(), CreateUserOutcome::Created);
    }
    feed.take();
    (store, feed)
}

async fn open_session_names(store: &SqliteStore, user: &str, at_unix_ms: i64) -> Vec<String> {
    let rows = store.list_sessions(&user_id(user), at_unix_ms).await.unwrap();
    rows.iter().map(|row| row.id.to_string()).collect()
}

fn ended(name: &str, user: &str) -> Change {
    Change::SessionEnded { session: session_id(name), user: user_id(user) }
}

/// A proof of the password, with a turn of the same device.
fn proof(name: &str, turn: Option<u64>, at_unix_ms: i64) -> ReauthenticateRequest {
    ReauthenticateRequest {
        session: session_id(name),
        presented: turn.map(|number| PresentedTurn { number, device_hash: DEVICE }),
        at_unix_ms,
        checked_unix_ms: at_unix_ms,
        factors: Factors::PasswordAndCode,
        grace_ms: GRACE,
        idle_ms: IDLE,
    }
}

fn revocation(name: &str, kind: RevocationKind, until_unix_ms: i64) -> Revocation {
    let (issuer, user) = (String::from("us"), String::from("u_ann"));
    Revocation { issuer, user, kind, name: String::from(name), until_unix_ms }
}

/// The outcome of a recheck, and the changes that it reports.
async fn recheck(store: &SqliteStore, feed: &FeedRecorder) -> (RecheckOutcome, Vec<Change>) {
    feed.take();
    let found = store.recheck().await.unwrap();
    (found, feed.take())
}
