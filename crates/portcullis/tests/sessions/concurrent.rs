//! Many at the same time, with exact outcomes.
//! Never: one more than allowed, or one fewer than answered.

use std::collections::BTreeSet;
use std::sync::Barrier;

use portcullis_test::{Config, SioClient, hs256, sign_up};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::{code, room, start, unlimited};

#[test]
fn t146_fifty_refreshes_of_one_cookie_have_one_successor() {
    let server = start(&unlimited());
    let _ann = sign_up(&server, "ann");
    let browser = Browser::log_in(&server, "ann");
    let start = Barrier::new(50);
    let answers: Vec<Browser> = std::thread::scope(|scope| {
        let ask = || {
            start.wait();
            let answer = browser.ask_refresh(&server);
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            let mut next = browser.clone();
            next.take(&answer);
            next
        };
        let all: Vec<_> = (0..50).map(|_| scope.spawn(ask)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let successors: BTreeSet<&str> = answers.iter().map(|next| next.refresh.as_str()).collect();
    assert_eq!(successors.len(), 1);
    assert_ne!(*successors.first().unwrap(), browser.refresh);
    // All fifty tokens are of the one session, which stands.
    for next in &answers {
        assert_eq!(next.get(&server, "/auth/profile").status, 200);
    }
    let sessions = answers[0].get(&server, "/auth/sessions").json();
    let count = sessions["sessions"].as_array().unwrap().len();
    assert_eq!(count, 2, "signing up logged in once, the browser once");
    assert_eq!(answers[0].ask_refresh(&server).status, 200);
}

#[test]
fn fifty_connects_of_one_user_let_exactly_five_in() {
    let server = start(&Config::default());
    let token = hs256("many");
    let start = Barrier::new(50);
    let mut clients: Vec<(SioClient, Result<Value, Value>)> = std::thread::scope(|scope| {
        let ask = || {
            let mut client = SioClient::open(&server);
            start.wait();
            let answer = client.join_namespace("/", &json!({ "token": token }).to_string());
            (client, answer)
        };
        let all: Vec<_> = (0..50).map(|_| scope.spawn(ask)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let (inside, refused): (Vec<_>, Vec<_>) =
        clients.iter_mut().partition(|(_, answer)| answer.is_ok());
    assert_eq!((inside.len(), refused.len()), (5, 45));
    for (client, answer) in refused {
        assert_eq!(answer.as_ref().unwrap_err()["data"]["code"], "connection_limit");
        assert_eq!(client.close_code(), Some(1008));
    }
    for (client, _) in inside {
        assert_eq!(code(&client.ask("room:list", &json!({}))), "ok");
    }
    drop(clients);
    // Every place is free again.
    let again: Vec<_> = (0..5).map(|_| SioClient::connect(&server, &token)).collect();
    assert_eq!(again.len(), 5);
}

/// Connections of the member, and what each sends: fewer than what ends one for its violations.
const SENDERS: usize = 20;
const EACH: usize = 5;

#[test]
fn concurrent_sends_of_a_removed_member_stop_at_the_kick() {
    let mut config = unlimited();
    config.capacity.push(format!("connections_per_user = {SENDERS}"));
    let server = start(&config);
    for round in 0..5 {
        let member = sign_up(&server, &format!("member{round}"));
        let mut owner = SioClient::connect(&server, &hs256(&format!("owner{round}")));
        let hall = room(&mut owner, "public");
        let place = json!({ "roomId": hall });
        let mut senders: Vec<SioClient> = (0..SENDERS)
            .map(|_| {
                let mut sender = SioClient::connect(&server, &member.token);
                assert_eq!(code(&sender.ask("room:join", &place)), "ok");
                sender
            })
            .collect();
        let kick = json!({ "roomId": hall, "userId": member.id });
        let go = Barrier::new(SENDERS + 1);
        let send = |(number, sender): (usize, &mut SioClient)| {
            for one in 0..EACH {
                let text = format!("{number}-{one}");
                let payload = json!({ "roomId": hall, "message": text });
                sender.send(&format!("42{one}{}", json!(["chat:send", payload])));
                if one == 1 {
                    go.wait();
                }
            }
            let mut taken = Vec::new();
            for one in 0..EACH {
                let prefix = format!("43{one}[");
                let answer = sender.wait_packet(|packet| packet.starts_with(&prefix));
                let answer: Value =
                    serde_json::from_str(&answer[prefix.len()..answer.len() - 1]).unwrap();
                match code(&answer) {
                    "ok" => taken.push(format!("{number}-{one}")),
                    other => assert_eq!(other, "forbidden", "{answer}"),
                }
            }
            taken
        };
        let (acknowledged, newest) = std::thread::scope(|scope| {
            let sending: Vec<_> =
                senders.iter_mut().enumerate().map(|one| scope.spawn(move || send(one))).collect();
            go.wait();
            assert_eq!(code(&owner.ask("room:kick", &kick)), "ok");
            // What was taken before the removal was answered is there now, and nothing comes later.
            let history = owner.ask("chat:history", &json!({ "roomId": hall, "limit": 100 }));
            let newest = history["messages"].as_array().unwrap().len();
            let taken: BTreeSet<String> =
                sending.into_iter().flat_map(|one| one.join().unwrap()).collect();
            (taken, newest)
        });
        let history = owner.ask("chat:history", &json!({ "roomId": hall, "limit": 100 }));
        let stored: Vec<String> = history["messages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["message"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(stored.len(), newest, "stored after the removal was answered");
        let distinct: BTreeSet<String> = stored.iter().cloned().collect();
        assert_eq!(distinct.len(), stored.len(), "stored twice");
        assert_eq!(distinct, acknowledged, "stored and acknowledged are the same");
        for expect in (0..stored.len()).map(|_| owner.event("chat:message")) {
            assert!(acknowledged.contains(expect["message"].as_str().unwrap()));
        }
        assert!(!owner.seen.iter().any(|packet| packet.contains("chat:message")), "heard twice");
    }
}
