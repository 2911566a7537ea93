//! Sessions are refreshed and end.
//! Never: two successors of one refresh token.

use portcullis_guard::Credential;
use portcullis_model::{Denial, TokenFault};
use portcullis_store::{AccountStore, UserChange, UserChangeKind};
use serde_json::json;

use crate::Registration;

use crate::login::password_login;
use crate::sessions::{list, logout, refresh};

use super::world::*;

#[tokio::test]
async fn t_146_used_refresh_token_works_in_the_grace_time_on_its_device_only() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let first = client.by_cookie();
    let next = Client::of(&world.refresh(&first, after(60)).await.unwrap());
    assert_ne!(next.refresh, client.refresh);
    assert!(world.is_valid_at(&next.token, after(60)));

    // A lost response, or a second tab: the same successor.
    let again = Client::of(&world.refresh(&first, after(70)).await.unwrap());
    assert_eq!(again.refresh, next.refresh);

    // The same token from another device is a copy, also in the grace time.
    let thief =
        Credentials { cookies: Some(format!("__Host-rt={}", client.refresh)), ..first.clone() };
    let denied = world.refresh(&thief, after(70)).await.err();
    assert_eq!(denied, Some(Denial::Token(TokenFault::Used)));
    assert_eq!(world.recorded("authn_token_revoked"), 1);
    assert!(!world.is_valid_at(&next.token, after(70)), "the session is over for both");
    let successor = Credentials { cookies: Some(format!("__Host-rt={}", next.refresh)), ..first };
    let denied = world.refresh(&successor, after(71)).await.err();
    assert_eq!(denied, Some(Denial::Token(TokenFault::Session)));
}

#[tokio::test]
async fn refresh_of_an_unknown_session_is_rejected_and_rotates_nothing() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let person = world.store.find_account("ann").await.unwrap().unwrap();
    let stored = world.store.list_sessions(&person.id, 0).await.unwrap();
    // The directory does not know the session, so a bound key would be unknown.
    world.gate.directory().end_session(&stored[0].id);
    let denied = world.refresh(&client.by_cookie(), after(60)).await.err();
    assert_eq!(denied, Some(Denial::Token(TokenFault::Session)));
    let left = world.store.list_sessions(&person.id, 0).await.unwrap();
    assert_eq!(left[0].turn, stored[0].turn);
}

#[tokio::test]
async fn t_146_used_refresh_token_after_the_grace_time_ends_the_session() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    world.refresh(&client.by_cookie(), after(60)).await.unwrap();
    let denied = world.refresh(&client.by_cookie(), after(71)).await.err();
    assert_eq!(denied, Some(Denial::Token(TokenFault::Used)));
    assert!(!world.is_valid(&client.token));
    for cookies in [None, Some("__Host-rt=rt_AAAA"), Some("__Host-rt=")] {
        let credentials = Credentials { bearer: None, cookies: cookies.map(String::from) };
        assert!(world.refresh(&credentials, NOW).await.is_err(), "{cookies:?}");
    }
}

#[tokio::test]
async fn t_146_fifty_simultaneous_refreshes_get_one_successor() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let credentials = client.by_cookie();
    let mut answers = Vec::new();
    for _ in 0..50 {
        let (accounts, request) = world.request_of(&credentials, &json!({}), after(60));
        answers.push(tokio::spawn(refresh::refresh(accounts, request)));
    }
    let mut successors = std::collections::BTreeSet::new();
    for answer in answers {
        successors.insert(Client::of(&answer.await.unwrap().unwrap()).refresh);
    }
    assert_eq!(successors.len(), 1);
    assert_eq!(world.recorded("authn_token_revoked"), 0);
}

#[tokio::test]
async fn t_057_session_ends_when_idle_and_at_its_absolute_end() {
    let world = world(Registration::Open).await;
    let (day, client) = (24 * 3600, world.client("ann").await);
    let ended = world.refresh(&client.by_cookie(), after(7 * day)).await.err();
    assert_eq!(ended, Some(Denial::Token(TokenFault::Session)), "idle for 7 days");
    let mut client = world.log_in("ann").await;
    for days in [6, 12, 18, 24, 29] {
        client.refresh =
            Client::of(&world.refresh(&client.by_cookie(), after(days * day)).await.unwrap())
                .refresh;
    }
    let ended = world.refresh(&client.by_cookie(), after(30 * day)).await.err();
    assert_eq!(ended, Some(Denial::Token(TokenFault::Session)), "30 days in all");
}

#[tokio::test]
async fn t_059_logout_ends_this_session_or_all_sessions() {
    let world = world(Registration::Open).await;
    let first = world.client("ann").await;
    let (second, third) = (world.log_in("ann").await, world.log_in("ann").await);
    let bob = world.client("bob").await;
    let answer = call!(world, logout::logout, first.by_token(), json!({})).unwrap();
    assert!(answer.headers.iter().any(|(_, value)| value.starts_with("__Host-rt=; Max-Age=0")));
    let cleared: Vec<_> =
        answer.headers.iter().filter(|(name, _)| *name == "Clear-Site-Data").collect();
    assert_eq!(cleared, [&("Clear-Site-Data", String::from(r#""cache", "storage""#))]);
    assert!(!answer.headers.iter().any(|(_, value)| value.starts_with("__Host-device=")));
    assert!(!world.is_valid(&first.token) && world.is_valid(&second.token));
    assert!(world.refresh(&first.by_cookie(), NOW).await.is_err());
    call!(world, logout::logout, second.by_cookie(), json!({})).unwrap();
    assert!(!world.is_valid(&second.token) && world.is_valid(&third.token));
    let fourth = world.log_in("ann").await;
    call!(world, logout::logout_all, third.by_token(), json!({})).unwrap();
    assert!(!world.is_valid(&third.token) && !world.is_valid(&fourth.token));
    assert!(world.is_valid(&bob.token));
    assert_eq!(world.recorded("session_logout"), 3);
}

#[tokio::test]
async fn t_062_new_login_of_a_browser_ends_its_earlier_session() {
    let world = world(Registration::Open).await;
    let former = world.client("ann").await;
    world.register(ann("eve", PASSWORD)).await.unwrap();
    let body = ann("eve", PASSWORD);
    let later = Client::of(&call!(world, password_login::login, former.by_cookie(), body).unwrap());
    assert!(!world.is_valid(&former.token) && world.is_valid(&later.token));
    assert_ne!(later.refresh, former.refresh);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_user_only() {
    let world = world(Registration::Open).await;
    let (first, second) = (world.client("ann").await, world.log_in("ann").await);
    let bob = world.client("bob").await;
    let list = read(&call!(world, list::list, first.by_token(), json!({})).unwrap());
    let listed = list["sessions"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    let other = listed.iter().find(|session| session["current"] == json!(false)).unwrap();
    let body = json!({"id": other["id"]});
    let denied = call!(world, list::end, bob.by_token(), body.clone()).err().unwrap();
    assert_eq!(denied.answer().code, "forbidden");
    assert!(world.is_valid(&second.token));
    call!(world, list::end, first.by_token(), body).unwrap();
    assert!(!world.is_valid(&second.token) && world.is_valid(&first.token));
    let denied = call!(world, list::list, Credentials::default(), json!({})).err();
    assert_eq!(denied, Some(Denial::Token(TokenFault::Missing)));
}

#[tokio::test]
async fn t_055_banned_or_disabled_user_is_signed_out_and_cannot_log_in() {
    for what in [
        UserChangeKind::Disabled(true),
        UserChangeKind::Banned { until_unix_ms: NOW.unix_ms + 1_000 },
    ] {
        let world = world(Registration::Open).await;
        let client = world.client("ann").await;
        let user = world.gate.verify(Credential::Bearer(&client.token), None, NOW).unwrap().user;
        let change = UserChange { user, what, at_unix_ms: NOW.unix_ms };
        world.store.change_user(change).await.unwrap();
        assert!(!world.is_valid(&client.token));
        assert!(world.refresh(&client.by_cookie(), NOW).await.is_err());
        let denied = world.login(ann("ann", PASSWORD)).await.err().unwrap();
        assert_eq!(denied.answer().code, "unauthorized");
    }
}
