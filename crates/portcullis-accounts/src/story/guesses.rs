//! Wrong passwords and codes count on all routes, and the owner can still log in.
//! Never: a closed account that its owner cannot enter.

use std::net::IpAddr;

use portcullis_guard::LoginSource;
use portcullis_model::{Denial, Limit, Now, Secret};
use portcullis_server::ApiResponse;
use portcullis_store::{AccountStore, Store};
use serde_json::{Value, json};

use super::factors::code_at;
use crate::factors::{code_check, totp_begin, totp_confirm, totp_remove};
use crate::login::login_link::LoginLink;
use crate::login::{link_request, password_login};
use crate::passwords::password_change;
use crate::sessions::reauthenticate;

use super::world::*;
use crate::Registration;
use crate::login::attempts::Attempts;

/// Logs in from an address of its own, so that no limit of an address applies.
async fn log_in(
    world: &World,
    credentials: &Credentials,
    body: Value,
    (address, now): (u32, Now),
) -> Result<ApiResponse, Denial> {
    let (accounts, mut request) = world.request_of(credentials, &body, now);
    request.client = IpAddr::from((0x0a00_0000 + address).to_be_bytes());
    password_login::login(accounts, request).await
}

fn minutes(count: i64) -> Now {
    after(count * 60)
}

/// Sends wrong passwords from many addresses, four a minute, until unknown devices are rejected.
async fn attack(world: &World, from_minute: i64) {
    for number in 0..120_u32 {
        let now = after(from_minute * 60 + i64::from(number) * 15);
        let at = (number, now);
        let wrong = log_in(world, &Credentials::default(), ann("ann", "wrong password"), at).await;
        assert!(wrong.is_err());
    }
}

fn limit_of(outcome: Result<ApiResponse, Denial>) -> Option<Limit> {
    outcome.err().and_then(|denial| denial.limit())
}

/// Adds a second factor; returns its secret and the recovery codes.
async fn add_totp(world: &World, client: &Client) -> (String, Value) {
    let enrollment = read(&call!(world, totp_begin::begin, client.by_token(), json!({})).unwrap());
    let secret = enrollment["secret"].as_str().unwrap().to_owned();
    let code = json!({"code": code_at(&secret, NOW)});
    let confirmed = call!(world, totp_confirm::confirm, client.by_token(), code).unwrap();
    (secret, read(&confirmed)["recovery_codes"].clone())
}

#[tokio::test]
async fn closed_account_admits_the_owner_by_code_known_device_and_link() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let (secret, recovery) = add_totp(&world, &client).await;
    let link = call!(world, link_request::create, client.by_token(), json!({})).unwrap();
    let link = read(&link)["door"].clone();
    attack(&world, 0).await;
    let now = minutes(31);
    let new_device = Credentials::default();
    let body = |totp: Value, door: Value| {
        let mut body = ann("ann", PASSWORD);
        if !totp.is_null() {
            body["totp"] = totp;
        }
        if !door.is_null() {
            body["door"] = door;
        }
        body
    };
    let code = json!(code_at(&secret, now));
    let closed = log_in(&world, &new_device, body(code.clone(), Value::Null), (500, now)).await;
    assert_eq!(limit_of(closed), Some(Limit::LoginFailedPerUser), "unknown devices are rejected");

    // With a recovery code; a guessed one is rejected.
    let guess = json!("00000-00000-00000-00000");
    let denied = log_in(&world, &new_device, body(guess, Value::Null), (501, now)).await;
    assert_eq!(limit_of(denied), Some(Limit::LoginFailedPerUser));
    let by_code = body(recovery[0].clone(), Value::Null);
    log_in(&world, &new_device, by_code.clone(), (502, now)).await.unwrap();
    let again = log_in(&world, &new_device, by_code, (502, now)).await;
    assert_eq!(limit_of(again), Some(Limit::LoginFailedPerUser), "a code works once");

    // On a known device.
    let known = Credentials { bearer: None, ..client.by_cookie() };
    log_in(&world, &known, body(code, Value::Null), (503, now)).await.unwrap();

    // With a link of an operator, which needs password and code and works once.
    let operator = LoginLink::by_operator(&world.accounts.secret, "ann", now).unwrap();
    let operator = json!(operator.expose());
    let later = minutes(33);
    let code = json!(code_at(&secret, later));
    let mut wrong = body(code.clone(), operator.clone());
    wrong["password"] = json!("wrong password");
    let denied = log_in(&world, &new_device, wrong, (504, later)).await.err().unwrap();
    assert_eq!(denied.reason(), "wrong_password");
    let none = log_in(&world, &new_device, body(json!("000000"), operator.clone()), (504, later));
    assert_eq!(none.await.err().unwrap().reason(), "wrong_totp");
    let good = body(code, operator.clone());
    log_in(&world, &new_device, good.clone(), (504, later)).await.unwrap();
    let used = log_in(&world, &new_device, good, (504, later)).await.err().unwrap();
    assert_eq!(used, Denial::LoginLink("used"));

    // The link from the known device has expired; a link of another user is invalid.
    let doors = [(link, "expired"), (json!("door_a.1.b"), "invalid"), (json!(""), "invalid")];
    for (door, word) in doors {
        let denied = log_in(&world, &new_device, body(Value::Null, door), (505, later)).await;
        assert_eq!(denied.err(), Some(Denial::LoginLink(word)));
    }
}

#[tokio::test]
async fn login_link_from_a_known_device_admits_a_new_device() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let now = minutes(111);
    let proof = json!({"password": PASSWORD});
    let (accounts, request) = world.request_of(&client.by_token(), &json!({}), now);
    assert!(link_request::create(accounts, request).await.is_err(), "the token has expired");
    let answer = log_in(&world, &client.by_cookie(), ann("ann", PASSWORD), (1, now)).await;
    let client = Client::of(&answer.unwrap());
    let (accounts, request) = world.request_of(&client.by_token(), &json!({}), minutes(117));
    assert_eq!(link_request::create(accounts, request).await.err(), Some(Denial::ReauthRequired));
    let (accounts, request) = world.request_of(&client.by_token(), &proof, minutes(117));
    let client = Client::of(&reauthenticate::reauthenticate(accounts, request).await.unwrap());
    let (accounts, request) = world.request_of(&client.by_token(), &json!({}), minutes(118));
    let link = read(&link_request::create(accounts, request).await.unwrap())["door"].clone();
    attack(&world, 95).await;
    let mut body = ann("ann", PASSWORD);
    let now = minutes(126);
    let closed = log_in(&world, &Credentials::default(), body.clone(), (600, now)).await;
    assert_eq!(limit_of(closed), Some(Limit::LoginFailedPerUser));
    body["door"] = link;
    log_in(&world, &Credentials::default(), body, (601, now)).await.unwrap();
}

#[tokio::test]
async fn wrong_codes_with_several_links_share_one_count() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let (secret, recovery) = add_totp(&world, &client).await;
    let (mut tried, mut closed) = (0, 0);
    for number in 0..300_u32 {
        let link = LoginLink::for_user(&world.accounts.secret, "ann", NOW).unwrap();
        let mut body = ann("ann", PASSWORD);
        body["totp"] = json!("000000");
        body["door"] = json!(link.expose());
        let at = Now { monotonic_ms: NOW.monotonic_ms + u64::from(number) * 15_000, ..NOW };
        let denial =
            log_in(&world, &Credentials::default(), body, (number, at)).await.err().unwrap();
        tried += u32::from(denial.reason() == "wrong_totp");
        closed += u32::from(denial.limit() == Some(Limit::CodeFailedPerUser));
    }
    assert!(tried <= 22 && closed > 0, "{tried} {closed}");
    // Links of operators and recovery codes still work.
    let end = Now { monotonic_ms: NOW.monotonic_ms + 4_600_000, ..NOW };
    let mut body = ann("ann", PASSWORD);
    body["totp"] = recovery[0].clone();
    let with_code = log_in(&world, &Credentials::default(), body.clone(), (900, end)).await;
    assert!(with_code.is_ok(), "{:?}", with_code.err());
    let link = LoginLink::by_operator(&world.accounts.secret, "ann", NOW).unwrap();
    body["door"] = json!(link.expose());
    let later = after(120);
    body["totp"] = json!(code_at(&secret, later));
    let at = Now { monotonic_ms: end.monotonic_ms, ..later };
    let with_link = log_in(&world, &Credentials::default(), body, (901, at)).await;
    assert!(with_link.is_ok(), "{:?}", with_link.err());
}

#[tokio::test]
async fn recovery_code_admits_a_known_device_past_its_limit() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let (_secret, recovery) = add_totp(&world, &client).await;
    for number in 0..120_u32 {
        let at = after(i64::from(number) * 15);
        let wrong = ann("ann", "wrong password");
        assert!(log_in(&world, &client.by_cookie(), wrong, (number, at)).await.is_err());
    }
    let now = minutes(31);
    let mut body = ann("ann", PASSWORD);
    body["totp"] = json!("00000-00000-00000-00000");
    let guess = log_in(&world, &client.by_cookie(), body.clone(), (501, now)).await;
    assert_eq!(limit_of(guess), Some(Limit::LoginFailedPerUser));
    body["totp"] = recovery[0].clone();
    log_in(&world, &client.by_cookie(), body, (502, now)).await.unwrap();
}

#[tokio::test]
async fn t_028_recovery_code_for_a_closed_name_takes_equal_steps() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let (_secret, recovery) = add_totp(&world, &client).await;
    world.client("bob").await;
    let names = ["ann", "bob", "unknown"];
    for (number, name) in (0..120).flat_map(|number| names.map(|name| (number, name))) {
        let at = (number, after(i64::from(number) * 15));
        assert!(log_in(&world, &Credentials::default(), ann(name, "wrong"), at).await.is_err());
    }
    let closed = async |name: &str, code: &Value| {
        let mut body = ann(name, PASSWORD);
        body["totp"] = code.clone();
        log_in(&world, &Credentials::default(), body, (700, minutes(31))).await.err()
    };
    let change = |text: &str| {
        let database = rusqlite::Connection::open(world.directory.path().join("store.db"));
        database.unwrap().execute_batch(text).unwrap();
    };
    let guess = json!("00000-00000-00000-00000-00000-00000");
    // A factor that does not open answers as an unknown name does.
    change("UPDATE users SET totp_sealed = 1 WHERE folded = 'ann'");
    for (name, code) in [("ann", &guess), ("ann", &recovery[0]), ("bob", &guess)] {
        let limit = closed(name, code).await.and_then(|denial| denial.limit());
        assert_eq!(limit, Some(Limit::LoginFailedPerUser), "{name}");
    }
    // Each name is looked up a second time, which fails without the table.
    change("UPDATE users SET totp_sealed = 0; ALTER TABLE recovery_codes RENAME TO gone");
    for name in names {
        let denial = closed(name, &guess).await.unwrap();
        assert!(matches!(denial, Denial::Internal(_)), "{name}: {denial}");
    }
}

#[tokio::test]
async fn right_code_that_the_store_cannot_save_uses_no_attempt() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let (secret, _recovery) = add_totp(&world, &client).await;
    let row = world.store.credentials("ann").await.unwrap().unwrap();
    world.store.close().await.unwrap();
    let now = minutes(2);
    let (accounts, request) = world.request_of(&Credentials::default(), &json!({}), now);
    let failures = &accounts.failures;
    let from = LoginSource::Anywhere;
    let attempts = Attempts { request: &request, failures, account: "ann", from };
    for number in 0..100 {
        let code = Secret::new(code_at(&secret, now));
        let denial = code_check::check(&accounts, &attempts, &row, Some(code)).await.unwrap_err();
        assert_eq!(denial.answer().status, 503, "{number} {denial}");
    }
    assert_eq!(attempts.take_code_attempt(), Ok(()));
}

#[tokio::test]
async fn login_link_used_twice_at_the_same_time_admits_one_login() {
    let world = world(Registration::Open).await;
    let _client = world.client("ann").await;
    let link = LoginLink::for_user(&world.accounts.secret, "ann", NOW).unwrap();
    let mut body = ann("ann", PASSWORD);
    body["door"] = json!(link.expose());
    let new_device = Credentials::default();
    let log_in = |address| log_in(&world, &new_device, body.clone(), (address, NOW));
    let (first, second, third) = tokio::join!(log_in(1), log_in(2), log_in(3));
    let outcomes = [first, second, third];
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let denials = outcomes.into_iter().filter_map(Result::err);
    assert!(denials.into_iter().all(|denial| denial == Denial::LoginLink("used")));
}

#[tokio::test]
async fn used_login_link_stays_used_after_eviction_and_a_clock_set_back() {
    let world = world(Registration::Open).await;
    let _client = world.client("ann").await;
    let link = LoginLink::for_user(&world.accounts.secret, "ann", NOW).unwrap();
    let mut body = ann("ann", PASSWORD);
    body["door"] = json!(link.expose());
    log_in(&world, &Credentials::default(), body.clone(), (1, NOW)).await.unwrap();
    let [_, _, _, revocations] = world.gate.authentication().identity_tables(after(1_000));
    assert_eq!(revocations.used, 0, "the entry has ended");
    let again = log_in(&world, &Credentials::default(), body.clone(), (2, NOW)).await;
    assert_eq!(again.err(), Some(Denial::LoginLink("expired")));
    let fresh = LoginLink::for_user(&world.accounts.secret, "ann", after(1_000)).unwrap();
    body["door"] = json!(fresh.expose());
    log_in(&world, &Credentials::default(), body, (3, after(1_000))).await.unwrap();
}

#[tokio::test]
async fn wrong_password_or_code_counts_toward_the_account_on_all_routes() {
    let wrong = "wrong password";
    let cases = ["known device", "reauthenticate", "password", "totp remove", "code"];
    for case in cases {
        let world = world(Registration::Open).await;
        let client = world.client("ann").await;
        let _factor = add_totp(&world, &client).await;
        let mut closed = None;
        for number in 0..110_u32 {
            let now = Now { monotonic_ms: NOW.monotonic_ms + u64::from(number) * 60_000, ..NOW };
            let by_token = client.by_token();
            let outcome = match case {
                "known device" => {
                    log_in(&world, &client.by_cookie(), ann("ann", wrong), (number, now)).await
                }
                "reauthenticate" => {
                    let body = json!({"password": wrong});
                    let (accounts, request) = world.request_of(&by_token, &body, now);
                    reauthenticate::reauthenticate(accounts, request).await
                }
                "password" => {
                    let body = json!({"current": wrong, "new": "zT4!p0 rivulet"});
                    let (accounts, request) = world.request_of(&by_token, &body, now);
                    password_change::change(accounts, request).await
                }
                "totp remove" => {
                    let body = json!({"password": wrong, "totp": "000000"});
                    let (accounts, request) = world.request_of(&by_token, &body, now);
                    totp_remove::remove(accounts, request).await
                }
                _ => {
                    let body = json!({"password": PASSWORD, "totp": "000000"});
                    let (accounts, request) = world.request_of(&by_token, &body, now);
                    reauthenticate::reauthenticate(accounts, request).await
                }
            };
            closed = closed.or(limit_of(outcome).map(|limit| (number, limit)));
        }
        let (after, limit) = closed.unwrap();
        let expect = match case {
            "code" => (20..=24, Limit::CodeFailedPerUser),
            _ => (100..=108, Limit::LoginFailedPerUser),
        };
        assert!(expect.0.contains(&after) && limit == expect.1, "{case} {after} {limit:?}");
        let account = log_in(&world, &Credentials::default(), ann("ann", wrong), (999, NOW)).await;
        let denied = limit_of(account);
        assert_eq!(denied.is_some(), case != "code", "{case}: the account counted too");
        assert!(world.recorded("authn_login_lock") > 0, "{case}");
    }
}

#[tokio::test]
async fn code_guesses_are_limited_a_day_and_recovery_codes_still_work() {
    let world = world(Registration::Open).await;
    let client = world.client("ann").await;
    let (secret, recovery) = add_totp(&world, &client).await;
    let mut tried = 0;
    let mut body = ann("ann", PASSWORD);
    for minute in 0..24 * 6 {
        let now = Now { monotonic_ms: NOW.monotonic_ms + minute * 600_000, ..NOW };
        body["totp"] = json!("000000");
        let at = (u32::try_from(minute).unwrap(), now);
        let denial = log_in(&world, &Credentials::default(), body.clone(), at).await.err().unwrap();
        tried += u32::from(denial.reason() == "wrong_totp");
    }
    assert!(tried <= 40, "{tried} guesses a day find a code with {} %", tried * 3 / 10_000);
    let end = Now { monotonic_ms: NOW.monotonic_ms + 1_435 * 60_000, ..NOW };
    body["totp"] = json!(code_at(&secret, end));
    let denied = log_in(&world, &Credentials::default(), body.clone(), (900, end)).await;
    assert_eq!(limit_of(denied), Some(Limit::CodeFailedPerUser));
    body["totp"] = recovery[0].clone();
    log_in(&world, &Credentials::default(), body, (901, end)).await.unwrap();
}
