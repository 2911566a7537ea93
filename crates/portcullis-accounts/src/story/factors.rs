//! Password changes, second factors and one-time tickets.
//! Never: a code or a ticket that works twice.

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_guard::{Credential, SecondFactorRule};
use portcullis_model::{Denial, Now, Secret, TokenFault};
use portcullis_store::{AccountStore, NewTotp};
use serde_json::{Value, json};

use crate::Registration;

use crate::factors::{totp_begin, totp_confirm, totp_remove};
use crate::login::password_login;
use crate::passwords::password_change;
use crate::sessions::{logout, reauthenticate};
use crate::tokens::ticket;
use crate::users::{invitation, profile};

use super::world::*;

#[tokio::test]
async fn password_change_needs_the_current_password_and_ends_other_sessions() {
    let world = world(Registration::Open).await;
    let (this, other) = (world.client("ann").await, world.log_in("ann").await);
    let change = |current: &str, new: &str| json!({"current": current, "new": new});
    let new = "zT4!p0 rivulet";
    let wrong = call!(world, password_change::change, this.by_token(), change("wrong", new));
    assert_eq!(wrong.err().unwrap().answer().code, "unauthorized");
    assert_eq!(world.recorded("authn_password_change_fail"), 1);
    let weak = call!(world, password_change::change, this.by_token(), change(PASSWORD, "12345678"));
    assert!(matches!(weak.err(), Some(Denial::PasswordWeak(_))));
    call!(world, password_change::change, this.by_token(), change(PASSWORD, new)).unwrap();
    assert!(world.is_valid(&this.token) && !world.is_valid(&other.token));
    assert!(world.login(ann("ann", PASSWORD)).await.is_err());
    world.login(ann("ann", new)).await.unwrap();
    assert_eq!(world.recorded("authn_password_change"), 1);
}

#[tokio::test]
async fn t_068_name_change_needs_a_recent_login() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    world.register(ann("bob", PASSWORD)).await.unwrap();
    let rename = |name: &str| json!({"username": name});
    let taken = call!(world, profile::write, client.by_token(), rename("BOB")).err();
    assert_eq!(taken, Some(Denial::NameTaken));
    let answer = call!(world, profile::write, client.by_token(), rename("Anna")).unwrap();
    assert_eq!(read(&answer)["user"]["username"], json!("Anna"));
    let (accounts, request) = world.request_of(&client.by_token(), &rename("ann"), after(301));
    assert_eq!(profile::write(accounts, request).await.err(), Some(Denial::ReauthRequired));
    let (accounts, request) =
        world.request_of(&client.by_token(), &json!({"password": PASSWORD}), after(301));
    let proved = Client::of(&reauthenticate::reauthenticate(accounts, request).await.unwrap());
    let (accounts, request) = world.request_of(&proved.by_token(), &rename("ann"), after(302));
    profile::write(accounts, request).await.unwrap();
}

pub(super) fn code_at(secret: &str, now: Now) -> String {
    let secret = totp_rs::Secret::try_from_base32(secret).unwrap();
    let bytes: &[u8] = secret.as_ref();
    let codes = crate::factors::totp::codes(&Secret::new(bytes.to_vec()), "ann").unwrap();
    codes.generate(u64::try_from(now.unix_s()).unwrap()).to_string()
}

#[tokio::test]
async fn recovery_code_of_an_older_version_works_once() {
    let world = world(Registration::Open).await;
    world.register(ann("ann", PASSWORD)).await.unwrap();
    let person = world.store.find_account("ann").await.unwrap().unwrap();
    // Older versions stored the plain digest of 20 letters.
    let mut stored = [0; 32];
    stored.copy_from_slice(digest(&SHA256, b"0123456789abcdefghjk").as_ref());
    let totp = NewTotp { secret: Secret::new(vec![7; 20]), step: 5, recovery: vec![stored] };
    assert!(world.store.set_totp(person.id, Some(totp), None).await.unwrap());
    let mut body = ann("ann", PASSWORD);
    body["totp"] = json!("01234-56789-ABCDE-FGHJK");
    world.login(body.clone()).await.unwrap();
    assert_eq!(world.login(body).await.err().unwrap().reason(), "wrong_totp");
}

#[tokio::test]
async fn second_factor_is_added_required_and_removed() {
    let world = world(Registration::Open).await;
    let (this, other) = (world.client("ann").await, world.log_in("ann").await);
    let enrollment = read(&call!(world, totp_begin::begin, this.by_token(), json!({})).unwrap());
    let secret = enrollment["secret"].as_str().unwrap();
    assert!(enrollment["uri"].as_str().unwrap().starts_with("otpauth://totp/Portcullis:ann?"));
    let code = |now| json!({"code": code_at(secret, now)});
    let wrong = call!(world, totp_confirm::confirm, this.by_token(), json!({"code": "000000"}));
    assert_eq!(wrong.err().unwrap().field(), Some("code"));
    let elsewhere = call!(world, totp_confirm::confirm, other.by_token(), code(NOW));
    assert!(elsewhere.is_err(), "another session has no enrollment");
    let confirmed = call!(world, totp_confirm::confirm, this.by_token(), code(NOW)).unwrap();
    let recovery = read(&confirmed)["recovery_codes"].clone();
    assert_eq!(recovery.as_array().unwrap().len(), 10);
    let letters = recovery[0].as_str().unwrap().replace('-', "").len();
    assert!(letters * 5 >= 112, "{letters} letters of 5 bits");
    assert!(world.is_valid(&this.token) && !world.is_valid(&other.token));

    let log_in = |totp: Value, now: Now| {
        let mut body = ann("ann", PASSWORD);
        body["totp"] = totp;
        let (accounts, request) = world.request_of(&Credentials::default(), &body, now);
        password_login::login(accounts, request)
    };
    assert_eq!(world.login(ann("ann", PASSWORD)).await.err(), Some(Denial::TotpRequired));
    let used = log_in(json!(code_at(secret, NOW)), NOW).await.err().unwrap();
    assert_eq!(used.reason(), "wrong_totp", "the code of the confirmation was used");
    let later = after(120);
    log_in(json!(code_at(secret, later)), later).await.unwrap();
    assert!(log_in(json!(code_at(secret, later)), later).await.is_err(), "a code works once");
    let spare = recovery[3].clone();
    log_in(spare.clone(), after(200)).await.unwrap();
    assert!(log_in(spare, after(260)).await.is_err());

    let password = json!({"password": PASSWORD, "totp": recovery[4]});
    let (accounts, request) = world.request_of(&this.by_token(), &password, after(300));
    totp_remove::remove(accounts, request).await.unwrap();
    let (accounts, request) =
        world.request_of(&Credentials::default(), &ann("ann", PASSWORD), after(400));
    password_login::login(accounts, request).await.unwrap();
    let log = world.lines.lock().unwrap().join("\n");
    assert!(!log.contains(secret) && !log.contains(recovery[5].as_str().unwrap()));
}

#[tokio::test]
async fn administrator_without_a_second_factor_has_no_admin_rights() {
    let world = world_with(Registration::Open, SecondFactorRule::Admins).await;
    let token = world.token.as_ref().unwrap().expose().clone();
    let mut body = ann("root", PASSWORD);
    body["token"] = json!(token);
    world.setup(body).await.unwrap();
    let answer = world.login(ann("root", PASSWORD)).await.unwrap();
    assert_eq!(read(&answer)["user"]["roles"], json!(["user"]));
    assert_eq!(read(&answer)["totp_setup_required"], json!(true));
    let root = Client::of(&answer);
    let denied = call!(world, invitation::invite, root.by_token(), json!({})).err().unwrap();
    assert_eq!(denied.answer().code, "forbidden");
    let enrollment = read(&call!(world, totp_begin::begin, root.by_token(), json!({})).unwrap());
    let code = json!({"code": code_at(enrollment["secret"].as_str().unwrap(), NOW)});
    call!(world, totp_confirm::confirm, root.by_token(), code).unwrap();
    call!(world, invitation::invite, root.by_token(), json!({})).unwrap();
}

#[tokio::test]
async fn t_140_t_141_ticket_opens_one_socket_and_ends_with_its_session() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let fresh = || async {
        let answer = call!(world, ticket::ticket, client.by_token(), json!({})).unwrap();
        read(&answer)["ticket"].as_str().unwrap().to_owned()
    };
    let first = fresh().await;
    let redeem = |ticket: &str| {
        let payload = json!({"ticket": ticket}).to_string();
        let verified = world.gate.verify(Credential::Payload(Some(&payload)), None, NOW)?;
        world.gate.authenticate(verified, NOW).map(drop)
    };
    assert_eq!(redeem(&first), Ok(()));
    assert_eq!(redeem(&first), Err(Denial::Token(TokenFault::Used)));
    assert_eq!(redeem("wst_guess"), Err(Denial::Token(TokenFault::Ticket)));
    let second = fresh().await;
    call!(world, logout::logout, client.by_token(), json!({})).unwrap();
    assert_eq!(redeem(&second), Err(Denial::Token(TokenFault::Session)));
    let denied = call!(world, ticket::ticket, client.by_token(), json!({})).err();
    assert_eq!(denied, Some(Denial::Token(TokenFault::Session)));
}
