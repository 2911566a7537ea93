//! Records of attacks: each is written once, complete, and without secrets.
//! Never: a message body, a token, a session id.

use std::net::IpAddr;

use portcullis_test::{
    Config, Connection, Gauges, RawWebSocket, Request, SioClient, counter, frame_bytes, hs256,
    sign_up, timed,
};
use serde_json::{Value, json};

use crate::clients::{alive, start};

#[test]
fn t160_every_family_leaves_a_record_in_one_unbroken_sequence() {
    let server = start(&Config::default());
    let evil = Request::upgrade(&server, "/ws").with("Origin", "https://evil.example");
    assert_eq!(evil.ask(&server).status, 403);
    let mut raw = RawWebSocket::open(&server, "/ws");
    raw.connection.send(&frame_bytes(0x81, b"\xff"));
    assert_eq!(raw.close_code(), Some(1007));
    let mut client = SioClient::connect(&server, &hs256("recorded"));
    let _schema = client.ask("room:create", &json!({ "name": 1 }));
    let _unknown = client.ask("no:such", &json!({}));
    let families = [
        ("origin_rejected", "malicious_csrf"),
        ("utf8", "ws_protocol_violation"),
        ("schema", "input_validation_fail"),
        ("event", "malicious_extraneous"),
    ];
    for (rule, event) in families {
        let record = server.records.wait_for_rule(rule);
        assert_eq!(record["event"]["code"], event, "{record}");
        assert!(record["@timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{record}");
        assert_eq!(record["source"]["ip"], "127.0.0.1", "{record}");
    }
    let sequences: Vec<u64> = server
        .records
        .all()
        .iter()
        .filter_map(|record| record["event"]["sequence"].as_u64())
        .collect();
    let expect: Vec<u64> = (1..).take(sequences.len()).collect();
    assert_eq!(sequences, expect);
    alive(&server);
}

#[test]
fn t166_flood_of_violations_is_counted_and_sampled() {
    let server = start(&Config::default());
    let evil = Request::upgrade(&server, "/ws").with("Origin", "https://evil.example");
    for _ in 0..400 {
        assert_eq!(evil.ask(&server).status, 403);
    }
    let rule = "{rule=\"origin_rejected\",code=\"forbidden_origin\",key=\"\"}";
    assert_eq!(counter(&server, &format!("portcullis_refusals_total{rule}")), 400);
    let is_it = |record: &&Value| record["rule"]["name"] == "origin_rejected";
    let written = server.records.all().iter().filter(is_it).count();
    // Five a minute, and the summary of a minute that ended meanwhile.
    assert!((1..=12).contains(&written), "{written} records");
    assert!(counter(&server, "portcullis_log_sampled_total") >= 380);
    alive(&server);
}

#[test]
fn t166_however_many_sources_and_rules_the_lines_are_bounded() {
    const SOURCES: u32 = 3_000;
    /// Pairs of a source and a rule that are counted separately, and five of each rule for all
    /// others in each of sixteen parts of their table.
    const LINES_MAX: usize = 8_192 + 4 * 16 * 5;
    let server = start(&Config::plaintext());
    let engine = |query: &str| {
        Request::get(&server, &format!("/socket.io/?{query}")).header("Origin", &server.origin)
    };
    let violations = [
        Request::upgrade(&server, "/ws").with("Origin", "https://evil.example"),
        engine("EIO=4&transport=polling&sid=chosen"),
        engine("EIO=3&transport=polling"),
        engine("EIO=4&transport=polling&j=0"),
    ];
    let rules = ["origin_rejected", "session_unknown", "engine_version", "parameters"];
    let flood = |network: u8| {
        for number in 0..SOURCES {
            let [.., high, low] = number.to_be_bytes();
            for violation in &violations {
                let source = IpAddr::from([127, network, high, low]);
                let answer = violation.ask_on(&mut Connection::open_from(&server, source));
                assert!([400, 403].contains(&answer.status), "{}", answer.status);
            }
        }
    };
    let lines = || {
        let records = server.records.all();
        records
            .iter()
            .filter(|record| rules.iter().any(|rule| record["rule"]["name"] == *rule))
            .filter(|record| record["event"]["reason"] != "sampled")
            .count()
    };
    let (written, took) = timed(|| {
        flood(20);
        let first = lines();
        flood(21);
        // What was recorded before this has been written by now; what was done is never sampled.
        alive(&server);
        let _end = server.records.wait_for(|record| record["event"]["code"] == "ws_connected");
        [first, lines()]
    });
    let all = u64::from(2 * SOURCES) * 4;
    let sampled = counter(&server, "portcullis_log_sampled_total");
    eprintln!("{written:?} lines for {all} refusals in {took:?}, {sampled} only counted");
    // A minute later, every source has five again.
    let minutes = usize::try_from(took.as_secs() / 60 + 1).unwrap();
    assert!(written[1] <= LINES_MAX * minutes, "{written:?}");
    assert!(written[0] >= 1_000, "there are lines: {written:?}");
    let seconds = usize::try_from(took.as_secs()).unwrap() + 2;
    assert!(written[1] <= 1_000 * seconds, "{written:?} in {took:?}");
    assert!(sampled + written[1] as u64 >= all, "{sampled} of {all} are in a summary");
    for (rule, code) in
        rules.into_iter().zip(["forbidden_origin"].into_iter().chain(["protocol_error"; 3]))
    {
        let labels = format!("{{rule=\"{rule}\",code=\"{code}\",key=\"\"}}");
        let counted = counter(&server, &format!("portcullis_refusals_total{labels}"));
        assert_eq!(counted, u64::from(2 * SOURCES), "{rule}");
    }
    alive(&server);
}

#[test]
fn t161_t162_text_of_a_client_cannot_break_a_log_line() {
    let server = start(&Config::plaintext());
    let agent = format!("\u{1b}[31m{}", "A".repeat(10_000));
    let request = Request::upgrade(&server, "/ws").with("Origin", "https://evil.example");
    let answer = request.header("User-Agent", &"A".repeat(10_000)).ask(&server);
    assert_eq!(answer.status, 403);
    let record = server.records.wait_for_rule("origin_rejected");
    let written = record["user_agent"]["original"].as_str().expect("a user agent").to_owned();
    assert!(written.chars().count() < 300, "{}", written.len());
    // A control character never passes the head, so it cannot reach a record.
    let bad = Request::upgrade(&server, "/ws").header("User-Agent", &agent).ask(&server);
    assert_eq!(bad.status, 400);
    assert!(!server.records.text().contains('\u{1b}'));
    alive(&server);
}

#[test]
fn t163_secrets_are_in_no_record() {
    let server = start(&Config::default());
    let person = sign_up(&server, "secretive");
    let mut client = SioClient::connect(&server, &person.token);
    let created = client.ask("room:create", &json!({ "name": "R", "visibility": "public" }));
    let id = created["room"]["id"].as_str().expect("a room");
    let body = "the sparrow flies at midnight";
    let sent = client.ask("chat:send", &json!({ "roomId": id, "message": body }));
    assert_eq!(sent["ok"], true, "{sent}");
    let _wrong = portcullis_test::login(&server, "secretive", "hunter2 hunter2 hunter2");
    let _record = server.records.wait_for(|record| record["event"]["code"] == "authn_login_fail");
    let written = server.records.text() + &server.records.errors();
    for secret in [person.token.as_str(), body, "hunter2", "a plain long sentence"] {
        assert!(!written.contains(secret), "{secret}");
    }
}

#[test]
fn t164_metrics_do_not_grow_with_input_of_clients() {
    let mut config = Config::plaintext();
    config.rate.push("message_per_connection = \"100000/60s\"".into());
    let server = start(&config);
    let series = || {
        let text = Request::get(&server, "/metrics").ask_private(&server);
        String::from_utf8_lossy(&text.body).lines().count()
    };
    let mut client = SioClient::connect(&server, &hs256("inventor"));
    let _first: Value = client.ask("invented:0", &json!({}));
    let _path = Request::get(&server, "/invented-0").ask(&server);
    let before = series();
    for number in 1..9 {
        let _refused = client.ask(&format!("invented:{number}"), &json!({}));
        let _path = Request::get(&server, &format!("/invented-{number}")).ask(&server);
    }
    assert_eq!(series(), before);
}

#[test]
fn t171_session_ids_are_long_and_never_the_same() {
    let server = start(&Config::plaintext());
    let mut seen = std::collections::HashSet::new();
    for _ in 0..200 {
        let mut socket = RawWebSocket::open(&server, "/socket.io/?EIO=4&transport=websocket");
        let open = socket.next_frame().expect("an open packet").text();
        let open: Value = serde_json::from_str(open.trim_start_matches('0')).expect("JSON");
        let sid = open["sid"].as_str().expect("sid").to_owned();
        assert!(sid.len() >= 27, "160 bits in base64url: {sid}");
        assert!(seen.insert(sid));
    }
}

#[test]
fn t223_reset_connections_release_everything() {
    let server = start(&Config::plaintext());
    for stage in 0..60 {
        let mut connection = Connection::open(&server);
        match stage % 4 {
            0 => {}
            1 => connection.send(b"GET /ws HTTP/1.1\r\nHost:"),
            2 => {
                let _answer = Request::upgrade(&server, "/ws").ask_on(&mut connection);
            }
            _ => {
                let mut socket =
                    RawWebSocket::upgrade(connection, &Request::upgrade(&server, "/ws"));
                socket.connection.send(&frame_bytes(0x01, b"half a message"));
                socket.connection.reset();
                continue;
            }
        }
        connection.reset();
    }
    alive(&server);
    // The server notices each reset in its own time.
    Gauges::default().wait_for(&server);
}
