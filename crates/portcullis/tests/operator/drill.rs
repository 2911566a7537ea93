//! `portcullis drill`: a healthy server, a limit that only counts, targets that are not the server.
//! Never: an attack on a target without a proof.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use portcullis_test::{Config, Connection, Request, TestServer, sign_up};
use serde_json::{Value, json};

use crate::start;

/// The limits of production, and a dashboard on a host of its own.
fn config() -> Config {
    Config {
        rate: Vec::new(),
        capacity: vec![String::from("connections_total = 1000")],
        issuer: false,
        transport: vec![
            String::from("handshake_timeout_ms = 2000"),
            String::from("connect_timeout_ms = 2000"),
        ],
        more: String::from("[admin]\nhost = \"admin.chat.example\"\n"),
        ..Config::default()
    }
    .production()
}

/// Runs the drill against the server itself; returns its exit code, the report, and the notices.
fn drill(server: &TestServer, more: &[&str], input: &str) -> (Option<i32>, Value, String) {
    let (address, authority) = (server.public.to_string(), server.authority.clone().unwrap());
    let mut arguments = vec!["drill", "--connect", &address, "--json"];
    arguments.extend(["--ca", authority.to_str().unwrap()]);
    arguments.extend(more);
    let output = server.operate(&arguments, input);
    let notices = String::from_utf8(output.stderr).unwrap();
    assert!(!output.stdout.is_empty(), "{notices}");
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap(), notices)
}

/// The cases with a result, by id.
fn cases<'a>(report: &'a Value, result: &str) -> Vec<&'a str> {
    let cases = report["cases"].as_array().unwrap().iter();
    let cases = cases.filter(|case| case["result"] == result);
    cases.map(|case| case["id"].as_str().unwrap()).collect()
}

/// Requests an operation with the operator's key.
fn operate(server: &TestServer, name: &str) -> Value {
    Request::post(server, &format!("/admin/v1/drill/{name}"), "{}")
        .header("X-Portcullis-Operator", &server.operator_key())
        .ask_private(server)
        .json()
}

/// Requests a proof for a drill; the status, and what the server sent.
fn prove(server: &TestServer, drill: &Value) -> (u16, Value) {
    let body = json!({ "drill": drill, "challenge": "c1" }).to_string();
    let request = Request::post(server, "/.well-known/portcullis-drill", &body);
    let answer = request.with("Host", "chat.example").ask(server);
    (answer.status, answer.json())
}

#[test]
fn drill_of_a_healthy_server_passes_every_case_and_is_recorded() {
    let server = start(&config());
    let ann = sign_up(&server, "ann");
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("report");
    let more = ["--with-token", "--with-block", "--report", folder.to_str().unwrap()];
    let (code, report, notices) = drill(&server, &more, &ann.token);
    assert_eq!(cases(&report, "failed"), Vec::<&str>::new(), "{report:#}");
    assert_eq!(cases(&report, "skipped"), Vec::<&str>::new(), "{report:#}");
    assert_eq!(code, Some(0));
    let connections = report["connections"].as_u64().unwrap();
    assert!(connections < 250, "{connections}");
    for code in ["drill_started", "drill_ended"] {
        let _record = server.records.wait_for(|record| record["event"]["code"] == code);
    }
    let foreign = server.records.wait_for_rule("origin_rejected");
    assert!(foreign["user_agent"]["original"].as_str().unwrap().starts_with("portcullis-drill/"));
    let page = std::fs::read_to_string(folder.join("drill-report.html")).unwrap();
    assert!(page.contains("0 failed") && !page.contains("<script"), "{page}");
    let file = std::fs::read(folder.join("drill-report.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&file).unwrap(), report);
    let alerts = report["alerts"].as_array().unwrap();
    assert!(alerts.iter().any(|alert| alert["cause"] == "drill"), "{alerts:?}");
    assert_eq!(report["alerts_of_others"], 0, "{alerts:?}");
    // The operator knows of the block before it starts, and how to lift it.
    let last = report["cases"].as_array().unwrap().last().unwrap();
    assert_eq!(last["id"], "block-violations");
    assert!(last["seen"].as_str().unwrap().ends_with("lifted again"), "{last}");
    for part in ["127.0.0.1 for 60 s (rate.penalty_s)", "portcullis limits unlock 127.0.0.1 --"] {
        assert!(notices.contains(part), "{notices}");
    }
    let _blocked = server.records.wait_for_rule("penalty_per_prefix");
    // Its address is as free as before.
    let upgrade = Request::upgrade(&server, "/socket.io/?EIO=4&transport=websocket");
    let answer = upgrade.with("Host", "chat.example").ask_on(&mut Connection::open(&server));
    assert_eq!(answer.status, 101);
    // No token or key is in the report.
    let text = report.to_string();
    assert!(!text.contains(&ann.token) && !text.contains(&server.operator_key()));
}

#[test]
fn drill_names_each_limit_that_only_counts() {
    let mut config = config();
    config.rate = vec![String::from("observe = [\"connect_per_prefix\", \"penalty_per_prefix\"]")];
    let server = start(&config);
    let (code, report, _) = drill(&server, &["--with-block"], "");
    let ids = ["limit-connects", "block-violations"];
    assert_eq!(cases(&report, "failed"), ids, "{report:#}");
    let cases = report["cases"].as_array().unwrap();
    for id in ids {
        let case = cases.iter().find(|case| case["id"] == id).unwrap();
        assert!(case["fix"].as_str().unwrap().contains("rate.observe"), "{case}");
    }
    assert_eq!(code, Some(3));
}

#[test]
fn target_without_the_proof_gets_one_request_and_no_attack() {
    let server = start(&config());
    for (answer, expect) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{\"proof\":\"AAAA\"}", "another server"),
        ("", "the connection was closed"),
    ] {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", target.local_addr().unwrap());
        let other = thread::spawn(move || {
            let (mut socket, _) = target.accept().unwrap();
            let mut lines = Vec::new();
            for line in BufReader::new(socket.try_clone().unwrap()).lines() {
                match line.unwrap() {
                    line if line.is_empty() => break,
                    line => lines.push(line),
                }
            }
            socket.write_all(answer.as_bytes()).unwrap();
            (target, lines)
        });
        let output = server.operate(&["drill", &url], "");
        let (target, lines) = other.join().unwrap();
        assert_eq!(lines[0], "POST /.well-known/portcullis-drill HTTP/1.1");
        target.set_nonblocking(true).unwrap();
        let second = target.accept().map(drop).map_err(|error| error.kind());
        assert_eq!(second, Err(ErrorKind::WouldBlock), "a second connection");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(expect) && error.contains("no attack was sent"), "{error}");
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{error}");
    }
    let _ended = server.records.wait_for(|record| record["event"]["code"] == "drill_ended");
}

#[test]
fn target_that_drips_its_answer_has_ten_seconds() {
    let server = start(&config());
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", target.local_addr().unwrap());
    let slow = thread::spawn(move || {
        let (mut socket, _) = target.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        socket.write_all(b"HTTP/1.1 200 OK\r\nX: ").unwrap();
        // A byte for each half second without one of the drill, until the drill leaves.
        loop {
            match socket.read(&mut [0; 1_024]) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => match socket.write_all(b"x") {
                    Ok(()) => {}
                    Err(_) => break,
                },
            }
        }
    });
    let output = server.operate(&["drill", &url], "");
    slow.join().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("the answer was not complete in 10 s; no attack was sent"), "{error}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn proof_exists_only_for_the_open_drill() {
    let server = start(&config());
    assert_eq!(prove(&server, &json!("x")).0, 404, "no drill is open");
    for name in ["status", "reset", "end"] {
        assert_eq!(operate(&server, name)["error"]["code"], "drill_closed", "{name}");
    }
    let opened = operate(&server, "start");
    assert_eq!(opened["ok"], true, "{opened}");
    assert_eq!(operate(&server, "start")["error"]["code"], "drill_running");
    assert_eq!(operate(&server, "reset")["error"]["code"], "drill_unproven");
    assert_eq!(prove(&server, &json!("x")).0, 404, "another drill");
    let (status, proof) = prove(&server, &opened["id"]);
    assert_eq!(status, 200, "{proof}");
    assert_ne!(proof["proof"], opened["key"]);
    let sightings = operate(&server, "status")["sightings"].clone();
    assert_eq!(sightings, json!([{ "challenge": "c1", "address": "127.0.0.1" }]));
    for number in 0..21 {
        let answer = operate(&server, "reset");
        assert_eq!(answer["ok"], number < 20, "{number}: {answer}");
    }
    assert_eq!(operate(&server, "end")["ok"], true);
    assert_eq!(prove(&server, &opened["id"]).0, 404, "the drill has ended");
}

#[test]
fn drill_without_a_server_sends_nothing() {
    let mut server = start(&config());
    let _status = server.terminate();
    let target = TcpListener::bind("127.0.0.1:0").unwrap();
    target.set_nonblocking(true).unwrap();
    let url = format!("http://{}", target.local_addr().unwrap());
    let output = server.operate(&["drill", &url], "");
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("nothing was sent"), "{error}");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(target.accept().map(drop).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
}
