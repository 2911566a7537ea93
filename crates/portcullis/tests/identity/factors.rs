//! Second factors, recovery codes and invitations: each code once, however many try it.
//! Never: an administrator by password alone, where two factors are asked for.

use std::sync::Barrier;

use portcullis_test::{
    Config, ProcessOptions, Request, TestServer, authenticator_code, set_up, sign_up,
};
use serde_json::json;

use crate::requests::{PASSWORD, log_in, post};
use crate::start;

/// Adds a second factor for the user of a token; returns its secret and its recovery codes.
fn add_factor(server: &TestServer, token: &str) -> (String, Vec<String>) {
    let started = post(server, "/auth/totp/begin", token, &json!({})).json();
    let secret = started["secret"].as_str().unwrap().to_owned();
    let code = json!({ "code": authenticator_code(&secret, 0) });
    let confirmed = post(server, "/auth/totp/confirm", token, &code);
    assert_eq!(confirmed.status, 200, "{}", String::from_utf8_lossy(&confirmed.body));
    let confirmed = confirmed.json();
    let codes = confirmed["recovery_codes"].as_array().unwrap();
    (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

#[test]
fn code_is_required_and_accepted_once_also_for_twenty_at_once() {
    let server = start(&Config::default());
    let ann = sign_up(&server, "ann");
    let (secret, recovery) = add_factor(&server, &ann.token);
    assert_eq!(recovery.len(), 10);
    let request = log_in(&server, "ann", None);
    assert_eq!((request.status, request.code().as_str()), (401, "totp_required"));
    // The code that confirmed it is used up; the next one is good, once.
    assert_eq!(log_in(&server, "ann", Some(&authenticator_code(&secret, 0))).status, 401);
    let many = |code: &str| {
        let go = Barrier::new(8);
        std::thread::scope(|scope| {
            let ask = || {
                go.wait();
                log_in(&server, "ann", Some(code)).status
            };
            let all: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
            all.into_iter().map(|one| one.join().unwrap()).filter(|status| *status == 200).count()
        })
    };
    assert_eq!(many(&authenticator_code(&secret, 1)), 1);
    let text = server.records.text();
    assert!(!text.contains(&secret) && !text.contains(&recovery[0]));
    drop(text);

    let bob = sign_up(&server, "bob");
    let (_, recovery) = add_factor(&server, &bob.token);
    let go = Barrier::new(8);
    let inside = std::thread::scope(|scope| {
        let ask = || {
            go.wait();
            log_in(&server, "bob", Some(&recovery[0])).status
        };
        let all: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        all.into_iter().map(|one| one.join().unwrap()).filter(|status| *status == 200).count()
    });
    assert_eq!(inside, 1);
    assert_eq!(log_in(&server, "bob", Some(&recovery[1])).status, 200);
}

#[test]
fn t063_administrator_needs_two_factors_in_production() {
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let server = start(&Config {
        profile: String::from("production"),
        plaintext: true,
        origin: vec![String::from("allowed = [\"https://app.example\"]")],
        process: ProcessOptions::with_environment(vec![variable(
            "PORTCULLIS__LISTEN__HOSTS",
            "[\"app.example\"]",
        )]),
        ..Config::default()
    });
    let root = set_up(&server, "root");
    let answer = log_in(&server, "root", None).json();
    assert_eq!(answer["totp_setup_required"], true);
    assert_eq!(answer["user"]["roles"], json!(["user"]));
    let invite = |token: &str| post(&server, "/auth/invitations", token, &json!({})).status;
    assert_eq!(invite(&root.token), 403);
    let (secret, _) = add_factor(&server, &root.token);
    assert_eq!(invite(&root.token), 201, "the session that added it goes on, with its rights");
    let answer = log_in(&server, "root", Some(&authenticator_code(&secret, 1))).json();
    assert_eq!(answer["user"]["roles"], json!(["admin", "user"]));
    // Taken away again, the rights go with it.
    let token = answer["access_token"].as_str().unwrap();
    let output = server.operate(&["user", "remove-totp", "root"], "");
    assert_eq!(output.status.code(), Some(0));
    let _in_force = server.records.wait_for(|record| {
        record["message"]
            .as_str()
            .is_some_and(|response| response.starts_with("second factor removed"))
    });
    let status = invite(token);
    assert!(status == 403 || status == 401, "{status}");
}

#[test]
fn simultaneous_uses_of_an_invitation_register_one_user() {
    let invited = "[accounts]\nregistration = \"invitation\"\n";
    let server = start(&Config { more: invited.to_owned(), ..Config::default() });
    let root = set_up(&server, "root");
    let made = post(&server, "/auth/invitations", &root.token, &json!({}));
    assert_eq!(made.status, 201);
    let invitation = made.json()["invitation"].clone();
    let go = Barrier::new(20);
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let register = |number: usize| {
            let body = json!({ "username": format!("guest{number}"), "password": PASSWORD,
                "invitation": invitation });
            go.wait();
            Request::post(&server, "/auth/register", &body.to_string()).ask(&server).status
        };
        let all: Vec<_> = (0..20).map(|number| scope.spawn(move || register(number))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 1, "{statuses:?}");
    // The password queue rejects requests that would wait too long; it admits no other request.
    assert!(statuses.iter().all(|status| [201, 403, 503].contains(status)), "{statuses:?}");
    assert!(!server.records.text().contains(invitation.as_str().unwrap()));
}
