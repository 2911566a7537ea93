//! A reauthentication applies to the token that it returns.
//! Never: more rights for a copy of an older token, or the end of another tab of the user.

use portcullis_model::{Denial, Now, TokenFault};
use portcullis_server::ApiResponse;
use serde_json::{Value, json};

use crate::Registration;

use crate::factors::totp_begin;
use crate::login::password_login;
use crate::sessions::{list, logout, reauthenticate};
use crate::users::profile;

use super::world::*;

/// Reauthenticates with these credentials.
async fn reauthenticate_with(
    world: &World,
    credentials: &Credentials,
    now: Now,
) -> Result<ApiResponse, Denial> {
    let (accounts, request) = world.request_of(credentials, &json!({"password": PASSWORD}), now);
    reauthenticate::reauthenticate(accounts, request).await
}

/// The token and the cookies of a client, as a browser sends both.
fn browser(client: &Client) -> Credentials {
    Credentials { bearer: Some(client.token.clone()), ..client.by_cookie() }
}

async fn begin_totp(world: &World, client: &Client, now: Now) -> Result<(), Denial> {
    let (accounts, request) = world.request_of(&client.by_token(), &json!({}), now);
    totp_begin::begin(accounts, request).await.map(drop)
}

fn with_device(client: Client, device: &str) -> Client {
    Client { device: String::from(device), ..client }
}

#[tokio::test]
async fn t_068_reauthentication_does_not_apply_to_other_tokens() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let stolen = client.by_token();
    assert_eq!(begin_totp(&world, &client, after(301)).await, Err(Denial::ReauthRequired));
    let answer = reauthenticate_with(&world, &browser(&client), after(302)).await.unwrap();
    let body = read(&answer);
    for field in ["access_token", "token_type", "expires_in", "user", "authenticated_at"] {
        assert!(!body[field].is_null(), "{field} in {body}");
    }
    let proved = with_device(Client::of(&answer), &client.device);
    assert!(!proved.refresh.is_empty() && proved.refresh != client.refresh);

    let rename = json!({"username": "mallory"});
    for body in [json!({}), rename] {
        let (accounts, request) = world.request_of(&stolen, &body, after(303));
        let denied = profile::write(accounts, request).await.err();
        assert_eq!(denied, Some(Denial::Token(TokenFault::Revoked)));
    }
    assert_eq!(begin_totp(&world, &proved, after(303)).await, Ok(()));
    // A refresh keeps the time of its own token.
    let refreshed = world.refresh(&proved.by_cookie(), after(400)).await.unwrap();
    let refreshed = Client::of(&refreshed);
    assert_eq!(begin_totp(&world, &refreshed, after(602)).await, Ok(()));
    assert_eq!(begin_totp(&world, &refreshed, after(603)).await, Err(Denial::ReauthRequired));
}

#[tokio::test]
async fn proof_that_waits_while_another_tab_refreshes_ends_no_session() {
    let world = world(Registration::Open).await;
    world.register(ann("ann", PASSWORD)).await.unwrap();
    let body = ann("ann", PASSWORD);
    let (accounts, request) = world.request_of(&Credentials::default(), &body, after(-60));
    let client = Client::of(&password_login::login(accounts, request).await.unwrap());
    world.refresh(&client.by_cookie(), after(-1)).await.unwrap();
    // It arrived 12 seconds before the refresh, and its password is checked now.
    let proved = reauthenticate_with(&world, &browser(&client), after(-13)).await;
    assert!(proved.is_ok(), "{:?}", proved.err());
    assert_eq!(world.recorded("authn_token_revoked"), 0);
}

#[tokio::test]
async fn t_068_refresh_cookie_from_before_a_reauthentication_has_no_part_in_it() {
    for cookie_is_shown in [true, false] {
        let world = world(Registration::Open).await;
        let client = world.client("ann").await;
        let credentials = if cookie_is_shown { browser(&client) } else { client.by_token() };
        let proved =
            Client::of(&reauthenticate_with(&world, &credentials, after(302)).await.unwrap());
        // A second tab uses the old cookie, or the response was lost.
        let answer = world.refresh(&client.by_cookie(), after(303)).await.unwrap();
        let tab = with_device(Client::of(&answer), &client.device);
        assert!(world.is_valid_at(&tab.token, after(303)), "{cookie_is_shown}");
        assert!(world.is_valid_at(&proved.token, after(303)), "{cookie_is_shown}");
        let denied = Err(Denial::ReauthRequired);
        assert_eq!(begin_totp(&world, &tab, after(303)).await, denied, "{cookie_is_shown}");
        let later = Client::of(&world.refresh(&tab.by_cookie(), after(320)).await.unwrap());
        assert_eq!(begin_totp(&world, &later, after(320)).await, denied, "{cookie_is_shown}");
        assert_eq!(world.recorded("authn_token_revoked"), 0, "{cookie_is_shown}");
    }
}

#[tokio::test]
async fn t_146_reauthentication_with_a_used_refresh_cookie_ends_the_session() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let next = Client::of(&world.refresh(&client.by_cookie(), after(60)).await.unwrap());
    let denied = reauthenticate_with(&world, &browser(&client), after(120)).await.err();
    assert_eq!(denied, Some(Denial::Token(TokenFault::Used)));
    assert!(!world.is_valid_at(&next.token, after(120)));
    assert_eq!(world.recorded("authn_token_revoked"), 1);
}

#[tokio::test]
async fn reauthentication_keeps_the_cookie_of_another_session() {
    let world = world(Registration::Open).await;
    let (first, second) = (world.client("ann").await, world.log_in("ann").await);
    let mixed = Credentials { bearer: Some(first.token.clone()), ..second.by_cookie() };
    let answer = reauthenticate_with(&world, &mixed, after(302)).await.unwrap();
    assert!(!answer.headers.iter().any(|(_, value)| value.starts_with("__Host-rt=")));
    assert!(world.is_valid_at(&Client::of(&answer).token, after(303)));
    assert!(world.is_valid_at(&second.token, after(303)), "the other session continues");
    world.refresh(&second.by_cookie(), after(400)).await.unwrap();
}

#[tokio::test]
async fn ending_other_sessions_needs_a_recent_login_and_ending_this_one_does_not() {
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
        let denied = list::end(accounts, request).await.err();
        assert_eq!(denied, Some(Denial::ReauthRequired), "{body}");
    }
    let (accounts, request) = world.request_of(&first.by_token(), &json!({}), after(301));
    let denied = logout::logout_all(accounts, request).await.err().unwrap();
    assert_eq!((denied.answer().code, denied.answer().status), ("reauth_required", 401));
    assert!(world.is_valid_at(&second.token, after(301)));

    let proved =
        Client::of(&reauthenticate_with(&world, &browser(&first), after(302)).await.unwrap());
    let (accounts, request) = world.request_of(&proved.by_token(), &other, after(303));
    list::end(accounts, request).await.unwrap();
    assert!(!world.is_valid_at(&second.token, after(303)));
    // The own session can be ended without a recent login.
    let (accounts, request) = world.request_of(&proved.by_token(), &own, after(800));
    list::end(accounts, request).await.unwrap();
    assert!(!world.is_valid_at(&proved.token, after(800)));
    let (accounts, request) = world.request_of(&third.by_token(), &json!({}), after(301));
    logout::logout(accounts, request).await.unwrap();
    assert!(!world.is_valid_at(&third.token, after(301)));
}
