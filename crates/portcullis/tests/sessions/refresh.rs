//! The refresh cookie: it turns with every use, and an old turn is a copy.
//! Never: a cookie that opens a socket, or a request without it.

use portcullis_test::{Request, SioClient, sign_up};
use serde_json::json;

use crate::browser::Browser;
use crate::{start, unlimited};

#[test]
fn t020_t054_refresh_cookie_is_accepted_for_refresh_only() {
    let server = start(&unlimited());
    let _ann = sign_up(&server, "ann");
    let browser = Browser::log_in(&server, "ann");
    let answer = browser.by_cookie(&server, "/auth/profile").ask(&server);
    assert_eq!(answer.status, 401);
    let as_token = Browser { token: browser.refresh.clone(), ..browser.clone() };
    assert_eq!(as_token.get(&server, "/auth/profile").status, 401);
    let mut client = SioClient::open(&server);
    let refused = client.join_namespace("/", &json!({ "token": browser.refresh }).to_string());
    assert_eq!(refused.unwrap_err()["data"]["code"], "unauthorized");
    // A token is not a cookie, and neither is a changed, truncated or repeated one.
    let ask = |cookie: String| {
        let request = Request::post(&server, "/auth/refresh", "{}").header("Cookie", &cookie);
        request.header("Origin", &server.origin).ask(&server).status
    };
    let good = &browser.refresh;
    let mut changed = good.clone().into_bytes();
    let middle = changed.len() / 2;
    changed[middle] = if changed[middle] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    for wrong in [
        format!("__Host-rt={}", browser.token),
        format!("__Host-rt={changed}"),
        format!("__Host-rt={}", &good[..good.len() - 1]),
        format!("__Host-rt={good}x"),
        format!("__Host-rt={good}; __Host-rt={changed}"),
        format!("rt={good}"),
        String::from("__Host-rt="),
        String::from("__Host-rt"),
    ] {
        let status = ask(wrong.clone());
        assert!(status == 401 || status == 400, "{wrong}: {status}");
    }
    // Without the header that says which page asks, no cookie counts (T-006).
    let request = Request::post(&server, "/auth/refresh", "{}");
    let answer = request.header("Cookie", &format!("__Host-rt={good}")).ask(&server);
    assert_eq!((answer.status, answer.code().as_str()), (403, "forbidden_origin"));
    assert_eq!(browser.ask_refresh(&server).status, 200, "none of it used the good one up");
}

#[test]
fn t146_refresh_from_another_device_ends_the_session_for_both() {
    let server = start(&unlimited());
    let _ann = sign_up(&server, "ann");
    let mut browser = Browser::log_in(&server, "ann");
    let copy = browser.refresh.clone();
    let mut client = SioClient::connect(&server, &browser.token);
    let answer = browser.ask_refresh(&server);
    browser.take(&answer);
    // Shown again at once, but by something that does not have the browser's other cookie.
    let cookie = format!("__Host-rt={copy}");
    let stolen = Request::post(&server, "/auth/refresh", "{}")
        .header("Origin", &server.origin)
        .header("Cookie", &cookie);
    assert_eq!(stolen.ask(&server).status, 401);
    let record = server.records.wait_for(|record| record["event"]["code"] == "authn_token_reuse");
    assert_eq!(record["event"]["severity"], 50);
    assert_eq!(client.close_code(), Some(4401));
    assert_eq!(browser.ask_refresh(&server).status, 401, "the owner logs in again as well");
    assert_eq!(browser.get(&server, "/auth/profile").status, 401);
    let log = server.records.text();
    assert!(!log.contains(&copy) && !log.contains(&browser.refresh));
}

#[test]
fn t062_login_with_planted_cookies_starts_a_new_session() {
    let server = start(&unlimited());
    let (_ann, _eve) = (sign_up(&server, "ann"), sign_up(&server, "eve"));
    let planted = Browser::log_in(&server, "eve");
    // The victim's browser carries the attacker's cookies when it logs in.
    let body = json!({ "username": "ann", "password": "a plain long sentence of my own" });
    let request = planted.by_cookie(&server, "/auth/login").body(body.to_string().as_bytes());
    let length = body.to_string().len().to_string();
    let answer = request.with("Content-Length", &length).ask(&server);
    assert_eq!(answer.status, 200);
    let mut victim = Browser::default();
    victim.take(&answer);
    assert_ne!(victim.refresh, planted.refresh);
    assert_eq!(planted.ask_refresh(&server).status, 401, "the planted session has ended");
    let profile = victim.get(&server, "/auth/profile").json();
    assert_eq!(profile["user"]["username"], "ann");
}
