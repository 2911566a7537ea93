//! T-101: plain-text requests to a TLS server: pages are redirected, programs are rejected.
//! Never: an answer that a program could take for a success.

use std::net::SocketAddr;

use portcullis_test::{Answer, Config, Connection, Request, TestServer, counter, until};

use crate::browsers::headers;
use crate::clients::{ENGINE, alive, start};

fn redirecting() -> (TestServer, SocketAddr) {
    let listen = vec![String::from("redirect = \"127.0.0.1:0\"")];
    let server = start(&Config { listen, ..Config::default() });
    let redirect = server.redirect.unwrap();
    (server, redirect)
}

fn ask(redirect: SocketAddr, request: &Request) -> Answer {
    request.ask_on(&mut Connection::open_bare(redirect))
}

#[test]
fn t101_page_is_redirected_to_the_servers_own_name() {
    let (server, redirect) = redirecting();
    let public = server.public;
    for (path, host, expect) in [
        ("/", public.to_string(), format!("https://{public}/")),
        ("/", redirect.to_string(), format!("https://{public}/")),
        ("/", String::from("127.0.0.1"), format!("https://{public}/")),
        ("/index.html", redirect.to_string(), format!("https://{public}/index.html")),
        ("/?room=a&b=%0d%0a", redirect.to_string(), format!("https://{public}/?room=a&b=%0d%0a")),
        ("/", format!("localhost:{}", redirect.port()), {
            format!("https://localhost:{}/", public.port())
        }),
    ] {
        let answer = ask(redirect, &Request::get(&server, path).with("Host", &host));
        headers::check(&answer, 308, false);
        assert_eq!(answer.values("location"), [expect.as_str()], "{path} {host}");
        assert_eq!(answer.values("connection"), ["close"], "{path} {host}");
        assert!(answer.body.is_empty(), "{path} {host}");
    }
    let led = Request::bare(&format!("GET http://{redirect}/ HTTP/1.1"));
    let led = led.header("Host", &redirect.to_string());
    assert_eq!(ask(redirect, &led).header("location"), Some(&*format!("https://{public}/")));
    alive(&server);
}

#[test]
fn t101_request_that_is_not_a_page_is_rejected_and_never_redirected() {
    let (server, redirect) = redirecting();
    let get = |path: &str| Request::get(&server, path);
    let cases = [
        (403, Request::upgrade(&server, ENGINE)),
        (403, Request::upgrade(&server, "/ws")),
        (403, Request::upgrade(&server, "/").without("Origin")),
        (403, get("/socket.io/?EIO=4&transport=polling").header("Origin", &server.origin)),
        (403, Request::post(&server, "/auth/login", r#"{"username":"a","password":"b"}"#)),
        (403, Request::post(&server, "/", "{}")),
        (403, get("/.well-known/jwks.json")),
        (403, get("/nothing")),
        (403, get("/").header("Authorization", "Bearer x")),
        (403, get("/").header("Origin", &server.origin)),
        (400, get("/").header("Content-Length", "1").body(b"x")),
        (403, Request::bare("OPTIONS / HTTP/1.1").header("Host", &redirect.to_string())),
        (401, get("/?token=x")),
        (400, get("/").with("Host", "evil.com")),
        (400, get("/").with("Host", "127.0.0.1.evil.com")),
        (400, get("/").with("Host", "127.0.0.1@evil.com")),
        (400, get("/").header("Host", "127.0.0.1")),
        (400, get("/").without("Host")),
        (400, Request::bare("GET http://evil.com/ HTTP/1.1").header("Host", "127.0.0.1")),
        (400, get("/").header("Transfer-Encoding", "chunked")),
        (403, get("//evil.com/")),
        (400, get("/\\evil.com")),
        (400, Request::bare("GET / HTTP/1.0").header("Host", "127.0.0.1")),
    ];
    for (status, request) in &cases {
        let answer = ask(redirect, request);
        let what = String::from_utf8_lossy(&request.bytes()).into_owned();
        eprintln!("{what}");
        headers::check(&answer, *status, false);
        assert_eq!(answer.header("location"), None, "{what}");
        assert_eq!(answer.header("upgrade"), None, "{what}");
        assert!(answer.header("set-cookie").is_none(), "{what}");
        assert!(answer.json()["ref"].is_string(), "{what}");
        if *status == 403 {
            let number = what.starts_with("GET /socket.io/");
            assert_eq!(answer.code(), if number { "4" } else { "https_required" }, "{what}");
        }
    }
    let record = server.records.wait_for_rule("plain_text");
    assert_eq!(record["source"]["ip"], "127.0.0.1", "{record}");
    // TLS on this listener is not a request.
    let mut connection = Connection::open_bare(redirect);
    connection.send(&portcullis_test::client_hello(&server));
    assert!([400, 408].contains(&Answer::read(&mut connection).status));
    alive(&server);
}

#[test]
fn t101_redirect_listener_has_the_same_limits() {
    let rate = vec![String::from("request_per_prefix = \"3/60s\"")];
    let listen = vec![String::from("redirect = \"127.0.0.1:0\"")];
    let capacity = vec![String::from("http_per_prefix = 4")];
    let transport = vec![String::from("handshake_timeout_ms = 5000")];
    let config = Config { rate, listen, capacity, transport, ..Config::default() };
    let server = start(&config);
    let redirect = server.redirect.unwrap();
    let statuses = [(); 4].map(|()| ask(redirect, &Request::get(&server, "/")).status);
    assert_eq!(statuses, [308, 308, 308, 429]);
    // A silent client is closed on time, and an address has at most four connections.
    let idle: Vec<_> = (0..6).map(|_| Connection::open_bare(redirect)).collect();
    until("the places to be taken", || {
        (counter(&server, "portcullis_http_open") == 4).then_some(())
    });
    for mut connection in idle {
        while connection.read() {}
    }
    until("the places to be free", || {
        (counter(&server, "portcullis_http_open") == 0).then_some(())
    });
}
