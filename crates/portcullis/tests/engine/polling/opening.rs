//! T-171 to T-176, T-188, T-189: session ids, parameters and methods of a handshake, floods.
//! Never: a session for a request that was refused.

use std::collections::HashSet;
use std::time::Duration;

use portcullis_test::{
    Config, Connection, Gauges, PollingClient, Request, SioClient, TestServer, counter, hs256,
    open_files, packets, processor_ms, timed, until,
};
use serde_json::{Value, json};

use crate::clients::{NOTHING, alive, open_socket, socket_sign_in, start, transport};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// A server with slots for all unauthenticated clients of a test, and short deadlines.
fn roomy(connect_timeout_ms: u64) -> TestServer {
    let mut config = transport(&[]);
    config.transport.push(format!("connect_timeout_ms = {connect_timeout_ms}"));
    config
        .capacity
        .extend(["connections_total = 40000", "pre_auth_total = 20000"].map(String::from));
    config.rate = vec![
        String::from("connect_per_prefix = \"10000000/60s\""),
        String::from("connect_total = \"10000000/60s\""),
        String::from("request_per_prefix = \"10000000/60s\""),
        String::from("penalty_per_prefix = \"10000000/60s\""),
    ];
    start(&config)
}

/// Opens many sessions over few connections; gives their ids.
fn open_many(server: &TestServer, count: usize) -> Vec<String> {
    let request = PollingClient::outsider(server).request("GET", "");
    let mut connection = Connection::open(server);
    let mut sids = Vec::with_capacity(count);
    while sids.len() < count {
        let answer = request.ask_on(&mut connection);
        if answer.status == 0 {
            // A connection carries a bounded number of requests.
            connection = Connection::open(server);
            continue;
        }
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        let open: Value = serde_json::from_str(&packets(&answer)[0][1..]).unwrap();
        sids.push(open["sid"].as_str().unwrap().to_owned());
        if answer.header("connection") == Some("close") {
            connection = Connection::open(server);
        }
    }
    sids
}

/// The bits of an id, six a character, without what base64url leaves over.
fn bits(sid: &str) -> Vec<bool> {
    let mut bits = Vec::new();
    for character in sid.chars() {
        let value = ALPHABET.find(character).unwrap_or_else(|| panic!("no base64url: {sid}"));
        bits.extend((0..6).rev().map(|shift| value >> shift & 1 == 1));
    }
    bits.truncate(bits.len() / 8 * 8);
    bits
}

#[test]
fn t_171_session_id_is_160_random_bits() {
    let server = roomy(2_000);
    let count = 4_000;
    let sids = open_many(&server, count);
    let length = sids[0].len();
    assert!(length >= 27, "160 bits in base64url: {}", sids[0]);
    let all: Vec<Vec<bool>> = sids.iter().map(|sid| bits(sid)).collect();
    assert!(sids.iter().all(|sid| sid.len() == length && !sid.contains('=')));
    assert_eq!(sids.iter().collect::<HashSet<_>>().len(), count, "repeated");
    // 48 bits: by chance one pair in 35 million runs.
    assert_eq!(sids.iter().map(|sid| &sid[..8]).collect::<HashSet<_>>().len(), count, "prefix");
    assert_eq!(sids.iter().map(|sid| &sid[length - 9..]).collect::<HashSet<_>>().len(), count);
    // Each bit is one in half of the ids: seven standard deviations, sqrt(count) / 2 each.
    let allowed = 7.0 * (count as f64).sqrt() / 2.0;
    for place in 0..all[0].len() {
        let ones = all.iter().filter(|bits| bits[place]).count() as f64;
        let off = (ones - count as f64 / 2.0).abs();
        assert!(off < allowed, "bit {place} is one {ones} times of {count}");
    }
    // Neighbours differ in half of their bits: no counter, no clock, no shared part.
    let width = all[0].len() as f64;
    for pair in all.windows(2) {
        let differ = pair[0].iter().zip(&pair[1]).filter(|(one, other)| one != other).count();
        let off = (differ as f64 - width / 2.0).abs();
        assert!(off < 8.0 * width.sqrt() / 2.0, "neighbours differ in {differ} of {width} bits");
    }
    NOTHING.wait_for(&server);
    alive(&server);
}

#[test]
fn t_171_secret_id_is_only_in_the_first_answer_and_in_no_record() {
    let server = start(&Config::plaintext());
    let mut client = PollingClient::open(&server);
    let joined = client.sign_in(&hs256("ann"));
    assert_ne!(joined["sid"].as_str(), Some(client.sid.as_str()), "the public id is another");
    assert!(!joined.to_string().contains(&client.sid), "{joined}");
    // A refusal with the id in its URL leaves a record, without it.
    let foreign = PollingClient { agent: "other".into(), ..client.clone() };
    assert_eq!(foreign.poll().status, 400);
    assert_eq!(client.send(&client.request("GET", "&j=0")).status, 400);
    let _record = server.records.wait_for_rule("session_unknown");
    let _record = server.records.wait_for_rule("parameters");
    let written = server.records.text() + &server.records.errors();
    assert!(!written.contains(&client.sid), "{written}");
}

#[test]
fn t_172_session_id_chosen_by_the_client_is_rejected() {
    let server = start(&Config::plaintext());
    let real = PollingClient::open(&server);
    let (first, last) = (&real.sid[..real.sid.len() - 1], real.sid.chars().last().unwrap());
    let changed = if last == 'A' { 'E' } else { 'A' };
    let guesses = [
        String::from("chosen"),
        String::from("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        "A".repeat(64),
        format!("{first}{changed}"),
        format!("A{}", &real.sid[1..]),
        first.to_owned(),
        format!("{}A", real.sid),
        real.sid.to_lowercase(),
        real.sid.chars().rev().collect(),
        String::from("00000000-0000-0000-0000-000000000000"),
    ];
    for sid in guesses.iter().filter(|sid| **sid != real.sid) {
        let client = PollingClient { sid: sid.clone(), ..PollingClient::outsider(&server) };
        let requests =
            [client.poll_request(), client.post_request(b"40"), client.upgrade_request()];
        for request in requests {
            let answer = client.send(&request);
            assert_eq!((answer.status, answer.code().as_str()), (400, "1"), "{sid}");
            assert_eq!(answer.json()["message"], "Session ID unknown");
            assert!(!String::from_utf8_lossy(&answer.body).contains(sid.as_str()), "no echo");
        }
    }
    for sid in ["", "%41", "a b", "a.b", "../x", "a\u{e9}", &"A".repeat(65), "'"] {
        let line = format!("GET /socket.io/?EIO=4&transport=polling&sid={sid} HTTP/1.1");
        let request = Request::bare(&line)
            .header("Host", &server.public.to_string())
            .header("Origin", &server.origin);
        assert_eq!(request.ask(&server).status, 400, "{sid:?}");
    }
    // No session came of it.
    Gauges { open: 1, pre_auth: 1, authenticated: 0 }.wait_for(&server);
    assert_eq!(real.post("1").status, 200, "the real one is untouched");
}

#[test]
fn t_173_guessed_session_ids_are_rejected_alike_and_counted() {
    let mut config = Config::plaintext();
    config.rate = vec![
        String::from("connect_per_prefix = \"1000/60s\""),
        String::from("request_per_prefix = \"40/60s\""),
    ];
    let server = start(&config);
    let real = PollingClient::open(&server);
    let different = if real.sid.starts_with('A') { 'B' } else { 'A' };
    let mut texts = HashSet::new();
    let mut statuses = Vec::new();
    for number in 0..100 {
        let mut sid = format!("{different}{number:02}{}", &real.sid[3..]);
        if number % 2 == 0 {
            sid = format!("guess{number}");
        }
        let client = PollingClient { sid, ..PollingClient::outsider(&server) };
        let answer = if number % 3 == 0 { client.poll() } else { client.post("40") };
        statuses.push(answer.status);
        if answer.status == 400 {
            let mut body = answer.json();
            body.as_object_mut().unwrap().remove("ref");
            texts.insert(body.to_string());
        }
    }
    assert_eq!(texts.len(), 1, "one text for every guess: {texts:?}");
    assert!(statuses[..40].iter().all(|status| *status == 400), "{statuses:?}");
    assert!(statuses[42..].contains(&429), "{statuses:?}");
    let posted: Vec<u16> = (0..3).map(|_| real.post("3").status).collect();
    assert!(posted.contains(&429), "over its rate, whatever the id: {posted:?}");
    // Guesses at one address cost another nothing.
    let elsewhere = PollingClient::open_from(&server, [127, 0, 0, 9]);
    assert_eq!(elsewhere.post("1").status, 200);
    let _alarm = server.records.wait_for_rule("session_unknown");
    let _alarm = server.records.wait_for_rule("request_per_prefix");
}

#[test]
fn t_173_client_that_guesses_ids_is_blocked_alone() {
    // The product defines how many guesses are allowed.
    let server = start(&Config { plaintext: true, ..Config::strict_rates() });
    let guesser =
        PollingClient { source: [127, 0, 7, 7].into(), ..PollingClient::outsider(&server) };
    let neighbour = PollingClient::open_from(&server, [127, 0, 7, 8]);
    let mut refused = 0;
    let blocked = loop {
        let sid = format!("guess{refused:05}{}", &neighbour.sid[10..]);
        let answer = PollingClient { sid, ..guesser.clone() }.poll();
        if answer.status == 429 {
            break answer;
        }
        assert_eq!((answer.status, answer.code().as_str()), (400, "1"), "{refused}");
        refused += 1;
        assert!(refused < 1_000, "the client is never blocked");
    };
    // A hundred in a minute, and the one that was too many.
    assert!(refused >= 100, "{refused}");
    assert!(blocked.header("retry-after").is_some());
    let reference = blocked.json()["ref"].as_str().unwrap().to_owned();
    let record = server.records.wait_for_reference(&reference);
    assert_eq!(record["rule"]["name"], "penalty_per_prefix", "{record}");
    assert_eq!(record["source"]["ip"], "127.0.7.7", "{record}");
    assert_eq!(record["labels"]["limit_key"], "prefix", "{record}");
    let wait_ms: u64 = record["labels"]["retry_after_ms"].as_str().unwrap().parse().unwrap();
    assert!((10_000..=60_000).contains(&wait_ms), "{wait_ms}");
    let guess = server.records.wait_for_rule("session_unknown");
    assert_eq!(guess["source"]["ip"], "127.0.7.7", "{guess}");
    assert_eq!(guess["log"]["level"], "warning", "{guess}");
    let counted = |rule: &str, code: &str, key: &str| {
        let labels = format!("{{rule=\"{rule}\",code=\"{code}\",key=\"{key}\"}}");
        counter(&server, &format!("portcullis_refusals_total{labels}"))
    };
    assert_eq!(counted("session_unknown", "protocol_error", ""), refused);
    assert_eq!(counted("penalty_per_prefix", "rate_limited", "prefix"), 1);
    // Blocked on every path, while a session of a neighbour address continues.
    let at_other_doors =
        [Request::upgrade(&server, "/ws"), Request::get(&server, "/"), guesser.request("GET", "")];
    for request in at_other_doors {
        assert_eq!(guesser.send(&request).status, 429);
    }
    assert_eq!(neighbour.post("1").status, 200);
    alive(&server);
}

#[test]
fn t_174_parameter_outside_the_protocol_is_rejected() {
    let server = start(&Config::plaintext());
    let many = (0..100).map(|index| format!("&p{index}=1")).collect::<String>();
    let buster = "&t=".to_owned() + &"x".repeat(1_500);
    let cases = [
        ("EIO=3&transport=polling", "5"),
        ("EIO=4x&transport=polling", "5"),
        ("EIO=04&transport=polling", "5"),
        ("EIO=&transport=polling", "5"),
        ("EIO=+4&transport=polling", "5"),
        ("EIO=%34&transport=polling", "5"),
        ("transport=polling", "5"),
        ("EIO=4&transport=webtransport", "0"),
        ("EIO=4&transport=__proto__", "0"),
        ("EIO=4&transport=constructor", "0"),
        ("EIO=4&transport=Polling", "0"),
        ("EIO=4&transport=jsonp", "0"),
        ("EIO=4&transport=flashsocket", "0"),
        ("EIO=4&transport=", "0"),
        ("EIO=4", "0"),
        ("", "5"),
        ("EIO[]=4&transport=polling", "3"),
        ("EIO=4&transport[]=polling", "3"),
        ("EIO=4&EIO=4&transport=polling", "3"),
        ("EIO=4&EIO=3&transport=polling", "3"),
        ("EIO=4&transport=polling&transport=polling", "3"),
        ("EIO=4&transport=polling&j=0", "3"),
        ("EIO=4&transport=polling&t=1&t=2", "3"),
        (&format!("EIO=4&transport=polling{many}"), "3"),
    ];
    let request = |method: &str, query: &str| {
        Request::bare(&format!("{method} /socket.io/?{query} HTTP/1.1"))
            .header("Host", &server.public.to_string())
            .header("Origin", &server.origin)
    };
    for (query, code) in cases {
        let answer = request("GET", query).ask(&server);
        assert_eq!((answer.status, answer.code().as_str()), (400, code), "{query:.80}");
        assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
        assert!(answer.json()["ref"].is_string(), "{query:.80}");
        assert!(answer.json()["cause"].is_string(), "{query:.80}");
    }
    let fine = request("GET", &format!("EIO=4&transport=polling{buster}")).ask(&server);
    assert_eq!(fine.status, 200, "a cache buster says nothing");
    // What applications add, and base64 that older clients ask for.
    let application = (0..61).map(|index| format!("&p{index}=1")).collect::<String>();
    let ignored = [
        "&b64=1",
        "&deviceId=d-1&appVersion=2.3.1",
        "&userId=5&name=%D0%90%D0%B4%D0%B0",
        "&__proto__=1&parser=msgpack&x&tag=a&tag=b&list[]=1",
        application.as_str(),
    ];
    for query in ignored {
        let answer = request("GET", &format!("EIO=4&transport=polling{query}")).ask(&server);
        assert_eq!(answer.status, 200, "{query:.80}");
    }
    let open = 1 + u64::try_from(ignored.len()).unwrap();
    Gauges { open, pre_auth: open, authenticated: 0 }.wait_for(&server);
    // A credential has no business in a URL, and its name is not the protocol's.
    for name in ["token", "access_token", "auth"] {
        let query = format!("EIO=4&transport=polling&{name}=secret");
        assert_eq!(request("GET", &query).ask(&server).status, 401, "{name}");
    }
    alive(&server);
}

#[test]
fn t_175_session_is_opened_by_get_only() {
    let server = start(&Config::plaintext());
    let path = "/socket.io/?EIO=4&transport=polling";
    for (method, body) in
        [("POST", "40"), ("POST", ""), ("PUT", ""), ("DELETE", ""), ("PATCH", ""), ("TRACE", "")]
    {
        let answer = Request::bare(&format!("{method} {path} HTTP/1.1"))
            .header("Host", &server.public.to_string())
            .header("Origin", &server.origin)
            .header("Content-Length", &body.len().to_string())
            .body(body.as_bytes())
            .ask(&server);
        assert!([400, 405].contains(&answer.status), "{method}: {}", answer.status);
        if answer.status == 400 {
            assert_eq!(answer.code(), "2", "{method}");
            assert_eq!(answer.json()["message"], "Bad handshake method", "{method}");
        }
        assert!(!String::from_utf8_lossy(&answer.body).contains("sid"), "{method}");
    }
    let mut connection = Connection::open(&server);
    let head = format!(
        "HEAD {path} HTTP/1.1\r\nHost: {}\r\nOrigin: {}\r\n\r\n",
        server.public, server.origin
    );
    connection.send(head.as_bytes());
    let text = String::from_utf8(connection.read_to_end()).unwrap();
    assert!(text.starts_with("HTTP/1.1 400 ") || text.starts_with("HTTP/1.1 405 "), "{text}");
    assert!(!text.contains("sid"), "{text}");
    assert!(text.ends_with("\r\n\r\n"), "an answer to HEAD has no body: {text}");
    // With a session, too: methods that are neither a poll nor a post.
    let client = PollingClient::open(&server);
    for method in ["PUT", "DELETE", "PATCH", "TRACE"] {
        let answer = client.send(&client.request(method, ""));
        assert!([400, 405].contains(&answer.status), "{method}: {}", answer.status);
    }
    client.say("1");
    NOTHING.wait_for(&server);
    alive(&server);
}

#[test]
fn t_176_flood_of_handshakes_without_polls_is_limited_and_expires() {
    const PLACES: u64 = 400;
    let mut config = transport(&["connect_timeout_ms = 4000"]);
    config.capacity.push(format!("pre_auth_total = {PLACES}"));
    config.overload.push(String::from("waiting_strangers = 0"));
    let server = start(&config);
    let mut user = SioClient::connect(&server, &hs256("user"));
    let before = server.resident_kib();
    let request = PollingClient::outsider(&server).request("GET", "");
    let mut connection = Connection::open(&server);
    let (mut opened, mut refused) = (0, 0);
    // On and on, until most of the flood has met the cap.
    while refused < 2_000 {
        let answer = request.ask_on(&mut connection);
        match answer.status {
            200 => opened += 1,
            503 => refused += 1,
            status => panic!("handshake {opened} + {refused}: {status}"),
        }
        assert!(opened < 40_000, "there is no cap");
        if answer.header("connection") == Some("close") {
            connection = Connection::open(&server);
        }
        if (opened + refused) % 500 == 0 {
            let (answer, took) = timed(|| user.ask("room:list", &json!({})));
            assert_eq!(answer["ok"], true, "{answer}");
            assert!(took.as_secs() < 5, "a user waits {took:?}");
            assert!(
                Gauges::read(&server).pre_auth <= PLACES,
                "more unauthenticated connections than allowed"
            );
        }
    }
    assert!(opened >= PLACES, "{opened} opened");
    let record = server.records.wait_for_rule("pre_auth_total");
    assert_eq!(record["http"]["response"]["status_code"], 503, "{record}");
    let labels = "{rule=\"pre_auth_total\",code=\"server_busy\",key=\"total\"}";
    assert_eq!(counter(&server, &format!("portcullis_refusals_total{labels}")), refused);
    let grown = server.resident_kib().saturating_sub(before);
    // 400 sessions of at most 8 KiB each, and what the allocator keeps.
    assert!(grown < 16 * 1024, "{grown} KiB more");
    Gauges { open: 1, pre_auth: 0, authenticated: 1 }.wait_for(&server);
    assert_eq!(user.ask("room:list", &json!({}))["ok"], true);
    alive(&server);
}

#[test]
fn t_188_session_is_rejected_on_another_transport() {
    let server = start(&Config::plaintext());
    let (mut socket, opened) = open_socket(&server);
    let sid = opened["sid"].as_str().unwrap().to_owned();
    let poller = PollingClient { sid, ..PollingClient::outsider(&server) };
    for request in [poller.poll_request(), poller.post_request(b"1")] {
        let answer = poller.send(&request);
        assert_eq!((answer.status, answer.code().as_str()), (400, "3"));
    }
    socket_sign_in(&mut socket, &hs256("socket"));
    // A polling session asked for over `transport=websocket` without an upgrade.
    let mut client = PollingClient::open(&server);
    let plain = client.upgrade_request().without("Upgrade").without("Connection");
    let answer = client.send(&plain);
    assert_eq!((answer.status, answer.code().as_str()), (400, "3"));
    let unknown = format!("/socket.io/?EIO=4&transport=webtransport&sid={}", client.sid);
    let answer = Request::get(&server, &unknown).header("Origin", &server.origin).ask(&server);
    assert_eq!((answer.status, answer.code().as_str()), (400, "0"));
    client.sign_in(&hs256("poller"));
}

#[test]
fn t_189_idle_unauthenticated_clients_are_closed_on_time_at_no_cost() {
    let mut config = transport(&["connect_timeout_ms = 2500"]);
    config.capacity.extend(["connections_total = 4000", "pre_auth_total = 3000"].map(String::from));
    let server = start(&config);
    let files = open_files(&server);
    let cost = |count: usize| {
        let mut idle: Vec<SioClient> = (0..count).map(|_| SioClient::open(&server)).collect();
        let before = processor_ms(&server);
        let (_, took) = timed(|| {
            for client in &mut idle {
                assert_eq!(client.close_code(), Some(4408));
            }
        });
        let used = processor_ms(&server) - before;
        eprintln!("{count}: {used} ms of processor time in {took:?}");
        // The deadline, and a margin for a machine that has other things to do.
        assert!(took < Duration::from_millis(2_500 + 6_000), "{count}: {took:?}");
        drop(idle);
        NOTHING.wait_for(&server);
        used
    };
    let (few, many) = (cost(400), cost(1_600));
    // Ending connections takes some of it; waiting for them next to none, however many there are.
    assert!(few < 600, "{few} ms of processor time");
    assert!(many <= 6 * few + 150, "{few} ms for 400, {many} ms for 1,600");
    until("the sockets' files to be closed", || (open_files(&server) <= files + 4).then_some(()));
    alive(&server);
}
