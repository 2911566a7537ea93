//! Guessing, and what may be a password.
//! Never: a way to lock users out of their own accounts.

use portcullis_test::{Config, Request, TestServer, login, register, sign_up};
use serde_json::json;

use crate::start;

const PASSWORD: &str = "a plain long sentence of my own";

/// The product's own rates of log-ins, but those of an address.
fn config() -> Config {
    Config::default()
}

fn device_of(answer: &portcullis_test::Answer) -> String {
    let cookies = answer.values("set-cookie");
    let device = cookies.iter().find(|cookie| cookie.starts_with("__Host-device=")).unwrap();
    device.split(';').next().unwrap().to_owned()
}

fn login_from(server: &TestServer, name: &str, password: &str, cookie: &str) -> u16 {
    let body = json!({ "username": name, "password": password }).to_string();
    Request::post(server, "/auth/login", &body)
        .header("Origin", &server.origin)
        .header("Cookie", cookie)
        .ask(server)
        .status
}

#[test]
fn t027_flood_on_a_name_is_rejected_and_its_owner_is_admitted() {
    let server = start(&config());
    let _ann = sign_up(&server, "ann");
    let device = device_of(&login(&server, "ann", PASSWORD));
    let statuses: Vec<u16> = (0..40).map(|_| login(&server, "ann", "wrong").status).collect();
    let tried = statuses.iter().filter(|status| **status == 401).count();
    assert!((1..=10).contains(&tried), "{tried} guesses were checked");
    assert!(statuses[tried..].iter().all(|status| *status == 429), "{statuses:?}");
    // From an unknown device, even the right password is not checked any more.
    let answer = login(&server, "ann", PASSWORD);
    assert_eq!((answer.status, answer.code().as_str()), (429, "rate_limited"));
    assert!(answer.header("retry-after").is_some());
    assert_eq!(login_from(&server, "ann", PASSWORD, &device), 200);
    // A device of another user, and a made-up one, are not known.
    let _eve = sign_up(&server, "eve");
    let foreign = device_of(&login(&server, "eve", PASSWORD));
    for cookie in [foreign.as_str(), "__Host-device=made-up", "__Host-device="] {
        assert_eq!(login_from(&server, "ann", PASSWORD, cookie), 429, "{cookie}");
    }
    // Other names are not touched by it, and a name that is nobody's is closed the same way.
    assert_eq!(login(&server, "eve", PASSWORD).status, 200);
    assert_eq!(register(&server, "some_user", PASSWORD).status, 201);
    let [some_user, no_user] = ["some_user", "missing"]
        .map(|name| (0..20).map(|_| login(&server, name, "wrong").status).collect::<Vec<_>>());
    assert_eq!(some_user, no_user, "an unknown name differs from a known one");
    for code in ["authn_login_fail", "authn_login_fail_max"] {
        let _record = server.records.wait_for(|record| record["event"]["code"] == code);
    }
}

#[test]
fn t027_address_has_one_login_limit_over_all_names() {
    let mut config = Config::strict_rates();
    config.rate = vec![String::from("request_per_prefix = \"100000/60s\"")];
    let server = start(&config);
    let statuses: Vec<u16> =
        (0..60).map(|number| login(&server, &format!("name{number}"), "wrong").status).collect();
    let tried = statuses.iter().filter(|status| **status == 401).count();
    assert!((15..=21).contains(&tried), "{tried}");
    assert_eq!(statuses.last(), Some(&429));
}

#[test]
fn t028_whatever_is_wrong_is_answered_alike() {
    let server = start(&config());
    for name in ["known", "locked", "banned"] {
        let _made = sign_up(&server, name);
    }
    let mark = server.records.mark();
    for act in [["user", "lock", "locked"], ["user", "ban", "banned"]] {
        assert_eq!(server.operate(&act, "").status.code(), Some(0));
    }
    let _in_force = server.records.wait_after(mark, |record| {
        record["message"].as_str().is_some_and(|response| response.starts_with("banned for ever"))
    });
    let attempts = [
        ("known", "not the password"),
        ("unknown", PASSWORD),
        ("locked", PASSWORD),
        ("banned", PASSWORD),
        ("locked", "not the password"),
        ("no name at all!", PASSWORD),
        ("", PASSWORD),
        ("known", ""),
    ];
    let answers: Vec<_> = attempts
        .iter()
        .map(|(name, password)| {
            let answer = login(&server, name, password);
            let mut body = answer.json();
            assert!(body["ref"].take().is_string());
            (answer.status, body, answer.headers)
        })
        .collect();
    for (attempt, answer) in attempts.iter().zip(&answers) {
        assert_eq!(*answer, answers[0], "{attempt:?}");
    }
    assert_eq!(answers[0].0, 401);
}

#[test]
fn t029_password_is_unchanged_or_rejected_before_it_is_hashed() {
    let server = start(&config());
    let longest = "pæsswörd-🦊 "
        .chars()
        .cycle()
        .enumerate()
        .map(|(at, one)| if at % 11 == 0 { char::from(b'a' + (at / 11) as u8) } else { one })
        .take(128)
        .collect::<String>();
    let taken =
        ["  spaces at the ends  ", "🦊🦊🦊🦊 a fox's own", "null\u{0}byte within it", &longest];
    for (number, password) in taken.into_iter().enumerate() {
        let name = format!("user{number}");
        let made = register(&server, &name, password);
        assert_eq!(made.status, 201, "{password:?}: {}", String::from_utf8_lossy(&made.body));
        assert_eq!(login(&server, &name, password).status, 200, "{password:?}");
        assert_eq!(
            login(&server, &name, password.trim()).status == 200,
            password.trim() == password
        );
        let cut = &password[..password.char_indices().last().unwrap().0];
        assert_eq!(login(&server, &name, cut).status, 401, "{password:?}");
    }
    let too_long = format!("{longest}x");
    let refused = [
        "short12",
        "password123456789",
        "qwertyuiop",
        "12345678",
        "portcullis",
        "someuser1",
        &too_long,
    ];
    for password in refused {
        let answer = register(&server, "someuser", password);
        assert_eq!((answer.status, answer.code().as_str()), (400, "weak_password"), "{password:?}");
    }
    let large = "x".repeat(64 << 10);
    for answer in [register(&server, "someuser", &large), login(&server, "user0", &large)] {
        assert_eq!((answer.status, answer.code().as_str()), (413, "too_large"));
    }
    // What goes on sending after the answer is cut off, which may cost it the answer (status 0).
    let huge = "x".repeat(1 << 20);
    let refused = login(&server, "user0", &huge).status;
    assert!(refused == 413 || refused == 0, "{refused}");
    let log = server.records.text();
    assert!(!log.contains("fox's own") && !log.contains("spaces at the ends"));
}
