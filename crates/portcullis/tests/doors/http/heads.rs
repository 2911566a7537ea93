//! Heads and bodies too slow, too large, too many.
//! Never: a connection that outlives its deadline.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use portcullis_test::{
    Answer, Config, Connection, Request, TestServer, counter, processor_ms, timed, until,
};

use crate::clients::{SOCKETS, alive, answers, send_raw, start};

fn impatient() -> TestServer {
    let transport = vec![String::from("handshake_timeout_ms = 500")];
    start(&Config { transport, ..Config::plaintext() })
}

#[test]
fn t240_endless_head_is_answered_408_and_closed() {
    let server = impatient();
    let host = format!("GET / HTTP/1.1\r\nHost: {}\r\n", server.public);
    for start in ["G", "GET / HTTP/1.1", "GET / HTTP/1.1\r\n", host.as_str()] {
        let text = send_raw(&server, start.as_bytes());
        assert!(text.starts_with("HTTP/1.1 408 "), "{start:?}: {text}");
        assert_eq!(answers(&text), 1, "{text}");
    }
    assert_eq!(send_raw(&server, b""), "", "a silent client gets no answer");
    let record = server.records.wait_for_rule("head_timeout");
    assert_eq!(record["http"]["response"]["status_code"], 408, "{record}");
    alive(&server);
}

#[test]
fn t240_slow_bytes_do_not_extend_the_deadline() {
    let server = impatient();
    let connection = Connection::open(&server);
    let mut socket = connection.socket();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let head = format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Slow: ", server.public);
    socket.write_all(head.as_bytes()).unwrap();
    let (mut text, mut chunk) = (Vec::new(), [0; 4096]);
    // At most a minute; the deadline is half a second.
    for _ in 0..3_000 {
        let _closed_already = socket.write_all(b"x");
        match socket.read(&mut chunk) {
            Ok(0) => break,
            Ok(count) => text.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_reset) => break,
        }
        if !text.is_empty() {
            break;
        }
    }
    assert!(text.starts_with(b"HTTP/1.1 408 "), "{}", text.escape_ascii());
    alive(&server);
}

#[test]
fn t240_complete_head_in_small_pieces_is_served() {
    let server = start(&Config::plaintext());
    let padding = "a".repeat(8_000);
    let request = Request::get(&server, "/").header("X-One", &padding).header("X-Two", &padding);
    let mut connection = Connection::open(&server);
    for piece in request.bytes().chunks(64) {
        connection.send(piece);
    }
    assert_eq!(Answer::read(&mut connection).status, 200);
}

#[test]
fn t240_cost_per_byte_of_a_head_in_pieces_is_constant() {
    let server = start(&Config::plaintext());
    let request = |length: usize| {
        let request = Request::get(&server, "/nothing");
        let bytes = request.clone().header("X-Pad", "").bytes().len();
        request.header("X-Pad", &"a".repeat(length - bytes)).bytes()
    };
    // As many bytes in one head as in sixteen.
    let (long, short) = (request(16 * 1024), request(1024));
    let cost = |head: &[u8], times: usize| {
        let before_ms = processor_ms(&server);
        for _ in 0..times {
            let mut connection = Connection::open(&server);
            head.chunks(1).for_each(|byte| connection.send(byte));
            assert_eq!(Answer::read(&mut connection).status, 404);
        }
        processor_ms(&server) - before_ms
    };
    let rounds: Vec<_> = (0..3).map(|_| [cost(&short, 20 * 16), cost(&long, 20)]).collect();
    eprintln!("{rounds:?} ms of processor time for short heads, and for long ones");
    let [short_ms, long_ms] = [0, 1].map(|at| rounds.iter().map(|round| round[at]).min().unwrap());
    // How many bytes are read at once is up to the machine. If each byte had all before it read
    // again, the long ones would take seconds.
    assert!(long_ms <= 4 * short_ms + 200, "{rounds:?}");
    alive(&server);
}

#[test]
fn t242_missing_body_is_answered_408_and_closed() {
    let server = impatient();
    let request = Request::post(&server, "/auth/login", "{}").with("Content-Length", "50");
    let text = send_raw(&server, &request.bytes());
    assert!(text.starts_with("HTTP/1.1 408 "), "{text}");
    let _record = server.records.wait_for_rule("body_timeout");
    alive(&server);
}

#[test]
fn t241_head_over_a_limit_is_rejected() {
    let server = start(&Config::default());
    for path in SOCKETS.into_iter().chain(["/", "/auth/login", "/nothing"]) {
        let lines = |count: usize| {
            let start = Request::get(&server, path);
            (0..count).fold(start, |request, index| request.header(&format!("X-{index}"), "1"))
        };
        for count in [64, 65, 1_000, 2_000] {
            let answer = lines(count).ask(&server);
            assert_eq!(answer.status, 431, "{path} {count} headers and Host");
        }
        let name = Request::get(&server, path).header(&"x".repeat(1_024), "1");
        assert_eq!(name.ask(&server).status, 431, "{path}: a long name");
        let bytes = Request::get(&server, path).header("X-Pad", "").bytes().len();
        for over in [1, 2, 4_096, 100_000] {
            let pad = "a".repeat(16 * 1024 + over - bytes);
            let answer = Request::get(&server, path).header("X-Pad", &pad).ask(&server);
            assert_eq!(answer.status, 431, "{path}: {over} bytes too many");
        }
    }
    let record = server.records.wait_for_rule("head_size");
    assert_eq!(record["http"]["response"]["status_code"], 431, "{record}");
    alive(&server);
}

#[test]
fn t241_heads_at_a_limit_are_served() {
    let server = start(&Config::default());
    let start = Request::get(&server, "/");
    let full = (0..63).fold(start, |request, index| request.header(&format!("X-{index}"), "1"));
    assert_eq!(full.ask(&server).status, 200, "64 headers");
    let bytes = Request::get(&server, "/").header("X-Pad", "").bytes().len();
    let pad = "a".repeat(16 * 1024 - bytes);
    assert_eq!(Request::get(&server, "/").header("X-Pad", &pad).ask(&server).status, 200);
    let target = format!("/?{}", "a".repeat(2_046));
    assert_eq!(Request::get(&server, &target).ask(&server).status, 200, "2 KiB of target");
}

#[test]
fn t241_long_target_is_rejected() {
    let server = start(&Config::default());
    for path in ["/", "/ws?", "/socket.io/?EIO=4&transport=websocket&t=", "/?"] {
        for length in [2_049, 8_000, 16_000, 20_000, 100_000] {
            let target = format!("{path}{}", "a".repeat(length - path.len()));
            let answer = Request::get(&server, &target).ask(&server);
            assert_eq!(answer.status, 414, "{path} {length}");
            assert_eq!(answer.code(), "too_large");
        }
    }
    let _record = server.records.wait_for_rule("target_size");
    alive(&server);
}

/// A server with little grace and long deadlines, with and without TLS.
fn strict_receive_rate(grace_ms: u64) -> [TestServer; 2] {
    [Config::plaintext(), Config::default()].map(|config| {
        let transport = vec![
            String::from("handshake_timeout_ms = 60000"),
            format!("receive_grace_ms = {grace_ms}"),
        ];
        start(&Config { transport, ..config })
    })
}

/// Sends a byte every few moments until something is answered; gives that, and how long it took.
fn send_slowly(connection: &mut Connection, byte: u8) -> (u16, Duration) {
    let (_, took) = timed(|| {
        until("an answer", || {
            let ended = connection.try_send(&[byte]).is_err();
            (ended || connection.is_readable(Duration::from_millis(20))).then_some(())
        });
    });
    (Answer::read(connection).status, took)
}

#[test]
fn t240_t242_slow_sender_gets_408_before_the_deadline() {
    for server in strict_receive_rate(300) {
        let head = format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Slow: ", server.public);
        let body = Request::post(&server, "/auth/login", "").with("Content-Length", "9000").bytes();
        for (start, rule) in [(head.as_bytes(), "head_slow"), (&body, "body_slow")] {
            let mut connection = Connection::open(&server);
            connection.send(start);
            let (status, took) = send_slowly(&mut connection, b'x');
            eprintln!("{rule}: {took:?}");
            assert_eq!(status, 408, "{rule}");
            assert!(took < Duration::from_secs(20), "{rule}: {took:?}");
            let record = server.records.wait_for_rule(rule);
            assert_eq!(record["http"]["response"]["status_code"], 408, "{record}");
            let labels = format!("{{rule=\"{rule}\",code=\"handshake_timeout\",key=\"\"}}");
            assert_eq!(counter(&server, &format!("portcullis_refusals_total{labels}")), 1);
        }
        alive(&server);
    }
}

#[test]
fn t242_fast_sender_may_pause() {
    for server in strict_receive_rate(300) {
        let length = 10_021;
        let request = Request::post(&server, "/auth/login", "")
            .with("Content-Length", &length.to_string())
            .body(&vec![b' '; 10_000]);
        let mut connection = Connection::open(&server);
        connection.send(&request.bytes());
        let (_, took) = timed(|| {
            for _ in 0..20 {
                connection.send(b" ");
                let early = connection.is_readable(Duration::from_millis(50));
                let reply = connection.buffer.escape_ascii();
                assert!(!early, "an early answer: {reply}");
            }
        });
        assert!(took > Duration::from_millis(900), "longer than the grace: {took:?}");
        connection.send(b" ");
        assert_eq!(Answer::read(&mut connection).status, 400, "no JSON, but all of it");
    }
}

#[test]
fn t242_time_without_a_read_of_the_server_does_not_count() {
    for server in strict_receive_rate(2_000) {
        let request = Request::post(&server, "/auth/login", "").with("Content-Length", "400");
        let mut connection = Connection::open(&server);
        connection.send(&request.bytes());
        connection.send(b" ");
        server.signal("STOP");
        connection.send(&[b' '; 399]);
        let answered = connection.is_readable(Duration::from_millis(3_000));
        server.signal("CONT");
        assert!(!answered, "it was stopped");
        assert_eq!(Answer::read(&mut connection).status, 400, "no JSON, but all of it");
    }
}

#[test]
fn t242_idle_kept_connection_is_closed_without_an_answer() {
    for config in [Config::plaintext(), Config::default()] {
        let transport = vec![String::from("handshake_timeout_ms = 1500")];
        let server = start(&Config { transport, ..config });
        let mut connection = Connection::open(&server);
        for _ in 0..2 {
            assert_eq!(Request::get(&server, "/").ask_on(&mut connection).status, 200);
        }
        assert_eq!(connection.read_to_end(), b"");
        alive(&server);
    }
}

#[test]
fn t243_hundreds_of_silent_clients_are_closed_on_time_at_no_cost() {
    const TIMEOUT_MS: u64 = 1_500;
    for config in [Config::plaintext(), Config::default()] {
        let transport = vec![format!("handshake_timeout_ms = {TIMEOUT_MS}")];
        let server = start(&Config { transport, ..config });
        let cost = |count: usize| {
            let before_ms = processor_ms(&server);
            let open = |_| Connection::open_bare(server.public);
            let silent: Vec<_> = (0..count).map(open).collect();
            let (_, took) = timed(|| {
                for mut connection in silent {
                    assert_eq!(connection.read_to_end(), b"", "a silent client gets no answer");
                }
            });
            let cost_ms = processor_ms(&server) - before_ms;
            eprintln!("{count}: {cost_ms} ms of processor time in {took:?}");
            // The deadline, and a margin for a machine that has other things to do.
            assert!(took < Duration::from_millis(TIMEOUT_MS + 6_000), "{count}: {took:?}");
            until("their places to be free", || {
                (counter(&server, "portcullis_http_open") == 0).then_some(())
            });
            cost_ms
        };
        let (few_ms, many_ms) = (cost(400), cost(1_600));
        assert!(many_ms <= 6 * few_ms + 150, "{few_ms} ms for 400, {many_ms} ms for 1,600");
        alive(&server);
    }
}
