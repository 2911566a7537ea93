//! T-083 to T-088: limits of connections per user and of rooms per connection.
//! Never: one more than allowed, also if all arrive at the same moment.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis_test::{
    Config, Connection, Gauges, PollingClient, Request, SioClient, TestServer, WAIT, counter,
    hs256, now_s, processor_ms, until,
};
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
    let admitted = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).count();
    assert_eq!(admitted, 5);
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
fn t084_client_that_does_not_answer_makes_room_and_those_that_do_stay() {
    let mut config = Config::default();
    let busy = ["message_per_user = \"10000000/1s\"", "message_per_connection = \"10000000/1s\""];
    config.rate.extend(busy.map(String::from));
    config.rate.push("event_per_user = { \"room:list\" = \"10000000/1s\" }".into());
    let server = start(&config);
    let token = hs256("ann");
    let mut clients: Vec<_> = (0..5).map(|_| SioClient::connect(&server, &token)).collect();
    // All of them were heard just now.
    let rejected = try_sign_in(&mut SioClient::open(&server), &token).unwrap_err();
    assert_eq!(rejected["data"]["code"], "connection_limit", "{rejected}");
    recorded(&server, "connections_per_user");
    // The server asks, and four of them answer.
    let mut silent = clients.remove(2);
    let done = AtomicBool::new(false);
    let sixth = std::thread::scope(|scope| {
        for client in &mut clients {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(client.ask("room:list", &json!({}))["ok"], true, "it stays");
                    std::thread::sleep(Duration::from_millis(100));
                }
            });
        }
        let sixth = until("the slot of the silent client", || {
            let mut client = SioClient::open(&server);
            try_sign_in(&mut client, &token).ok().map(|()| client)
        });
        done.store(true, Ordering::Relaxed);
        sixth
    });
    assert_eq!(silent.close_code(), Some(1000));
    for client in clients.iter_mut().chain([&mut { sixth }]) {
        assert_eq!(client.ask("room:list", &json!({}))["ok"], true);
    }
    alive(&server);
}

#[test]
fn t085_unauthenticated_clients_fill_only_their_own_pool() {
    let mut config = Config::default();
    config.capacity.extend(["connections_total = 12", "pre_auth_total = 4"].map(String::from));
    config.overload.push(String::from("waiting_strangers = 0"));
    config.transport.push("connect_timeout_ms = 4000".into());
    let server = start(&config);
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    let mut unauthenticated_clients: Vec<_> = (0..4).map(|_| SioClient::open(&server)).collect();
    for path in ["/socket.io/?EIO=4&transport=websocket", "/ws"] {
        let answer = Request::upgrade(&server, path).ask(&server);
        assert_eq!(answer.status, 503);
    }
    recorded(&server, "pre_auth_total");
    assert_eq!(ann.ask("room:list", &json!({}))["ok"], true, "users are not touched");
    // They stay as long as they are let; then there is room again.
    for outsider in &mut unauthenticated_clients {
        assert_eq!(outsider.close_code(), Some(4408));
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
fn t086_thousands_of_connections_release_each_slot_once() {
    let mut config = Config::plaintext();
    let long = ["connect_timeout_ms = 60000", "handshake_timeout_ms = 60000"];
    config.transport.extend(long.map(String::from));
    config.rate.push("namespace_per_user = \"100000/60s\"".into());
    config.rate.push("signature_per_user = \"100000/60s\"".into());
    // The clients that stay are silent all the time.
    config.capacity.push("when_user_full = \"refuse\"".into());
    let server = start(&config);
    // A remaining connection reveals a slot that is released twice.
    let ann = hs256("ann");
    let users: Vec<_> = (0..3).map(|_| SioClient::connect(&server, &ann)).collect();
    let unauthenticated_clients: Vec<_> = (0..4).map(|_| SioClient::open(&server)).collect();
    let keys = Request::get(&server, "/.well-known/jwks.json");
    let mut kept: Vec<_> = (0..5).map(|_| Connection::open(&server)).collect();
    kept.iter_mut().for_each(|connection| assert_eq!(keys.ask_on(connection).status, 200));
    let held = Gauges { open: 7, pre_auth: 4, authenticated: 3 };
    held.wait_for(&server);
    let http_open = || counter(&server, "portcullis_http_open");
    until("requests to be over", || (http_open() == 5).then_some(()));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (server, ann, keys) = (&server, &ann, &keys);
            scope.spawn(move || {
                for round in 0..2_000 {
                    churn(server, thread * 2_000 + round, ann, keys);
                }
            });
        }
    });
    held.wait_for(&server);
    until("the HTTP places given back", || (http_open() == 5).then_some(()));
    // Nor did the user who came and went gain or lose any of five.
    let more: Vec<_> = (0..2).map(|_| SioClient::connect(&server, &ann)).collect();
    assert!(try_sign_in(&mut SioClient::open(&server), &ann).is_err(), "a sixth one");
    drop((users, unauthenticated_clients, kept, more));
    Gauges::default().wait_for(&server);
    until("no HTTP place taken", || (http_open() == 0).then_some(()));
    alive(&server);
}

/// One client that comes and goes, in one of many ways.
fn churn(server: &TestServer, number: u32, ann: &str, keys: &Request) {
    match number % 8 {
        // Before it is authenticated, with or without a message.
        0 => drop(SioClient::open(server)),
        1 => SioClient::open(server).socket.connection.reset(),
        // Signed in; by the protocol, by FIN, by RST. The user has few places: some are refused.
        2 => {
            let mut client = SioClient::connect(server, &hs256(&format!("churn-{number}")));
            client.send("1");
            assert_eq!(client.close_code(), Some(1000));
        }
        3 => drop(try_sign_in(&mut SioClient::open(server), ann)),
        4 => {
            let client = SioClient::connect(server, &hs256(&format!("churn-{number}")));
            client.socket.connection.reset();
        }
        // Long-polling, left by the protocol.
        5 => PollingClient::open(server).say("1"),
        // Requests: answered and left, or left in the middle.
        6 => assert_eq!(keys.ask(server).status, 200),
        _ => {
            let mut connection = Connection::open(server);
            connection.send(&keys.bytes()[..20]);
            if number % 16 == 7 {
                connection.reset();
            }
        }
    }
}

#[test]
fn t088_connection_joins_at_most_128_rooms() {
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
fn t088_joining_and_leaving_many_rooms_keeps_cost_and_limit_constant() {
    const ROOMS: usize = 1_000;
    let mut config = unlimited();
    config.rate.retain(|line| !line.starts_with("event_per_user"));
    let events = ["room:create", "room:join", "room:leave"]
        .map(|name| format!("\"{name}\" = \"100000/60s\""));
    config.rate.push(format!("event_per_user = {{ {} }}", events.join(", ")));
    config.capacity.push(String::from("rooms_per_user = 128"));
    let server = start(&config);
    let rooms: Vec<String> = (0..ROOMS.div_ceil(125))
        .flat_map(|number| {
            let mut owner = SioClient::connect(&server, &hs256(&format!("owner-{number}")));
            (0..125).map(|n| create_room(&mut owner, &format!("r{number}-{n}"))).collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(rooms.len(), ROOMS);
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    rooms[..128].iter().for_each(|room| join(&mut ann, room));
    for room in &rooms[128..] {
        let refused = ann.ask("room:join", &json!({ "roomId": room }));
        assert_eq!(code_of(&refused), "limit_reached");
    }
    // A user in as many rooms who leaves and joins one of them again and again.
    let mut bob = SioClient::connect(&server, &hs256("bob"));
    rooms[..128].iter().for_each(|room| join(&mut bob, room));
    let before_kib = server.resident_kib();
    let turn = |client: &mut SioClient, out: &str, back: &str| {
        let left = client.ask("room:leave", &json!({ "roomId": out }));
        assert_eq!(left["ok"], true, "{left}");
        join(client, back);
    };
    let mut costs_ms = [0, 0];
    // In turns, so that what else the machine does takes as much of either.
    for round in (0..ROOMS - 128).collect::<Vec<_>>().chunks(40) {
        let start_ms = processor_ms(&server);
        round.iter().for_each(|_| turn(&mut bob, &rooms[0], &rooms[0]));
        let middle_ms = processor_ms(&server);
        round.iter().for_each(|&number| turn(&mut ann, &rooms[number], &rooms[number + 128]));
        costs_ms[0] += middle_ms - start_ms;
        costs_ms[1] += processor_ms(&server) - middle_ms;
    }
    let refused = ann.ask("room:join", &json!({ "roomId": rooms[0] }));
    assert_eq!(code_of(&refused), "limit_reached", "128 of them");
    let grown = server.resident_kib().saturating_sub(before_kib);
    eprintln!("{costs_ms:?} ms for one room and for a thousand, {grown} KiB more");
    assert!(costs_ms[1] <= 2 * costs_ms[0] + 100, "{costs_ms:?} ms");
    assert!(grown < 4 * 1024, "{grown} KiB more");
    alive(&server);
}

#[test]
fn t088_room_over_the_limit_of_its_owner_is_rejected() {
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
