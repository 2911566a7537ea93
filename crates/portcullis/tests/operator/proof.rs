//! Proofs of the operator's key, as commands send them to the private listener.
//! Never: the key itself in a request of a command; a proof that permits two requests.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use portcullis::Secret;
use portcullis_model::{Clock, SystemClock};
use portcullis_server::{ANSWER_PROOF_HEADER, NONCE_BYTES, OperatorAnswer, OperatorRequest};
use portcullis_test::{Answer, Config, Request, TestServer, WAIT};

use crate::{done, start};

const STATE: &str = "/admin/v1/state";
const PIN: &str = "/admin/v1/state/pin";

/// A request with a header that a command printed or a program made.
fn send(server: &TestServer, header: &str, target: &str, body: &str) -> Answer {
    let (name, value) = header.trim().split_once(": ").unwrap();
    Request::post(server, target, body).header(name, value).ask_private(server)
}

/// The header of a program whose clock is wrong by some seconds.
fn header(server: &TestServer, body: &str, clock_s: i64, nonce: u8) -> String {
    let request = OperatorRequest { method: "POST", target: STATE, body: body.as_bytes() };
    let key = Secret::new(server.operator_key());
    let now_ms = SystemClock::start().now().unix_ms;
    let proof = request.prove(&key, now_ms + clock_s * 1_000, &[nonce; NONCE_BYTES]);
    format!("X-Portcullis-Operator: {proof}")
}

fn error(answer: &Answer) -> (u16, String) {
    let why = answer.json()["error"].as_str().unwrap_or_default().to_owned();
    (answer.status, why)
}

#[test]
fn proof_permits_one_request_and_no_other() {
    let server = start(&Config::default());
    let proof = || done(&server, &["keys", "operator", "POST", STATE, "{}"], "");
    let first = proof();
    assert!(!first.contains(&server.operator_key()), "{first}");
    assert_eq!(send(&server, &first, STATE, "{}").status, 200);
    let (status, why) = error(&send(&server, &first, STATE, "{}"));
    assert_eq!(status, 403, "a second time");
    assert!(why.contains("was used before"), "{why}");
    assert_eq!(send(&server, &proof(), PIN, "{}").status, 403, "another path");
    assert_eq!(send(&server, &proof(), "/admin/v1/state?a", "{}").status, 403, "another query");
    let (status, why) = error(&send(&server, &proof(), STATE, "{ }"));
    assert_eq!(status, 403, "another body");
    assert!(why.contains("made for another body"), "{why}");
    assert_eq!(send(&server, &proof(), STATE, "{}").status, 200);
    // The key itself is accepted as before, for programs that cannot create a proof.
    let key = done(&server, &["keys", "operator"], "");
    assert_eq!(key.trim(), format!("X-Portcullis-Operator: {}", server.operator_key()));
    let answers = [(); 2].map(|()| send(&server, &key, STATE, "{}"));
    assert!(answers.iter().all(|answer| answer.status == 200));
    assert!(answers.iter().all(|answer| answer.header(&answer_header()).is_none()));
}

fn answer_header() -> String {
    ANSWER_PROOF_HEADER.to_ascii_lowercase()
}

#[test]
fn proof_of_another_time_is_rejected_with_the_difference_of_the_clocks() {
    let server = start(&Config::default());
    assert_eq!(send(&server, &header(&server, "{}", 0, 1), STATE, "{}").status, 200);
    for (clock_s, expect) in [(-45, " s old by the clock of the server"), (45, " s in the future")]
    {
        let (status, why) = error(&send(&server, &header(&server, "{}", clock_s, 2), STATE, "{}"));
        assert_eq!(status, 403, "{clock_s}");
        assert!(why.contains(expect) && why.contains("the clocks differ"), "{why}");
    }
}

#[test]
fn proof_from_before_a_restart_is_rejected_after_it() {
    let mut server = start(&Config::default());
    // Used, and kept by a program that listened while the server was down.
    let used = header(&server, "{}", 0, 1);
    assert_eq!(send(&server, &used, STATE, "{}").status, 200);
    let kept = header(&server, "{}", 0, 2);
    server.terminate();
    let server = server.crash_and_restart();
    for proof in [used, kept] {
        let (status, why) = error(&send(&server, &proof, STATE, "{}"));
        assert_eq!(status, 403);
        assert!(why.contains("older than the start of the server"), "{why}");
    }
}

#[test]
fn answer_is_proven_for_its_request_also_when_it_is_a_rejection() {
    let server = start(&Config::default());
    let key = Secret::new(server.operator_key());
    for (nonce, clock_s, status) in [(1, 0, 200), (1, 0, 403), (2, -60, 403)] {
        let answer = send(&server, &header(&server, "{}", clock_s, nonce), STATE, "{}");
        assert_eq!(answer.status, status, "{nonce}");
        let proof = answer.header(&answer_header()).unwrap();
        let nonce = [nonce; NONCE_BYTES];
        let covered = OperatorAnswer { nonce: &nonce, status, body: &answer.body };
        assert!(covered.is_proven(&key, proof), "{proof}");
    }
    // A program without the key learns nothing, and gets no proof of anything.
    let forged = header(&server, "{}", 0, 3).replace("v1.", "v1.1");
    let answer = send(&server, &forged, STATE, "{}");
    assert_eq!((answer.status, answer.header(&answer_header())), (403, None));
}

/// Reads a request of a command: its head and body.
fn read_request(socket: &mut TcpStream) -> String {
    socket.set_read_timeout(Some(WAIT)).unwrap();
    let (mut request, mut bytes) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.split_once("Content-Length: ").unwrap().1;
            if body.len() >= length.lines().next().unwrap().parse().unwrap() {
                return text;
            }
        }
        let count = socket.read(&mut bytes).unwrap();
        assert_ne!(count, 0, "{text}");
        request.extend_from_slice(&bytes[..count]);
    }
}

/// The answers of programs that do not know the key, to a request of a command.
fn impostor_answers(genuine: &str) -> [String; 4] {
    let answer = |proof: &str| {
        let body = r#"{"ok":true,"state":"normal","measured":"normal","pinned":null}"#;
        format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{proof}\r\n{body}", body.len())
    };
    [
        answer(""),
        answer("X-Portcullis-Proof: v1.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"),
        // An answer of the server to another request, as the program recorded it.
        genuine.to_owned(),
        String::from("SSH-2.0-OpenSSH_9.6\r\n"),
    ]
}

#[test]
fn impostor_on_the_private_port_is_named_and_learns_nothing_reusable() {
    let mut server = start(&Config::default());
    let genuine = send(&server, &header(&server, "{}", 0, 1), STATE, "{}");
    let genuine = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nX-Portcullis-Proof: {}\r\n\r\n{}",
        genuine.body.len(),
        genuine.header(&answer_header()).unwrap(),
        String::from_utf8(genuine.body.clone()).unwrap(),
    );
    server.terminate();
    let listener = TcpListener::bind(server.private).unwrap();
    let commands: [&[&str]; 4] = [
        &["state", "show"],
        &["state", "pin", "critical", "--reason", "a flood"],
        &["limits", "unlock", "127.0.0.1"],
        &["alert", "list"],
    ];
    let mut recorded = Vec::new();
    for (arguments, response) in commands.into_iter().zip(impostor_answers(&genuine)) {
        let command = server.begin(arguments);
        let (mut socket, _peer) = listener.accept().unwrap();
        recorded.push(read_request(&mut socket));
        socket.write_all(response.as_bytes()).unwrap();
        drop(socket);
        let output = command.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: the answer is not believed");
        let errors = String::from_utf8(output.stderr).unwrap();
        let expect = "did not prove that it knows the operator's key";
        assert!(errors.contains(expect) && errors.contains("another program"), "{errors}");
    }
    drop(listener);
    let key = server.operator_key();
    let server = server.crash_and_restart();
    for request in recorded {
        assert!(request.contains("\r\nX-Portcullis-Operator: v1."), "{request}");
        assert!(!request.contains(&key), "{request}");
        // Sent again to the server, it does nothing.
        let (head, body) = request.split_once("\r\n\r\n").unwrap();
        let (line, headers) = head.split_once("\r\n").unwrap();
        let headers = headers.lines().filter_map(|line| line.split_once(": "));
        let again = headers
            .fold(Request::bare(line).body(body.as_bytes()), |request, (name, value)| {
                request.header(name, value)
            });
        let (status, why) = error(&again.ask_private(&server));
        assert_eq!(status, 403, "{head}");
        assert!(why.contains("older than the start of the server"), "{why}");
    }
    assert!(done(&server, &["state", "show"], "").contains("state: normal"));
}
