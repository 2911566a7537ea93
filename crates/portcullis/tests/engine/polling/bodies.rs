//! T-091, T-092, T-177, T-182, T-186: posted bodies, what they may hold, and two at a time.
//! Never: an effect of a packet whose body was refused.

use portcullis_test::{
    Answer, Config, Connection, Gauges, PollingClient, SEPARATOR, counter, hs256, packets, timed,
    until,
};
use serde_json::json;

use crate::clients::{NOTHING, alive, start, transport, waiting_poll, wide};

const BODY_MAX: usize = 64 * 1024;

fn joined(packet: &str, count: usize) -> String {
    vec![packet; count].join(&SEPARATOR.to_string())
}

fn assert_refused(answer: &Answer, what: &str) {
    let shown = String::from_utf8_lossy(&answer.body).into_owned();
    assert_eq!((answer.status, answer.code().as_str()), (400, "3"), "{what}: {shown}");
}

/// The session ends: one or two further polls get the end, then the session is unknown.
fn assert_ends(client: &mut PollingClient<'_>, what: &str) {
    let reply = client.rest();
    assert!(reply.iter().all(|packet| !packet.starts_with("43")), "{what}: {reply:?}");
    let answer = client.poll();
    assert_eq!((answer.status, answer.code().as_str()), (400, "1"), "{what}");
}

#[test]
fn t_092_body_is_validated_before_any_packet_has_an_effect() {
    let server = start(&wide(Config::plaintext()));
    let act = "420[\"room:create\",{\"name\":\"made\",\"visibility\":\"public\"}]";
    let bodies = [
        ("only separators", SEPARATOR.to_string().repeat(BODY_MAX)),
        ("noops", joined("6", BODY_MAX / 2)),
        ("pings", joined("2", BODY_MAX / 2)),
        ("messages", joined("4x", BODY_MAX / 3)),
        ("nothing", String::new()),
        ("an empty packet at the end", format!("{act}{SEPARATOR}")),
        ("an empty packet at the start", format!("{SEPARATOR}{act}")),
        ("an empty packet between", format!("{act}{SEPARATOR}{SEPARATOR}{act}")),
        ("8,193 packets", format!("{act}{SEPARATOR}{}", joined("3", 8_192))),
        ("a server's packet behind", format!("{act}{SEPARATOR}6")),
        ("an unknown type", format!("{act}{SEPARATOR}9")),
        ("a packet over a message's size", format!("{act}{SEPARATOR}4{}", "x".repeat(13_000))),
        ("binary over a message's size", format!("{act}{SEPARATOR}b{}", "A".repeat(20_000))),
        ("a line end", format!("{act}\n{SEPARATOR}\n")),
    ];
    for (what, body) in &bodies {
        let mut client = PollingClient::connect(&server, &hs256("ann"));
        let (answer, took) = timed(|| client.post(body));
        assert_refused(&answer, what);
        assert!(took.as_secs() < 2, "{what}: {took:?}");
        assert_ends(&mut client, what);
    }
    let mut client = PollingClient::connect(&server, &hs256("bob"));
    let rooms = client.ask("room:list", &json!({}));
    assert!(!rooms.to_string().contains("made"), "{rooms}");
    let bad_utf8 = client.send(&client.post_request(b"42[\"\xff\"]"));
    assert_eq!(bad_utf8.status, 400);
    assert_ends(&mut client, "no UTF-8");
    NOTHING.wait_for(&server);
}

#[test]
fn t_092_worst_bodies_use_bounded_time_and_memory() {
    let server = start(&wide(Config::plaintext()));
    let worst = [joined("4x", BODY_MAX / 3), SEPARATOR.to_string().repeat(BODY_MAX)];
    let round = || {
        for body in &worst {
            // Signed in: a stranger's body is refused for its size alone.
            let client = PollingClient::connect(&server, &hs256("ann"));
            assert_refused(&client.post(body), "worst");
        }
    };
    round();
    let before = server.resident_kib();
    let used = portcullis_test::processor_ms(&server);
    (0..100).for_each(|_| round());
    let used = portcullis_test::processor_ms(&server) - used;
    assert!(used < 200 * 25, "{used} ms for 200 sessions and bodies, unoptimised");
    NOTHING.wait_for(&server);
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more");
    alive(&server);
}

#[test]
fn t_092_body_of_2000_packets_is_processed_in_order() {
    let server = start(&wide(Config::plaintext()));
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    let body: Vec<String> =
        (0..2_000).map(|number| format!("42{number}[\"room:list\",{{}}]")).collect();
    client.say(&body.join(&SEPARATOR.to_string()));
    for number in 0..2_000 {
        let prefix = format!("43{number}[");
        while client.seen.is_empty() {
            assert!(client.collect_packets(), "ended before answer {number}");
        }
        let packet = client.seen.remove(0);
        assert!(packet.starts_with(&prefix), "in order: {packet:.80} is not {number}");
    }
}

#[test]
fn t_091_body_over_64_kib_is_rejected_unread() {
    let server = start(&Config::plaintext());
    let client = PollingClient::open(&server);
    for length in ["65537", "67108864", "9007199254740991"] {
        let request = client.post_request(b"").with("Content-Length", length);
        assert_eq!(client.send(&request).status, 413, "{length}");
    }
    for length in ["18446744073709551615", "18446744073709551616", "-1", "+5", "0x5", "5,5"] {
        let request = client.post_request(b"11111").with("Content-Length", length);
        assert!([400, 413].contains(&client.send(&request).status), "{length}");
    }
    let over = vec![b'4'; BODY_MAX + 1];
    assert_eq!(client.send(&client.post_request(&over)).status, 413);
    let chunked = client
        .post_request(b"1\r\n1\r\n0\r\n\r\n")
        .without("Content-Length")
        .header("Transfer-Encoding", "chunked");
    assert_eq!(client.send(&chunked).status, 400);
    // None of this was the session's: it is still there.
    client.say("1");
    NOTHING.wait_for(&server);
    let before = server.resident_kib();
    for _ in 0..200 {
        let client = PollingClient::open(&server);
        let request = client.post_request(b"").with("Content-Length", "67108864");
        assert_eq!(client.send(&request).status, 413);
        client.say("1");
    }
    let grown = server.resident_kib().saturating_sub(before);
    assert!(grown < 8 * 1024, "{grown} KiB more");
    alive(&server);
}

#[test]
fn t_087_unauthenticated_client_posts_at_most_16_kib() {
    let server = start(&transport(&["handshake_timeout_ms = 2000"]));
    let client = PollingClient::open(&server);
    let unread = client.post_request(b"").with("Content-Length", "16385");
    let status = client.send(&unread).status;
    assert!([400, 413].contains(&status), "{status}: it waits for bytes it may not take");
    // Unauthenticated clients that stop before their last byte hold at most that budget each.
    let bodies = vec![b'4'; 60_000];
    let round = || {
        let clients: Vec<PollingClient<'_>> =
            (0..200).map(|_| PollingClient::open(&server)).collect();
        let mut connections: Vec<Connection> = Vec::new();
        for client in &clients {
            let head = client.post_request(b"").with("Content-Length", "65000").bytes();
            let mut connection = client.connection();
            connection.send(&[head, bodies.clone()].concat());
            connections.push(connection);
        }
        alive(&server);
        let held = server.resident_kib();
        for connection in &mut connections {
            let status = Answer::read(connection).status;
            assert!([400, 408, 413].contains(&status), "{status}");
        }
        held
    };
    let before = server.resident_kib();
    let grown = round().saturating_sub(before);
    assert!(grown < 200 * 24 + 2_048, "{grown} KiB for 200 unauthenticated clients");
    alive(&server);
}

#[test]
fn t_186_compressed_or_foreign_body_is_rejected_unread() {
    let server = start(&Config::plaintext());
    let client = PollingClient::open(&server);
    // 10 MiB of zeros by gzip would be this short.
    let bomb = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xed\xc1\x01\x0d\x00\x00\x00\xc2\xa0";
    for coding in ["gzip", "deflate", "br", "zstd", "identity", "gzip, gzip", ""] {
        let request = client.post_request(bomb).header("Content-Encoding", coding);
        assert_eq!(client.send(&request).status, 415, "{coding:?}");
    }
    for media_type in [
        "application/octet-stream",
        "application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/html",
        "text/plainer",
        "",
        "text/plain; charset=utf-16",
        "text/plain;charset=\"iso-8859-1\"",
        "text/plain; charset=utf-8; charset=utf-7",
    ] {
        let request = client.post_request(b"1").with("Content-Type", media_type);
        assert_eq!(client.send(&request).status, 415, "{media_type:?}");
    }
    let twice = client.post_request(b"1").header("Content-Type", "text/plain");
    assert_eq!(client.send(&twice).status, 400);
    let _record = server.records.wait_for_rule("media_type");
    // The session is untouched.
    Gauges { open: 1, pre_auth: 1, authenticated: 0 }.wait_for(&server);
    for media_type in ["text/plain", "TEXT/PLAIN; charset=utf-8"] {
        let request = client.post_request(b"3").with("Content-Type", media_type);
        assert_eq!(client.send(&request).status, 200, "{media_type}");
    }
    let bare = client.post_request(b"1").without("Content-Type");
    let answer = client.send(&bare);
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"ok".as_slice()));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=UTF-8"));
    NOTHING.wait_for(&server);
}

#[test]
fn t_177_second_poll_ends_the_session_and_answers_the_first() {
    let server = start(&Config::plaintext());
    let mut other = PollingClient::connect(&server, &hs256("other"));
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    let mut first = waiting_poll(&server, &client);
    assert_refused(&client.poll(), "the second");
    let answer = Answer::read(&mut first);
    assert_eq!((answer.status, packets(&answer)), (200, vec![String::from("1")]));
    assert_ends(&mut client, "both");
    assert_eq!(other.ask("room:list", &json!({}))["ok"], true, "no other session ended");
    Gauges { open: 1, pre_auth: 0, authenticated: 1 }.wait_for(&server);
}

#[test]
fn t_177_two_posts_at_once_end_the_session() {
    let server = start(&wide(Config::plaintext()));
    let mut caught = false;
    // Overlap is a matter of chance: bodies of many acts make it near certain.
    for _ in 0..20 {
        let mut client = PollingClient::connect(&server, &hs256("ann"));
        let body: Vec<String> = (0..100)
            .map(|number| {
                format!("42{number}[\"room:create\",{{\"name\":\"r\",\"visibility\":\"public\"}}]")
            })
            .collect();
        let body = body.join(&SEPARATOR.to_string());
        let request = client.post_request(body.as_bytes()).bytes();
        let mut connections: Vec<Connection> = (0..2).map(|_| client.connection()).collect();
        connections.iter_mut().for_each(|connection| connection.send(&request));
        let answers: Vec<Answer> = connections.iter_mut().map(Answer::read).collect();
        let refused: Vec<&Answer> = answers.iter().filter(|answer| answer.status == 400).collect();
        if !refused.is_empty() {
            refused.iter().for_each(|answer| assert_refused(answer, "the overlap"));
            client.rest();
            let answer = client.poll();
            assert_eq!((answer.status, answer.code().as_str()), (400, "1"));
            caught = true;
            break;
        }
    }
    assert!(caught, "two posts never overlapped");
    NOTHING.wait_for(&server);
    alive(&server);
}

#[test]
fn t_182_packets_only_a_server_sends_or_in_the_wrong_state_end_the_session() {
    let server = start(&Config::plaintext());
    let cases = [
        "0",
        "0{}",
        "2",
        "2probe",
        "3probe",
        "5",
        "6",
        "7",
        "9",
        "a",
        "x4",
        " ",
        "\u{e9}",
        "4",
        "43[]",
        "44{}",
        "42[\"x\",{}]",
        "1x",
        "b",
        "bAAAA",
        "b!!!!",
        "451-[\"x\"]",
    ];
    for packet in cases {
        for signed_in in [false, true] {
            if signed_in && packet.starts_with("42") {
                continue;
            }
            let mut client = PollingClient::open(&server);
            if signed_in {
                client.sign_in(&hs256("packets"));
            }
            let answer = client.post(packet);
            // An answer without a request is accepted from signed-in clients.
            if signed_in && packet == "43[]" {
                continue;
            }
            assert_eq!(answer.status, 400, "{packet:?} {signed_in}");
            assert_ends(&mut client, packet);
        }
    }
    // `1` is a client's own way to go.
    let client = PollingClient::connect(&server, &hs256("polite"));
    let mut waiting = waiting_poll(&server, &client);
    client.say("1");
    let answer = Answer::read(&mut waiting);
    assert_eq!((answer.status, packets(&answer)), (200, vec![String::from("6")]));
    NOTHING.wait_for(&server);
    alive(&server);
}

#[test]
fn t_181_silence_pongs_and_pings_by_polling() {
    let server = start(&transport(&["ping_interval_ms = 300", "ping_timeout_ms = 1000"]));
    // Polls, but never answers: it gets `1` at the end.
    let mut silent = PollingClient::connect(&server, &hs256("silent"));
    let mut reply = Vec::new();
    until("the end", || {
        let answer = silent.poll();
        if answer.status == 200 {
            reply.extend(packets(&answer));
        }
        (answer.status != 200).then_some(())
    });
    assert_eq!(reply.iter().filter(|packet| *packet == "2").count(), 1, "{reply:?}");
    assert_eq!(reply.last().map(String::as_str), Some("1"), "{reply:?}");
    silent.seen.clear();
    NOTHING.wait_for(&server);
    // Answers every ping: it lives longer than interval and timeout together.
    let mut polite = PollingClient::connect(&server, &hs256("polite"));
    let pings = counter(&server, "portcullis_http_requests_total");
    for _ in 0..6 {
        let (_, took) = timed(|| {
            until("a ping", || {
                let answer = polite.poll();
                assert_eq!(answer.status, 200);
                packets(&answer).contains(&String::from("2")).then_some(())
            });
        });
        assert!(took.as_millis() < 5_000, "{took:?}");
        polite.say("3");
    }
    assert!(counter(&server, "portcullis_http_requests_total") > pings);
    assert_eq!(polite.ask("room:list", &json!({}))["ok"], true);
    polite.say("1");
    // Answering early, a thousand times: limited, whether in one body or in many.
    let mut flood = PollingClient::connect(&server, &hs256("flood"));
    (0..10).for_each(|_| drop(flood.post(&joined("3", 100))));
    assert_ends(&mut flood, "pong flood");
    let mut pinging = PollingClient::connect(&server, &hs256("pinging"));
    assert_refused(&pinging.post("2"), "a ping of the client's");
    assert_ends(&mut pinging, "ping");
    NOTHING.wait_for(&server);
    alive(&server);
}

#[test]
fn keep_alive_carries_a_session_over_one_connection_and_pipelining_waits() {
    let server = start(&wide(Config::default()));
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    let mut connection = client.connection();
    for number in 0..20 {
        let post = client.post_request(format!("42{number}[\"room:list\",{{}}]").as_bytes());
        assert_eq!(post.ask_on(&mut connection).status, 200);
        let answer = client.poll_request().ask_on(&mut connection);
        assert!(packets(&answer)[0].starts_with(&format!("43{number}[")), "{answer:?}");
    }
    // A post behind a poll on the same connection is not read before the poll is answered.
    let post = client.post_request(b"4220[\"room:list\",{}]").bytes();
    connection.send(&[client.poll_request().bytes(), post].concat());
    client.say("4221[\"room:list\",{}]");
    let answer = Answer::read(&mut connection);
    assert!(packets(&answer)[0].starts_with("4321["), "{answer:?}");
    assert_eq!(Answer::read(&mut connection).body, b"ok");
    assert!(client.wait_packet(|packet| packet.starts_with("4320[")).contains("\"ok\":true"));
}

#[test]
fn t_013_t_014_t_016_t_260_answers_to_polls_are_for_one_page_and_no_cache() {
    let allowed = "https://myapp.test";
    let server = start(&Config {
        origin: vec![format!("allowed = [\"{allowed}\", \"https://other.test\"]")],
        ..Config::plaintext()
    });
    let mut client = PollingClient { origin: allowed.into(), ..PollingClient::outsider(&server) };
    let opened = client.send(&client.request("GET", ""));
    client.handshake();
    let posted = client.post("3");
    client.say("40{}");
    let polled = client.poll();
    let refused = client.post("9");
    for (what, answer) in
        [("open", &opened), ("post", &posted), ("poll", &polled), ("refused", &refused)]
    {
        let header = |name: &str| answer.header(name).unwrap_or_default().to_owned();
        assert!(["", allowed].contains(&header("access-control-allow-origin").as_str()), "{what}");
        if answer.status == 200 {
            assert_eq!(header("access-control-allow-origin"), allowed, "{what}");
            assert_eq!(header("content-type"), "text/plain; charset=UTF-8", "{what}");
        }
        assert!(header("vary").contains("Origin"), "{what}: {}", header("vary"));
        assert!(header("cache-control").contains("no-store"), "{what}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{what}");
        assert!(header("content-security-policy").contains("default-src 'none'"), "{what}");
        assert_eq!(answer.header("etag"), None, "{what}");
        assert_eq!(answer.header("set-cookie"), None, "{what}");
        assert_eq!(answer.values("access-control-allow-origin").len().max(1), 1, "{what}");
    }
    let preflight = |origin: &str, method: &str| {
        let request = client
            .request("OPTIONS", "")
            .with("Origin", origin)
            .header("Access-Control-Request-Method", method)
            .header("Access-Control-Request-Headers", "content-type");
        client.send(&request)
    };
    let fine = preflight(allowed, "POST");
    assert_eq!(fine.status, 204);
    assert_eq!(fine.header("access-control-allow-origin"), Some(allowed));
    let methods = fine.header("access-control-allow-methods").unwrap_or_default();
    assert!(!["PUT", "DELETE", "PATCH", "*"].iter().any(|method| methods.contains(method)));
    for origin in ["https://evil.com", "null", "https://myapp.test.evil.com"] {
        let answer = preflight(origin, "POST");
        assert_eq!(answer.status, 403, "{origin}");
        let cors = answer.headers.iter().find(|(name, _)| name.starts_with("access-control-"));
        assert_eq!(cors, None, "{origin}");
    }
}

#[test]
fn t_248_body_of_a_poll_is_rejected_and_not_read_as_a_request() {
    let server = start(&Config::plaintext());
    let mut client = PollingClient::connect(&server, &hs256("ann"));
    let inner = client.post_request(b"1").bytes();
    for length in [inner.len(), 1] {
        let outer = client.poll_request().header("Content-Length", &length.to_string());
        let opening = PollingClient { sid: String::new(), ..client.clone() }.request("GET", "");
        let opening = opening.header("Content-Length", &length.to_string());
        for request in [outer.body(&inner), opening.body(&inner)] {
            let mut connection = client.connection();
            connection.send(&request.bytes());
            let text = String::from_utf8(connection.read_to_end()).unwrap();
            assert!(text.starts_with("HTTP/1.1 400 "), "{text}");
            assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "{text}");
        }
    }
    assert_eq!(client.ask("room:list", &json!({}))["ok"], true, "nothing of it was heard");
}
