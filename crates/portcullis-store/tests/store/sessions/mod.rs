//! Sessions and revocations: what their tests share.
//! Never: a server.

mod opening; // sessions that are opened, evicted and ended
mod rotation; // turns of a refresh token
mod reauthentication; // a fresh proof of the password
mod recheck; // changes of other programs
mod cleanup; // revocations, and the removal of ended rows

use portcullis_model::{Role, Roles, SessionId};
use portcullis_store::{
    AccountStore, Authority, Change, ChangeStore, CreateUserOutcome, Factors, NewInvitation,
    NewSession, NewUser, OpenSessionOutcome, PresentedTurn, ReauthenticateOutcome,
    ReauthenticateRequest, RecheckOutcome, Revocation, RevocationKind, RotateOutcome,
    RotateRequest, SessionRow, SessionSelector, SqliteStore, Store, UserChange, UserChangeKind,
};

use crate::fixture::{Heard, Place, id, own};

const GRACE: i64 = 10;
const IDLE: i64 = 100;
/// When every session ends that was opened at 0.
const ENDS: i64 = 250;
const DEVICE: [u8; 32] = [1; 32];

fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

fn new_session(name: &str, user: &str, at_unix_ms: i64) -> NewSession {
    NewSession {
        id: session(name),
        user: id(user),
        at_unix_ms,
        idle_ends_unix_ms: at_unix_ms + IDLE,
        ends_unix_ms: at_unix_ms + ENDS,
        device: String::from("a browser"),
        address: String::from("192.0.2.1"),
        device_hash: DEVICE,
        key: None,
        factors: Factors::Password,
        sessions_per_user_max: 3,
    }
}

async fn open(store: &SqliteStore, name: &str, user: &str, at_unix_ms: i64) {
    let answer = store.open_session(new_session(name, user, at_unix_ms)).await.unwrap();
    assert_eq!(answer, OpenSessionOutcome::Opened, "{name}");
}

fn turn(name: &str, turn: u64, at_unix_ms: i64) -> RotateRequest {
    RotateRequest {
        session: session(name),
        presented: PresentedTurn { number: turn, device_hash: DEVICE },
        at_unix_ms,
        grace_ms: GRACE,
        idle_ms: IDLE,
    }
}

/// A store with some users.
async fn furnished(place: &Place) -> (SqliteStore, Heard) {
    let (store, heard) = place.open();
    for name in ["Ann", "Bob"] {
        assert_eq!(store.create_user(own(name)).await.unwrap(), CreateUserOutcome::Created);
    }
    heard.take();
    (store, heard)
}

async fn standing(store: &SqliteStore, user: &str, at_unix_ms: i64) -> Vec<String> {
    let rows = store.list_sessions(&id(user), at_unix_ms).await.unwrap();
    rows.iter().map(|row| row.id.to_string()).collect()
}

fn ended(name: &str, user: &str) -> Change {
    Change::SessionEnded { session: session(name), user: id(user) }
}

/// A proof of the password, beside a turn of the same device.
fn proof(name: &str, turn: Option<u64>, at_unix_ms: i64) -> ReauthenticateRequest {
    ReauthenticateRequest {
        session: session(name),
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

/// What a recheck found, and what the feed heard of it.
async fn recheck(store: &SqliteStore, heard: &Heard) -> (RecheckOutcome, Vec<Change>) {
    heard.take();
    let found = store.recheck().await.unwrap();
    (found, heard.take())
}
