//! T-070 to T-081: how often an address may connect and a user may send; violations; releases.
//! Never: a bucket that a new connection, a new name or a header empties.

use std::net::IpAddr;

use portcullis_test::{
    Answer, Config, Connection, PollingClient, Request, SEPARATOR, SioClient, WAIT, hs256, login,
};
use portcullis_test::{TestServer, counter, now_s, processor_ms, timed, until};
use serde_json::json;

use crate::clients::{alive, code_of, create_room, join, recorded, start};

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";

fn connect(server: &TestServer, source: [u8; 4], request: &Request) -> Answer {
    request.ask_on(&mut Connection::open_from(server, IpAddr::from(source)))
}

fn assert_limited(answer: &Answer) {
    assert_eq!(answer.status, 429);
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=90).contains(&wait), "a period, and half of it at random: {wait}");
}

#[test]
fn t070_eleventh_connect_of_an_address_is_rejected_for_it_alone() {
    let server = start(&Config::strict_rates());
    let upgrade = Request::upgrade(&server, PATH);
    for _ in 0..10 {
        assert_eq!(connect(&server, [127, 0, 0, 1], &upgrade).status, 101);
    }
    assert_limited(&connect(&server, [127, 0, 0, 1], &upgrade));
    let plain = Request::upgrade(&server, "/ws");
    let answer = connect(&server, [127, 0, 0, 1], &plain);
    assert_limited(&answer);
    assert_eq!(answer.code(), "rate_limited");
    assert_eq!(connect(&server, [127, 9, 8, 7], &upgrade).status, 101);
    recorded(&server, "connect_per_prefix");
    alive(&server);
}

#[test]
fn t071_rate_refills_gradually() {
    let mut config = Config::default();
    config.rate.push("login_per_user = \"4/20s\"".into());
    let server = start(&config);
    let attempt = || login(&server, "missing-user", "not the password");
    for _ in 0..4 {
        assert_eq!(attempt().status, 401);
    }
    assert_limited(&attempt());
    let end = now_s() + i64::try_from(WAIT.as_secs()).unwrap() * 2;
    while attempt().status == 429 {
        assert!(now_s() < end, "never admitted again");
    }
    // A fixed window would admit three more; a bucket that drains admits one at a time.
    assert_limited(&attempt());
    recorded(&server, "login_per_user");
    alive(&server);
}

#[test]
fn t073_headers_that_name_another_client_are_not_believed() {
    let server = start(&Config::strict_rates());
    let forged = |number: usize| {
        let address = format!("1.2.3.{number}");
        Request::upgrade(&server, PATH)
            .header("X-Forwarded-For", &address)
            .header("Forwarded", &format!("for={address}"))
            .header("X-Real-IP", &address)
            .header("True-Client-IP", &address)
            .header("CF-Connecting-IP", &address)
            .header("X-Client-IP", &address)
    };
    for number in 0..10 {
        assert_eq!(connect(&server, [127, 0, 0, 1], &forged(number)).status, 101);
    }
    assert_limited(&connect(&server, [127, 0, 0, 1], &forged(10)));
    let record = server.records.wait_for_rule("connect_per_prefix").to_string();
    assert!(record.contains("127.0.0.1") && !record.contains("1.2.3."), "{record}");
    // A client that names a victim's address does not use the victim's budget.
    let victim = Request::upgrade(&server, PATH).header("X-Forwarded-For", "127.5.5.5");
    assert_limited(&connect(&server, [127, 0, 0, 1], &victim));
    assert_eq!(connect(&server, [127, 5, 5, 5], &Request::upgrade(&server, PATH)).status, 101);
    alive(&server);
}

#[test]
fn t079_repeated_attempts_cost_the_same_and_block_no_other_client() {
    const SOME: u64 = 600;
    const BLOCK: u64 = 250;
    const BLOCKS: u8 = 16;
    let server = start(&Config { plaintext: true, ..Config::strict_rates() });
    let source = [127, 8, 8, 8];
    let upgrade = Request::upgrade(&server, PATH);
    let use_up = |source| {
        for _ in 0..10 {
            assert_eq!(connect(&server, source, &upgrade).status, 101);
        }
    };
    let hammer = |source: [u8; 4], count: u64| {
        let before_ms = processor_ms(&server);
        let mut passed = 0;
        for _ in 0..count {
            let mut connection = Connection::open_from(&server, IpAddr::from(source));
            let answer = upgrade.ask_on(&mut connection);
            if answer.status == 101 {
                passed += 1;
                continue;
            }
            assert_limited(&answer);
            assert_eq!(connection.read_to_end(), b"", "it is closed");
        }
        (processor_ms(&server) - before_ms, passed)
    };
    let ((costs_ms, passed), took) = timed(|| {
        use_up(source);
        let (_, mut passed) = hammer(source, SOME);
        // In turns with new clients, so that other load of the machine affects both alike.
        let mut costs_ms = [0, 0];
        for number in 0..BLOCKS {
            let new_client = [127, 8, 9, number];
            use_up(new_client);
            for (index, source) in [new_client, source].into_iter().enumerate() {
                let (cost_ms, more) = hammer(source, BLOCK);
                costs_ms[index] += cost_ms;
                passed += more;
            }
        }
        (costs_ms, passed)
    });
    let [new_clients_ms, repeater_ms] = costs_ms;
    let each = BLOCK * u64::from(BLOCKS);
    eprintln!(
        "{new_clients_ms} ms for new clients, {repeater_ms} ms for the repeater, {each} each"
    );
    // If what came before counted, it would be some ten times as much.
    assert!(repeater_ms <= 2 * new_clients_ms + 50, "{new_clients_ms} ms, {repeater_ms} ms");
    // One attempt every six seconds is admitted, of the repeater and of each new client.
    let most = (took.as_secs() / 6 + 1) * (u64::from(BLOCKS) + 1);
    assert!(passed <= most, "{passed} of {most} in {took:?}");
    // Each is counted, five a minute of each source are written down, and none is a violation.
    let labels = "{rule=\"connect_per_prefix\",code=\"rate_limited\",key=\"prefix\"}";
    let counted = counter(&server, &format!("portcullis_refusals_total{labels}"));
    assert_eq!(counted, SOME + 2 * each - passed);
    let records = server.records.all();
    assert!(records.iter().all(|record| record["rule"]["name"] != "penalty_per_prefix"));
    let minutes = took.as_secs() / 60 + 1;
    let written = records.iter().filter(|record| {
        record["rule"]["name"] == "connect_per_prefix"
            && record["source"]["ip"] == "127.8.8.8"
            && record["event"]["reason"] != "sampled"
    });
    let written = written.count() as u64;
    assert!((1..=5 * minutes).contains(&written), "{written} in {minutes} minutes");
    let most = 5 * (u64::from(BLOCKS) + 1) * minutes;
    assert!(counter(&server, "portcullis_log_sampled_total") >= counted - most);
    // A client that waits as long as required is admitted, whatever the number of earlier attempts.
    let mut answer = connect(&server, source, &upgrade);
    if answer.status == 429 {
        let wait_s: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(wait_s <= 90, "{wait_s}");
        until("a repeater that stops is admitted", || {
            answer = connect(&server, source, &upgrade);
            (answer.status == 101).then_some(())
        });
    }
    alive(&server);
}

#[test]
fn t080_eleventh_message_in_a_minute_is_rejected() {
    let server = start(&Config::default());
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    let room = create_room(&mut ann, "talk");
    let message = json!({ "roomId": room, "message": "hi" });
    for _ in 0..10 {
        assert_eq!(ann.ask("chat:send", &message)["ok"], true);
    }
    let refused = ann.ask("chat:send", &message);
    assert_eq!(code_of(&refused), "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused["error"]["retry_after_s"], 6, "the real time: {refused}");
    recorded(&server, "event_per_user");
    assert_eq!(ann.ask("room:list", &json!({}))["ok"], true, "other events go on");
    let mut bob = SioClient::connect(&server, &hs256("bob"));
    assert_eq!(bob.ask("room:join", &json!({ "roomId": room }))["ok"], true);
    assert_eq!(bob.ask("chat:send", &message)["ok"], true, "other users go on");
    alive(&server);
}

/// A client sends everything at once that it wrote while it was offline.
#[test]
fn offline_buffer_over_the_rate_is_answered_in_full_and_ends_no_connection() {
    const SENT: usize = 200;
    let mut config = Config::default();
    config.transport.extend(["ping_interval_ms = 500", "ping_timeout_ms = 700"].map(String::from));
    let server = start(&config);
    let mut owner = SioClient::connect(&server, &hs256("owner"));
    let room = create_room(&mut owner, "talk");
    let event = |number: usize| {
        let message = json!({ "roomId": room, "message": format!("on the train {number}") });
        format!("42{number}[\"chat:send\",{message}]")
    };
    let answered = |packets: Vec<String>| {
        let codes = packets.iter().enumerate().map(|(number, packet)| {
            let prefix = format!("43{number}[");
            let arguments = packet.strip_prefix(&prefix).expect("in order").trim_end_matches(']');
            let answer = serde_json::from_str(arguments).unwrap();
            if arguments.contains("\"ok\":true") { String::from("ok") } else { code_of(&answer) }
        });
        codes.collect::<Vec<_>>()
    };
    let expect = |codes: &[String]| {
        let counts =
            ["ok", "RATE_LIMIT_EXCEEDED"].map(|code| codes.iter().filter(|is| *is == code).count());
        assert_eq!(counts, [10, SENT - 10], "{codes:?}");
    };
    // Over WebSocket.
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    join(&mut ann, &room);
    (0..SENT).for_each(|number| ann.send(&event(number)));
    let answers = (0..SENT).map(|_| ann.wait_packet(|packet| packet.starts_with("43"))).collect();
    expect(&answered(answers));
    assert_eq!(ann.ask("room:leave", &json!({ "roomId": room }))["ok"], true, "it goes on");
    // Over long-polling, in one body.
    let mut bob = PollingClient::connect(&server, &hs256("bob"));
    assert_eq!(bob.ask("room:join", &json!({ "roomId": room }))["ok"], true);
    let body: Vec<_> = (0..SENT).map(event).collect();
    bob.say(&body.join(&SEPARATOR.to_string()));
    let answers = (0..SENT).map(|_| bob.wait_packet(|packet| packet.starts_with("43"))).collect();
    expect(&answered(answers));
    assert_eq!(bob.ask("room:leave", &json!({ "roomId": room }))["ok"], true, "it goes on");
    alive(&server);
}

/// The server reads a flood as slowly as it makes rejections.
#[test]
fn message_flood_is_read_slowly_and_costs_little() {
    let server = start(&Config { plaintext: true, ..Config::default() });
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    let mut bob = SioClient::connect(&server, &hs256("bob"));
    let packets: Vec<_> = (0..8_000).map(|_| "42[\"chat:typing\",{\"roomId\":\"none\"}]").collect();
    let before_ms = processor_ms(&server);
    let ((), took) = timed(|| {
        packets.iter().for_each(|packet| ann.send(packet));
        for _ in 0..20 {
            assert_eq!(bob.ask("room:list", &json!({}))["ok"], true, "others go on");
        }
    });
    let read = counter(&server, "portcullis_messages_total");
    eprintln!("{read} read in {took:?}, {} ms", processor_ms(&server) - before_ms);
    // A hundred that pass, a hundred above the rate, 25 a second, and those of the other user.
    let most = 100 + 100 + 25 * (took.as_secs() + 2) + 50;
    assert!(read <= most, "{read} of {} read in {took:?}", packets.len());
    alive(&server);
}

#[test]
fn t080_all_events_share_a_limit_that_does_not_apply_to_leaving() {
    let mut config = Config::default();
    let few = [
        "message_per_user = \"100/10h\"",
        "message_per_connection = \"1000/10h\"",
        "event_per_user = { \"room:list\" = \"99/1h\", \"room:members\" = \"99/1h\" }",
    ];
    config.rate.extend(few.map(String::from));
    let server = start(&config);
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    let room = create_room(&mut ann, "talk");
    let id = json!({ "roomId": room });
    for number in 1..100 {
        let (event, payload) = match number % 3 {
            0 => ("room:list", json!({})),
            1 => ("room:members", id.clone()),
            _ => ("chat:history", id.clone()),
        };
        let answer = ann.ask(event, &payload);
        assert_eq!(answer["ok"], true, "{number} {event}: {answer}");
    }
    for event in ["room:list", "no:such:event"] {
        let answer = ann.ask(event, &json!({}));
        assert_eq!(code_of(&answer), "RATE_LIMIT_EXCEEDED", "{event}");
    }
    assert_eq!(ann.ask("room:leave", &id)["ok"], true);
    let answer = ann.ask("room:leave", &id);
    assert_eq!(code_of(&answer), "forbidden", "it is let through to the next guard");
    alive(&server);
}

#[test]
fn t080_unknown_and_malformed_events_cost_as_much_as_others() {
    let mut config = Config::default();
    config.rate.push("message_per_user = \"6/10h\"".into());
    let server = start(&config);
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    for number in 0..4 {
        let answer = ann.ask(&format!("made:up:{number}"), &json!({}));
        assert_eq!(code_of(&answer), "UNKNOWN_EVENT");
    }
    assert_eq!(code_of(&ann.ask("chat:send", &json!({}))), "INVALID_MESSAGE");
    assert_eq!(code_of(&ann.ask_text("[\"room:list\",{\"a\":}]")), "INVALID_MESSAGE");
    assert_eq!(code_of(&ann.ask("room:list", &json!({}))), "RATE_LIMIT_EXCEEDED");
    assert_eq!(code_of(&ann.ask("made:up:9", &json!({}))), "RATE_LIMIT_EXCEEDED");
    alive(&server);
}

#[test]
fn t080_thousands_of_undeclared_names_leave_no_memory_behind() {
    let mut config = Config::default();
    let rates = [
        "message_per_user = \"1000000/60s\"",
        "message_per_connection = \"1000000/60s\"",
        "namespace_per_user = \"1000000/60s\"",
    ];
    config.rate.extend(rates.map(String::from));
    let server = start(&config);
    let series = || {
        let answer = Request::get(&server, "/metrics").ask_private(&server);
        String::from_utf8(answer.body).unwrap().lines().count()
    };
    let invent = |names: std::ops::Range<u32>| {
        for first in names.step_by(9) {
            // Nine a connection, so that none of them is ended for it.
            let mut eve = SioClient::connect(&server, &hs256("eve"));
            for number in first..first + 9 {
                let name = format!("invented:{number}:{}", "x".repeat(100));
                assert_eq!(code_of(&eve.ask(&name, &json!({}))), "UNKNOWN_EVENT", "{name}");
            }
            eve.send("1");
            assert_eq!(eve.close_code(), Some(1000), "its place is free");
        }
    };
    invent(0..450);
    let (before, before_kib) = (series(), server.resident_kib());
    invent(1_000..3_250);
    let grown = server.resident_kib().saturating_sub(before_kib);
    eprintln!("{grown} KiB more");
    assert_eq!(series(), before, "a series a name");
    // A kilobyte for each name would be more.
    assert!(grown < 2 * 1024, "{grown} KiB more");
    let labels = "{rule=\"event\",code=\"UNKNOWN_EVENT\",key=\"\"}";
    let counted = counter(&server, &format!("portcullis_refusals_total{labels}"));
    assert_eq!(counted, 450 + 2_250);
    alive(&server);
}

#[test]
fn t081_new_connection_keeps_the_bucket_of_its_user() {
    let server = start(&Config::default());
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    let room = create_room(&mut ann, "talk");
    let message = json!({ "roomId": room, "message": "hi" });
    drop(ann);
    for _ in 0..5 {
        let mut ann = SioClient::connect(&server, &hs256("ann"));
        assert_eq!(ann.ask("chat:send", &message)["ok"], true);
        ann.send("1");
        assert_eq!(ann.close_code(), Some(1000), "it has ended, and its place is free");
    }
    let mut many: Vec<_> = (0..4).map(|_| SioClient::connect(&server, &hs256("ann"))).collect();
    let outcomes: Vec<bool> =
        (0..8).map(|number| many[number % 4].ask("chat:send", &message)["ok"] == true).collect();
    assert_eq!(outcomes, [true, true, true, true, true, false, false, false]);
    alive(&server);
}

#[test]
fn rejected_messages_of_an_honest_user_end_no_connection_and_block_no_user() {
    let mut config = Config::default();
    config.rate.retain(|line| !line.starts_with("penalty_per_user"));
    config.rate.push(String::from("penalty_per_user = \"5/60s\""));
    config.rate.push(String::from("event_per_user = { \"chat:send\" = \"40/60s\" }"));
    let server = start(&config);
    let mut ann = SioClient::connect(&server, &hs256("ann"));
    let made = ann.ask("room:create", &json!({ "name": "Room", "visibility": "public" }));
    let room = made["room"]["id"].clone();
    let mut codes = std::collections::BTreeMap::new();
    let (spam, long) = ("buy now click here free money", "x".repeat(1_001));
    for message in [spam, &long, "", "hello"].iter().cycle().take(60) {
        let answer = ann.ask("chat:send", &json!({ "roomId": room, "message": message }));
        let code = if answer["ok"] == true { String::from("ok") } else { code_of(&answer) };
        *codes.entry(code).or_insert(0) += 1;
    }
    let seen: Vec<_> = codes.keys().map(String::as_str).collect();
    let expect = ["INVALID_MESSAGE", "RATE_LIMIT_EXCEEDED", "SPAM_DETECTED", "ok"];
    assert_eq!(seen, expect, "{codes:?}");
    assert_eq!(ann.ask("room:list", &json!({}))["ok"], true, "the connection goes on");
    let mut again = SioClient::connect(&server, &hs256("ann"));
    assert_eq!(again.ask("room:list", &json!({}))["ok"], true, "the user is not blocked");
}

#[test]
fn many_users_of_an_address_with_ended_tokens_leave_the_address_open() {
    let mut config = Config::default();
    config.rate.retain(|line| !line.starts_with("penalty_per_prefix"));
    config.rate.push(String::from("penalty_per_prefix = \"20/60s\""));
    let server = start(&config);
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    let secret = portcullis_test::SECRET.as_bytes();
    for number in 0..40 {
        // Signed out, as the page finds it at its start, and with a token that has ended.
        let request =
            Request::post(&server, "/auth/refresh", "{}").header("Origin", &server.origin);
        assert_eq!(request.ask(&server).status, 401, "{number}");
        let mut claims = portcullis_test::claims(&format!("user{number}"));
        claims["iat"] = json!(claims["iat"].as_i64().unwrap() - 900);
        claims["exp"] = json!(claims["exp"].as_i64().unwrap() - 900);
        let token = portcullis_test::forge_hs256(header, &claims.to_string(), secret);
        let mut client = SioClient::open(&server);
        let refused = client.join_namespace("/", &json!({ "token": token }).to_string());
        assert_eq!(refused.unwrap_err()["data"]["code"], "unauthorized", "{number}");
    }
    drop(SioClient::connect(&server, &hs256("ann")));
}

#[test]
fn polls_for_sessions_of_a_crashed_server_leave_the_address_open() {
    let mut config = Config::default();
    config.rate.retain(|line| !line.starts_with("penalty_per_prefix"));
    config.rate.push(String::from("penalty_per_prefix = \"20/60s\""));
    let server = start(&config);
    let sessions: Vec<_> = (0..30).map(|_| PollingClient::open(&server).sid).collect();
    let server = server.crash_and_restart();
    for sid in sessions {
        let client = PollingClient { sid, ..PollingClient::outsider(&server) };
        let answer = client.poll();
        assert_eq!((answer.status, answer.code().as_str()), (400, "1"));
    }
    drop(SioClient::connect(&server, &hs256("ann")));
}

#[test]
fn ten_violations_in_a_minute_end_the_connection() {
    let server = start(&Config::default());
    let mut good = SioClient::connect(&server, &hs256("ann"));
    let mut bad = SioClient::connect(&server, &hs256("ann"));
    for number in 0..9 {
        let answer = bad.ask("no:such:event", &json!({}));
        assert_eq!(code_of(&answer), "UNKNOWN_EVENT", "{number}");
    }
    bad.send("42[\"room:join\",{\"roomId\":}]");
    assert_eq!(bad.close_code(), Some(4429));
    recorded(&server, "strikes");
    assert_eq!(good.ask("room:list", &json!({}))["ok"], true, "the user's others go on");
    alive(&server);
}
