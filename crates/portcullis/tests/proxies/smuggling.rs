//! T-249: one request in is one request out, whatever the bytes between client and proxy.
//! Never: a second request that only one of the two has seen.

use portcullis_test::{Answer, Config, Request, counter};
use serde_json::json;

use crate::started::{Behind, Kind, NAME};

/// What must never reach the server as a request of its own.
const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: chat.example\r\n\r\n";

/// Requests that two readers could end at different places; each carries [`HIDDEN`] within.
fn shapes() -> Vec<(&'static str, String)> {
    let post = |headers: &str, body: &str| {
        let head = format!("POST /auth/login HTTP/1.1\r\nHost: {NAME}\r\n");
        format!("{head}Content-Type: application/json\r\n{headers}\r\n{body}")
    };
    let length = HIDDEN.len();
    let chunked = format!("0\r\n\r\n{HIDDEN}");
    let both = |te: &str| post(&format!("Content-Length: {}\r\n{te}", chunked.len()), &chunked);
    let chunk = |line: &str| format!("{line}{HIDDEN}\r\n0\r\n\r\n");
    let te = "Transfer-Encoding: chunked\r\n";
    vec![
        ("CL.TE", both(te)),
        ("TE identity", both("Transfer-Encoding: chunked, identity\r\n")),
        ("TE xchunked", both("Transfer-Encoding: xchunked\r\n")),
        ("TE space before", both("Transfer-Encoding : chunked\r\n")),
        ("TE tab", both("Transfer-Encoding:\tchunked\r\n")),
        ("TE vertical tab", both("Transfer-Encoding: \x0bchunked\r\n")),
        ("TE folded", both("Transfer-Encoding:\r\n chunked\r\n")),
        ("TE twice", both("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n")),
        ("TE bare LF", both("X: y\nTransfer-Encoding: chunked\r\n")),
        ("TE bare CR", both("X: y\rTransfer-Encoding: chunked\r\n")),
        ("CL twice", post(&format!("Content-Length: 0\r\nContent-Length: {length}\r\n"), HIDDEN)),
        ("CL list", post(&format!("Content-Length: 0, {length}\r\n"), HIDDEN)),
        ("CL plus", post(&format!("Content-Length: +{length}\r\n"), HIDDEN)),
        ("CL minus", post("Content-Length: -1\r\n", HIDDEN)),
        ("CL hex", post("Content-Length: 0x2a\r\n", HIDDEN)),
        ("CL huge", post("Content-Length: 18446744073709551616\r\n", HIDDEN)),
        ("CL space before", post(&format!("Content-Length : {length}\r\n"), HIDDEN)),
        ("chunk extension", post(te, &chunk(&format!("{length:x};a=\"\r\n\"\r\n")))),
        ("chunk bare LF", post(te, &chunk(&format!("{length:x}\n")))),
        ("chunk sign", post(te, &chunk(&format!("+{length:x}\r\n")))),
        ("chunk 17 digits", post(te, &chunk(&format!("1{length:016x}\r\n")))),
        ("body of a GET", {
            format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {length}\r\n\r\n{HIDDEN}")
        }),
        ("upgrade with a body", {
            let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13";
            format!(
                "GET /ws HTTP/1.1\r\nHost: {NAME}\r\n{upgrade}\r\n\
                 Content-Length: {length}\r\n\r\n{HIDDEN}"
            )
        }),
        // An upgrade that the server refuses must not open a tunnel for what follows.
        ("refused upgrade", {
            let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 99";
            format!("GET /ws HTTP/1.1\r\nHost: {NAME}\r\n{upgrade}\r\n\r\n")
        }),
        ("HTTP/2 preface", String::from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")),
        ("CONNECT", format!("CONNECT {NAME}:443 HTTP/1.1\r\nHost: {NAME}\r\n\r\n")),
        ("absolute form", format!("GET https://evil.example/ HTTP/1.1\r\nHost: {NAME}\r\n\r\n")),
    ]
}

/// Requests as they should be, and how many there are.
fn honest(behind: &Behind) -> Vec<(&'static str, Vec<u8>, u64)> {
    let get = behind.get("/.well-known/jwks.json").bytes();
    let login = |body: &str| {
        let post = Request::post(&behind.server, "/auth/login", body).with("Host", NAME);
        post.header("Origin", &format!("https://{NAME}")).bytes()
    };
    let within = login(&json!({ "username": HIDDEN, "password": HIDDEN }).to_string());
    vec![
        ("one", get.clone(), 1),
        ("one with a body", login("{}"), 1),
        ("one whose body looks like one", within.clone(), 1),
        ("three in one piece", get.repeat(3), 3),
        ("one, and one with a body behind it", [get, within].concat(), 2),
    ]
}

/// How many requests the server has read.
fn requests(behind: &Behind) -> u64 {
    counter(&behind.server, "portcullis_http_requests_total")
}

#[test]
fn t249_smuggled_request_is_never_processed() {
    for kind in [Kind::Nginx, Kind::HaproxyEnds, Kind::HaproxyThrough] {
        let behind = Behind::start(kind, Config::default());
        for (name, bytes) in shapes() {
            let before = requests(&behind);
            let mut connection = behind.connect([127, 7, 7, 7]);
            connection.send(bytes.as_bytes());
            connection.half_close();
            let answers = connection.read_to_end();
            let answers = String::from_utf8_lossy(&answers);
            assert!(!answers.contains("101 Switching"), "{kind:?} {name}: {answers}");
            // A proxy that takes a half-closed client for gone answers nothing, and had asked once.
            let reply = u64::try_from(answers.matches("HTTP/1.1 ").count()).unwrap();
            let came = requests(&behind) - before;
            assert!(came <= reply.max(1), "{kind:?} {name}: {came} requests, {reply} answers");
        }
        // Whatever a connection behind was left with would be the start of this one's answer.
        for _ in 0..20 {
            let answer =
                behind.get("/.well-known/jwks.json").ask_on(&mut behind.connect([127, 7, 7, 8]));
            assert_eq!(answer.status, 200, "{kind:?}");
            assert!(answer.json()["keys"].is_array(), "{kind:?}");
        }
        for (name, request, count) in honest(&behind) {
            let before = requests(&behind);
            let mut connection = behind.connect([127, 7, 7, 8]);
            connection.send(&request);
            for _ in 0..count {
                let status = Answer::read(&mut connection).status;
                assert!([200, 400, 401].contains(&status), "{kind:?} {name}: {status}");
            }
            assert_eq!(requests(&behind) - before, count, "{kind:?} {name}: in and out");
        }
        // The last one asked for by name, so that everything before has been recorded.
        let requested = behind.get("/end").ask_on(&mut behind.connect([127, 7, 7, 8]));
        assert_eq!(requested.status, 404);
        let _end = behind.server.records.wait_for(|record| record["url"]["path"] == "/end");
        // A proxy that ends the first request where the second begins has seen both, and says of
        // both who sent them. An unknown request counts for the proxy itself.
        let blamed = if kind == Kind::HaproxyThrough { "127.7.7.7" } else { "127.0.0.1" };
        let hidden =
            behind.server.records.all().into_iter().find(|record| {
                record["url"]["path"] == "/hidden" && record["source"]["ip"] == blamed
            });
        assert!(hidden.is_none(), "{kind:?}: {hidden:?}");
    }
}
