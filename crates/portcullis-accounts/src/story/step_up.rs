//! A fresh proof of identity belongs to the token that it was given for.
//! Never: a copy of an older token that may do more than before, or an owner's tab that is ended.

use portcullis_model::{Denial, Now, TokenFault};
use portcullis_server::ApiResponse;
use serde_json::{Value, json};

use crate::Registration;
use crate::factors::totp_begin;
use crate::sessions::list;
use crate::sessions::logout;
use crate::sessions::reauthenticate;
use crate::users::profile;

use super::world::*;

/// Proves the password anew with these credentials.
async fn prove(world: &World, asker: &Asker, now: Now) -> Result<ApiResponse, Denial> {
    let (accounts, request) = world.request_of(asker, &json!({"password": PASSWORD}), now);
    reauthenticate::reauthenticate(accounts, request).await
}

/// The token of a client beside its cookies, as a browser sends both.
fn browser(client: &Client) -> Asker {
    Asker { bearer: Some(client.token.clone()), ..client.by_cookie() }
}

async fn begin_totp(world: &World, client: &Client, now: Now) -> Result<(), Denial> {
    let (accounts, request) = world.request_of(&client.by_token(), &json!({}), now);
    totp_begin::begin(accounts, request).await.map(drop)
}

fn with_device(client: Client, device: &str) -> Client {
    Client { device: String::from(device), ..client }
}

#[tokio::test]
async fn t_068_proof_lifts_no_other_token_of_its_session() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let stolen = client.by_token();
    assert_eq!(begin_totp(&world, &client, after(301)).await, Err(Denial::ReauthRequired));
    let answer = prove(&world, &browser(&client), after(302)).await.unwrap();
    let body = read(&answer);
    for field in ["access_token", "token_type", "expires_in", "user", "authenticated_at"] {
        assert!(!body[field].is_null(), "{field} in {body}");
    }
    let proved = with_device(Client::of(&answer), &client.device);
    assert!(!proved.refresh.is_empty() && proved.refresh != client.refresh);

    let rename = json!({"username": "mallory"});
    for body in [json!({}), rename] {
        let (accounts, request) = world.request_of(&stolen, &body, after(303));
        let refused = profile::write(accounts, request).await.err();
        assert_eq!(refused, Some(Denial::Token(TokenFault::Revoked)));
    }
    assert_eq!(begin_totp(&world, &proved, after(303)).await, Ok(()));
    // A refresh keeps what its own token has proved.
    let refreshed = world.refresh(&proved.by_cookie(), after(400)).await.unwrap();
    let refreshed = Client::of(&refreshed);
    assert_eq!(begin_totp(&world, &refreshed, after(602)).await, Ok(()));
    assert_eq!(begin_totp(&world, &refreshed, after(603)).await, Err(Denial::ReauthRequired));
}

#[tokio::test]
async fn t_068_refresh_cookie_from_before_a_proof_goes_on_without_it() {
    for cookie_is_shown in [true, false] {
        let world = world(Registration::Open).await;
        let client = world.client("ann").await;
        let asker = if cookie_is_shown { browser(&client) } else { client.by_token() };
        let proved = Client::of(&prove(&world, &asker, after(302)).await.unwrap());
        // The second tab asks with the cookie that it has, or the answer was lost.
        let answer = world.refresh(&client.by_cookie(), after(303)).await.unwrap();
        let tab = with_device(Client::of(&answer), &client.device);
        assert!(world.stands_at(&tab.token, after(303)), "{cookie_is_shown}");
        assert!(world.stands_at(&proved.token, after(303)), "{cookie_is_shown}");
        let refused = Err(Denial::ReauthRequired);
        assert_eq!(begin_totp(&world, &tab, after(303)).await, refused, "{cookie_is_shown}");
        let later = Client::of(&world.refresh(&tab.by_cookie(), after(320)).await.unwrap());
        assert_eq!(begin_totp(&world, &later, after(320)).await, refused, "{cookie_is_shown}");
        assert_eq!(world.recorded("authn_token_revoked"), 0, "{cookie_is_shown}");
    }
}

#[tokio::test]
async fn t_146_proof_beside_a_copied_cookie_ends_the_session() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let next = Client::of(&world.refresh(&client.by_cookie(), after(60)).await.unwrap());
    let refused = prove(&world, &browser(&client), after(120)).await.err();
    assert_eq!(refused, Some(Denial::Token(TokenFault::Used)));
    assert!(!world.stands_at(&next.token, after(120)));
    assert_eq!(world.recorded("authn_token_revoked"), 1);
}

#[tokio::test]
async fn proof_leaves_the_cookie_of_another_session_alone() {
    let world = world(Registration::Open).await;
    let (first, second) = (world.client("ann").await, world.log_in("ann").await);
    let mixed = Asker { bearer: Some(first.token.clone()), ..second.by_cookie() };
    let answer = prove(&world, &mixed, after(302)).await.unwrap();
    assert!(!answer.headers.iter().any(|(_, value)| value.starts_with("__Host-rt=")));
    assert!(world.stands_at(&Client::of(&answer).token, after(303)));
    assert!(world.stands_at(&second.token, after(303)), "another session is not concerned");
    world.refresh(&second.by_cookie(), after(400)).await.unwrap();
}

#[tokio::test]
async fn ending_other_sessions_asks_for_a_recent_log_in_and_ending_the_own_does_not() {
    let world = world(Registration::Open).await;
    let (first, second) = (world.client("ann").await, world.log_in("ann").await);
    let third = world.client("bob").await;
    let list = read(&call!(world, list::list, first.by_token(), json!({})).unwrap());
    let id_of = |current: bool| -> Value {
        let sessions = list["sessions"].as_array().unwrap();
        sessions.iter().find(|found| found["current"] == json!(current)).unwrap()["id"].clone()
    };
    let (own, other) = (json!({"id": id_of(true)}), json!({"id": id_of(false)}));
    let unknown = json!({"id": "s0000000"});
    for body in [&other, &unknown] {
        let (accounts, request) = world.request_of(&first.by_token(), body, after(301));
        let refused = list::end(accounts, request).await.err();
        assert_eq!(refused, Some(Denial::ReauthRequired), "{body}");
    }
    let (accounts, request) = world.request_of(&first.by_token(), &json!({}), after(301));
    let refused = logout::logout_all(accounts, request).await.err().unwrap();
    assert_eq!((refused.answer().code, refused.answer().status), ("reauth_required", 401));
    assert!(world.stands_at(&second.token, after(301)));

    let proved = Client::of(&prove(&world, &browser(&first), after(302)).await.unwrap());
    let (accounts, request) = world.request_of(&proved.by_token(), &other, after(303));
    list::end(accounts, request).await.unwrap();
    assert!(!world.stands_at(&second.token, after(303)));
    // The own one ends however long ago the log-in is.
    let (accounts, request) = world.request_of(&proved.by_token(), &own, after(800));
    list::end(accounts, request).await.unwrap();
    assert!(!world.stands_at(&proved.token, after(800)));
    let (accounts, request) = world.request_of(&third.by_token(), &json!({}), after(301));
    logout::logout(accounts, request).await.unwrap();
    assert!(!world.stands_at(&third.token, after(301)));
}
