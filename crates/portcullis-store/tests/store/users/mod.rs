//! Users: what their tests share.
//! Never: a server.

mod creation; // invitations, users of other issuers, look-ups
mod changes; // changes of a user, and the sessions that they end
mod factors; // TOTP codes and recovery codes

use std::sync::Arc;

use portcullis_model::{Role, Roles, Secret, UserId};
use portcullis_store::{
    AccountStore, Change, ChangeStore, ChangeUserOutcome, CreateUserOutcome, InvitationId,
    NewInvitation, NewTotp, NewUser, SqliteOperatorStore, SqliteStore, Store, UserChange,
    UserChangeKind, UserRow,
};

use crate::fixture::{
    FeedRecorder, StoreDirectory, foreign_user, local_user, new_session, session_id, user_id,
};

/// The time of all changes of users and sessions in these tests.
const NOW: i64 = 1_000;

/// A new store with these users, in a directory that lives as long as the first value.
async fn open_with<const N: usize>(
    users: [NewUser; N],
) -> (StoreDirectory, SqliteStore, FeedRecorder) {
    let directory = StoreDirectory::new();
    let (store, feed) = directory.open();
    for user in users {
        create(&store, user).await;
    }
    (directory, store, feed)
}

async fn create(store: &SqliteStore, user: NewUser) {
    assert_eq!(store.create_user(user).await.unwrap(), CreateUserOutcome::Created);
}

async fn change(store: &SqliteStore, name: &str, what: UserChangeKind) -> ChangeUserOutcome {
    store.change_user(UserChange { user: user_id(name), what, at_unix_ms: NOW }).await.unwrap()
}

async fn open_sessions(store: &SqliteStore, name: &str, sessions: &[&str]) {
    for text in sessions {
        let new = new_session(text, name, NOW);
        store.open_session(new).await.unwrap();
    }
}

async fn session_names(store: &SqliteStore, name: &str) -> Vec<String> {
    let rows = store.list_sessions(&user_id(name), NOW).await.unwrap();
    let mut names: Vec<_> = rows.iter().map(|row| row.id.to_string()).collect();
    names.sort_unstable();
    names
}

async fn user_row(store: &SqliteStore, name: &str) -> UserRow {
    let users = store.access_snapshot().await.unwrap().users;
    users.into_iter().find(|row| row.id == user_id(name)).unwrap()
}

/// The ended sessions, and the changed user that the feed reports last.
fn ended_then_user(feed: &FeedRecorder) -> (Vec<String>, UserRow) {
    let mut changes = feed.take();
    let Some(Change::User(row)) = changes.pop() else {
        panic!("the user is not the last change: {changes:?}")
    };
    let ended = changes.into_iter().map(|change| match change {
        Change::SessionEnded { session, user } if user == row.id => session.to_string(),
        other => panic!("{other:?}"),
    });
    let mut ended: Vec<_> = ended.collect();
    ended.sort_unstable();
    (ended, row)
}
