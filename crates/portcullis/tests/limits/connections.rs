//! T-083 to T-088: how many connections a user, strangers, and rooms a connection may have.
//! Never: one more than allowed, also when all come at the same moment.

use std::sync::Barrier;

use portcullis_test::{Config, Gauges, Request, SioClient, WAIT, hs256, now_s};
use serde_json::json;

use crate::clients::{alive, code_of, create_room, join, open_from, recorded, start};
use crate::clients::{try_sign_in, unlimited};

fn deadline_s() -> i64 {
    now_s() + i64::try_from(WAIT.as_secs()).unwrap()
}

#[test]
fn t083_of_fifty_connects_at_one_moment_exactly_five_succeed() {
    let mut config = Config::default();
    config.transport.push("connect_timeout_ms = 60000".into());
    let server = start(&config);
    let token = hs256("ann");
    let barrier = Barrier::new(50);
    let outcomes: Vec<_> = std::thread::scope(|scope| {
        let attempt = || {
            let mut client = SioClient::open(&server);
            barrier.wait();
            let outcome = try_sign_in(&mut client, &token);
            (client, outcome)
        };
        let threads: Vec<_> = (0..50).map(|_| scope.spawn(attempt)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let let_in = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    assert_eq!(let_in, 5);
    for (mut client, outcome) in outcomes {
        match outcome {
            Ok(()) => assert_eq!(client.ask("room:list", &json!({}))["ok"], true),
            Err(refusal) => {
                assert_eq!(refusal["data"]["code"], "connection_limit", "{refusal}");
                assert_eq!(client.close_code(), Some(1008));
            }
        }
    }
    recorded(&server, "connections_per_user");
    alive(&server);
}

#[test]
fn t084_places_of_clients_that_vanished_are_given_back() {
    let mut config = Config::default();
    let short = ["ping_interval_ms = 300", "ping_timeout_ms = 300"];
    config.transport.extend(short.map(String::from));
    let server = start(&config);
    let token = hs256("ann");
    // They hold their sockets and never say another word: no end of stream reaches the server.
    let _vanished: Vec<_> = (0..5).map(|_| SioClient::connect(&server, &token)).collect();
    let end = deadline_s();
    while try_sign_in(&mut SioClient::open(&server), &token).is_err() {
        assert!(now_s() < end, "the places were not given back");
    }
    recorded(&server, "ping_timeout");
    alive(&server);
}

#[test]
fn t085_strangers_fill_their_own_pool_and_no_other() {
    let mut config = Config::default();
    config.capacity.extend(["connections_total = 12", "pre_auth_total = 4"].map(String::from));
    config.overload.push(String::from("waiting_strangers = 0"));
    config.transport.push("connect_timeout_ms = 4000".into());
    let server = start(&config);
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    let mut strangers: Vec<_> = (0..4).map(|_| SioClient::open(&server)).collect();
    for path in ["/socket.io/?EIO=4&transport=websocket", "/ws"] {
        let answer = Request::upgrade(&server, path).ask(&server);
        assert_eq!(answer.status, 503);
    }
    recorded(&server, "pre_auth_total");
    assert_eq!(ann.ask("room:list", &json!({}))["ok"], true, "users are not touched");
    // They stay as long as they are let; then there is room again.
    for stranger in &mut strangers {
        assert_eq!(stranger.close_code(), Some(4408));
    }
    let end = deadline_s();
    while Request::upgrade(&server, "/ws").ask(&server).status != 101 {
        assert!(now_s() < end, "the pool was not given back");
    }
    let users: Vec<_> = (0..6)
        .map(|number| SioClient::connect(&server, &hs256(&format!("user-{number}"))))
        .collect();
    assert_eq!(users.len(), 6, "signed in, they are in the other pool");
    alive(&server);
}

#[test]
fn t086_churn_leaves_no_place_taken() {
    let server = start(&Config::default());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let server = &server;
            scope.spawn(move || {
                for round in 0..40 {
                    let mut client = SioClient::open(server);
                    // Some go before they are anybody, some after; some without a word.
                    if round % 2 == 0 {
                        client.sign_in(&hs256(&format!("churn-{thread}-{round}")));
                    }
                    if round % 3 == 0 {
                        client.socket.connection.reset();
                    }
                }
            });
        }
    });
    Gauges::default().wait_for(&server);
    alive(&server);
}

#[test]
fn t088_a_connection_hears_128_rooms_and_no_more() {
    let mut config = unlimited();
    config.capacity.push("rooms_per_user = 128".into());
    let server = start(&config);
    let mut owner = SioClient::connect(&server, &hs256("owner"));
    let rooms: Vec<_> = (0..128).map(|n| create_room(&mut owner, &format!("r{n}"))).collect();
    let one_more = json!({ "name": "more", "visibility": "public" });
    assert_eq!(code_of(&owner.ask("room:create", &one_more)), "limit_reached");
    let mut other = open_from(&server, [127, 0, 0, 2]);
    other.sign_in(&hs256("other"));
    let last = create_room(&mut other, "last");
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    rooms.iter().for_each(|room| join(&mut ann, room));
    let refused = ann.ask("room:join", &json!({ "roomId": last }));
    assert_eq!(code_of(&refused), "limit_reached");
    assert_eq!(ann.ask("room:leave", &json!({ "roomId": rooms[0] }))["ok"], true);
    join(&mut ann, &last);
    alive(&server);
}

#[test]
fn t088_a_user_owns_as_many_rooms_as_allowed() {
    let mut config = unlimited();
    config.capacity.extend(["rooms_per_user = 3", "members_per_room = 2"].map(String::from));
    let server = start(&config);
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    let rooms: Vec<_> = (0..3).map(|n| create_room(&mut ann, &format!("r{n}"))).collect();
    let one_more = json!({ "name": "more", "visibility": "public" });
    assert_eq!(code_of(&ann.ask("room:create", &one_more)), "limit_reached");
    assert_eq!(ann.ask("room:delete", &json!({ "roomId": rooms[0] }))["ok"], true);
    create_room(&mut ann, "more");
    let mut bob = SioClient::connect(&server, &hs256("bob"));
    join(&mut bob, &rooms[1]);
    let mut cat = SioClient::connect(&server, &hs256("cat"));
    let full = cat.ask("room:join", &json!({ "roomId": rooms[1] }));
    assert_eq!(code_of(&full), "limit_reached");
    alive(&server);
}
