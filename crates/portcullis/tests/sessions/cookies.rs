//! T-262: what every cookie of the server's looks like, whichever answer sets it.
//! Never: a cookie another host, a script or plain text gets to see.

use portcullis_test::{Answer, Request, login, sign_up};
use serde_json::json;

use crate::browser::Browser;
use crate::{start, unlimited};

/// A browser keeps no longer one (RFC 6265bis section 5.6).
const COOKIE_MAX_BYTES: usize = 4_096;

/// Each cookie of an answer is the server's alone; gives their names.
fn names(answer: &Answer) -> Vec<String> {
    let cookies = answer.values("set-cookie");
    let name = |cookie: &&str| {
        let mut parts = cookie.split("; ");
        let (name, _) = parts.next().unwrap().split_once('=').unwrap();
        let mut attributes: Vec<&str> = parts.collect();
        attributes.sort_unstable();
        assert!(name.starts_with("__Host-"), "{cookie}");
        assert_eq!(attributes[0], "HttpOnly", "{cookie}");
        assert!(attributes[1].starts_with("Max-Age="), "{cookie}");
        assert_eq!(attributes[2..], ["Path=/", "SameSite=Strict", "Secure"], "{cookie}");
        assert!(cookie.len() <= COOKIE_MAX_BYTES, "{} bytes", cookie.len());
        name.to_owned()
    };
    let mut names: Vec<String> = cookies.iter().map(name).collect();
    names.sort_unstable();
    names
}

#[test]
fn t262_every_cookie_is_of_this_host_and_out_of_reach_of_scripts() {
    let server = start(&unlimited());
    // The longest name there may be is in no cookie, but might be.
    let username = "u".repeat(32);
    let _person = sign_up(&server, &username);
    let all = ["__Host-adm", "__Host-device", "__Host-rt"];
    let answer = login(&server, &username, "a plain long sentence of my own");
    assert_eq!(names(&answer), all);
    let mut browser = Browser::log_in(&server, &username);
    let answer = browser.ask_refresh(&server);
    assert_eq!(answer.status, 200);
    assert_eq!(names(&answer), ["__Host-adm", "__Host-rt"]);
    browser.take(&answer);
    let answer = browser.post(&server, "/auth/ticket", &json!({}));
    assert_eq!(answer.status, 200);
    assert_eq!(names(&answer), ["__Host-adm"]);
    let answer = browser.by_cookie(&server, "/auth/logout").ask(&server);
    assert_eq!(answer.status, 200);
    assert_eq!(names(&answer), ["__Host-adm", "__Host-rt"], "they are taken away");
    // No other client gets one.
    for path in ["/", "/nothing", "/socket.io/?EIO=4&transport=polling"] {
        let answer = Request::get(&server, path).header("Origin", &server.origin).ask(&server);
        assert_eq!(names(&answer), [""; 0], "{path}");
    }
    assert_eq!(names(&login(&server, &username, "not the password")), [""; 0]);
}
