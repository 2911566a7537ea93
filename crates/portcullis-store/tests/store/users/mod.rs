//! Users: what their tests share.
//! Never: a server.

mod creation; // invitations, users of other issuers, look-ups
mod changes; // changes of a user, and the sessions that they end
mod factors; // TOTP codes and recovery codes

use std::sync::Arc;

use portcullis_model::{Role, Roles, Secret, SessionId};
use portcullis_store::{
    AccountStore, Change, ChangeStore, ChangeUserOutcome, CreateUserOutcome, Factors,
    NewInvitation, NewSession, NewTotp, NewUser, SqliteStore, Store, UserChange, UserChangeKind,
    UserRow,
};

use crate::fixture::{Heard, Place, id, own};

/// When everything about sessions happens here.
const NOW: i64 = 1_000;

/// A user another issuer vouches for.
fn foreign(name: &str) -> NewUser {
    NewUser {
        password_phc: None,
        issuer: Some(String::from("https://id.example")),
        subject: Some(String::from("7")),
        ..own(name)
    }
}

async fn create(store: &SqliteStore, user: NewUser) {
    assert_eq!(store.create_user(user).await.unwrap(), CreateUserOutcome::Created);
}

async fn change(store: &SqliteStore, name: &str, what: UserChangeKind) -> ChangeUserOutcome {
    store.change_user(UserChange { user: id(name), what, at_unix_ms: NOW }).await.unwrap()
}

fn session(name: &str) -> SessionId {
    SessionId::parse(name).unwrap()
}

async fn open_sessions(store: &SqliteStore, name: &str, sessions: &[&str]) {
    for text in sessions {
        let new = NewSession {
            id: session(text),
            user: id(name),
            at_unix_ms: NOW,
            idle_ends_unix_ms: NOW + 100,
            ends_unix_ms: NOW + 1_000,
            device: String::from("a browser"),
            address: String::from("192.0.2.1"),
            device_hash: [1; 32],
            key: None,
            factors: Factors::Password,
            sessions_per_user_max: 9,
        };
        store.open_session(new).await.unwrap();
    }
}

async fn sessions(store: &SqliteStore, name: &str) -> Vec<String> {
    let rows = store.list_sessions(&id(name), NOW).await.unwrap();
    let mut names: Vec<_> = rows.iter().map(|row| row.id.to_string()).collect();
    names.sort_unstable();
    names
}

async fn user_row(store: &SqliteStore, name: &str) -> UserRow {
    let users = store.authority().await.unwrap().users;
    users.into_iter().find(|row| row.id == id(name)).unwrap()
}

/// The sessions that ended and the user that changed, which the feed says last.
fn ended_then_user(heard: &Heard) -> (Vec<String>, UserRow) {
    let mut heard = heard.take();
    let Some(Change::User(row)) = heard.pop() else { panic!("the user comes last: {heard:?}") };
    let ended = heard.into_iter().map(|change| match change {
        Change::SessionEnded { session, user } if user == row.id => session.to_string(),
        other => panic!("{other:?}"),
    });
    let mut ended: Vec<_> = ended.collect();
    ended.sort_unstable();
    (ended, row)
}
