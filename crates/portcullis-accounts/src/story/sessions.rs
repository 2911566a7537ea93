//! A log-in lives on, is renewed, and ends.
//! Never: two successors of one turn.

use portcullis_guard::Credential;
use portcullis_model::{Denial, TokenFault};
use portcullis_store::{AccountStore, UserChange, UserChangeKind};
use serde_json::json;

use crate::Registration;
use crate::login::password_login;
use crate::sessions::list;
use crate::sessions::logout;
use crate::sessions::refresh;

use super::world::*;

#[tokio::test]
async fn t_146_a_turn_is_good_once_and_within_the_grace_for_the_same_device() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let first = client.by_cookie();
    let next = Client::of(&world.refresh(&first, after(60)).await.unwrap());
    assert_ne!(next.refresh, client.refresh);
    assert!(world.stands_at(&next.token, after(60)));

    // A lost answer, or a second tab: the same successor, and nothing new.
    let again = Client::of(&world.refresh(&first, after(70)).await.unwrap());
    assert_eq!(again.refresh, next.refresh);

    // The same token from another device is a copy, grace or not.
    let thief = Asker { cookies: Some(format!("__Host-rt={}", client.refresh)), ..first.clone() };
    let refused = world.refresh(&thief, after(70)).await.err();
    assert_eq!(refused, Some(Denial::Token(TokenFault::Used)));
    assert_eq!(world.recorded("authn_token_revoked"), 1);
    assert!(!world.stands_at(&next.token, after(70)), "the session is over for both");
    let successor = Asker { cookies: Some(format!("__Host-rt={}", next.refresh)), ..first };
    let refused = world.refresh(&successor, after(71)).await.err();
    assert_eq!(refused, Some(Denial::Token(TokenFault::Session)));
}

#[tokio::test]
async fn refresh_of_a_session_that_is_not_known_is_rejected_and_uses_no_turn() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let person = world.store.find_account("ann").await.unwrap().unwrap();
    let stored = world.store.list_sessions(&person.id, 0).await.unwrap();
    // The store has it, the directory has not: whether it is bound to a key is not known.
    world.gate.directory().end_session(&stored[0].id);
    let refused = world.refresh(&client.by_cookie(), after(60)).await.err();
    assert_eq!(refused, Some(Denial::Token(TokenFault::Session)));
    let left = world.store.list_sessions(&person.id, 0).await.unwrap();
    assert_eq!(left[0].turn, stored[0].turn);
}

#[tokio::test]
async fn t_146_after_the_grace_an_old_turn_ends_the_session() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    world.refresh(&client.by_cookie(), after(60)).await.unwrap();
    let refused = world.refresh(&client.by_cookie(), after(71)).await.err();
    assert_eq!(refused, Some(Denial::Token(TokenFault::Used)));
    assert!(!world.stands(&client.token));
    for cookies in [None, Some("__Host-rt=rt_AAAA"), Some("__Host-rt=")] {
        let asker = Asker { bearer: None, cookies: cookies.map(String::from) };
        assert!(world.refresh(&asker, NOW).await.is_err(), "{cookies:?}");
    }
}

#[tokio::test]
async fn t_146_fifty_at_once_get_one_successor() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let asker = client.by_cookie();
    let mut answers = Vec::new();
    for _ in 0..50 {
        let (accounts, request) = world.request_of(&asker, &json!({}), after(60));
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
async fn t_057_a_session_ends_idle_and_at_its_absolute_end() {
    let world = world(Registration::Open).await;
    let (day, client) = (24 * 3600, world.client("ann").await);
    let over = world.refresh(&client.by_cookie(), after(7 * day)).await.err();
    assert_eq!(over, Some(Denial::Token(TokenFault::Session)), "idle for 7 days");
    let mut client = world.log_in("ann").await;
    for days in [6, 12, 18, 24, 29] {
        client.refresh =
            Client::of(&world.refresh(&client.by_cookie(), after(days * day)).await.unwrap())
                .refresh;
    }
    let over = world.refresh(&client.by_cookie(), after(30 * day)).await.err();
    assert_eq!(over, Some(Denial::Token(TokenFault::Session)), "30 days in all");
}

#[tokio::test]
async fn t_059_logging_out_ends_this_session_or_all() {
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
    assert!(!world.stands(&first.token) && world.stands(&second.token));
    assert!(world.refresh(&first.by_cookie(), NOW).await.is_err());
    call!(world, logout::logout, second.by_cookie(), json!({})).unwrap();
    assert!(!world.stands(&second.token) && world.stands(&third.token));
    let fourth = world.log_in("ann").await;
    call!(world, logout::logout_all, third.by_token(), json!({})).unwrap();
    assert!(!world.stands(&third.token) && !world.stands(&fourth.token));
    assert!(world.stands(&bob.token));
    assert_eq!(world.recorded("session_logout"), 3);
}

#[tokio::test]
async fn t_062_a_new_log_in_of_the_same_browser_ends_the_former() {
    let world = world(Registration::Open).await;
    let former = world.client("ann").await;
    world.register(ann("eve", PASSWORD)).await.unwrap();
    let body = ann("eve", PASSWORD);
    let later = Client::of(&call!(world, password_login::login, former.by_cookie(), body).unwrap());
    assert!(!world.stands(&former.token) && world.stands(&later.token));
    assert_ne!(later.refresh, former.refresh);
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_own_user_only() {
    let world = world(Registration::Open).await;
    let (first, second) = (world.client("ann").await, world.log_in("ann").await);
    let bob = world.client("bob").await;
    let list = read(&call!(world, list::list, first.by_token(), json!({})).unwrap());
    let listed = list["sessions"].as_array().unwrap();
    assert_eq!(listed.len(), 2);
    let other = listed.iter().find(|session| session["current"] == json!(false)).unwrap();
    let body = json!({"id": other["id"]});
    let refused = call!(world, list::end, bob.by_token(), body.clone()).err().unwrap();
    assert_eq!(refused.answer().code, "forbidden");
    assert!(world.stands(&second.token));
    call!(world, list::end, first.by_token(), body).unwrap();
    assert!(!world.stands(&second.token) && world.stands(&first.token));
    let refused = call!(world, list::list, Asker::default(), json!({})).err();
    assert_eq!(refused, Some(Denial::Token(TokenFault::Missing)));
}

#[tokio::test]
async fn t_055_who_is_banned_or_disabled_is_out_and_stays_out() {
    for what in [
        UserChangeKind::Disabled(true),
        UserChangeKind::Banned { until_unix_ms: NOW.unix_ms + 1_000 },
    ] {
        let world = world(Registration::Open).await;
        let client = world.client("ann").await;
        let user = world.gate.verify(Credential::Bearer(&client.token), None, NOW).unwrap().user;
        let change = UserChange { user, what, at_unix_ms: NOW.unix_ms };
        world.store.change_user(change).await.unwrap();
        assert!(!world.stands(&client.token));
        assert!(world.refresh(&client.by_cookie(), NOW).await.is_err());
        let refused = world.login(ann("ann", PASSWORD)).await.err().unwrap();
        assert_eq!(refused.answer().code, "unauthorized");
    }
}
