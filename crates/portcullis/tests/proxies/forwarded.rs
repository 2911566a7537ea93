//! T-073 to T-078: the client address, by header and by PROXY protocol.
//! Never: an address that only the client itself has written.

use std::net::IpAddr;

use portcullis_test::{Answer, Config, Connection, Request, TestServer, packets};

const PATH: &str = "/socket.io/?EIO=4&transport=websocket";
const PROXY: [u8; 4] = [127, 0, 0, 2];

fn start(listen: &[&str], plaintext: bool) -> TestServer {
    let mut config = Config { plaintext, ..Config::strict_rates() };
    config.listen = listen.iter().map(|line| String::from(*line)).collect();
    TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &config.production())
}

fn ask(server: &TestServer, source: [u8; 4], header: (&str, &str)) -> u16 {
    let request = Request::upgrade(server, PATH).header(header.0, header.1);
    request.ask_on(&mut Connection::open_from(server, IpAddr::from(source))).status
}

/// How many of so many upgrades pass, each with another value of the header.
fn passes(server: &TestServer, source: [u8; 4], name: &str, value: impl Fn(u8) -> String) -> usize {
    (0..20).filter(|n| ask(server, source, (name, &value(*n))) == 101).count()
}

/// The address of the newest record of a rule.
fn blamed(server: &TestServer, rule: &str) -> String {
    let record = server.records.wait_for_rule(rule);
    assert!(record["source"].get("port").is_none() || record["source"]["ip"] == "127.0.0.2");
    String::from(record["source"]["ip"].as_str().unwrap())
}

#[test]
fn t073_forwarded_header_of_an_untrusted_client_is_ignored() {
    let server = start(&["trusted_proxies = [\"127.0.0.2\"]"], true);
    let names = ["X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP"];
    for (last, name) in names.into_iter().enumerate() {
        let source = [127, 0, 9, u8::try_from(last).unwrap()];
        let value = |n| match name {
            "Forwarded" => format!("for=203.0.113.{n}"),
            _ => format!("203.0.113.{n}"),
        };
        assert_eq!(passes(&server, source, name, value), 10, "{name}");
    }
}

#[test]
fn t074_t075_only_the_address_added_by_a_trusted_proxy_counts() {
    let server = start(&["trusted_proxies = [\"127.0.0.2\"]"], true);
    // Each of them is another client.
    assert_eq!(passes(&server, PROXY, "X-Forwarded-For", |n| format!("198.51.100.{n}")), 20);
    // One client, whatever it puts before what the proxy adds.
    assert_eq!(
        passes(&server, PROXY, "X-Forwarded-For", |n| format!("1.2.3.{n}, 203.0.113.7")),
        10
    );
    assert_eq!(blamed(&server, "connect_per_prefix"), "203.0.113.7");
    let junk = |n| match n % 4 {
        0 => "x".repeat(8_000),
        1 => vec!["9.9.9.9"; 100].join(","),
        2 => String::from("[::1]:70000, \"\\, ;="),
        _ => String::from("::ffff:1.2.3.4, unknown"),
    };
    let beside = |n| format!("{}, 203.0.113.8:{}", junk(n), 1000 + u16::from(n));
    assert_eq!(passes(&server, PROXY, "X-Forwarded-For", beside), 10);
    // What cannot be read leaves the proxy itself.
    assert_eq!(passes(&server, PROXY, "X-Forwarded-For", |n| format!("203.0.113.{n}, ?")), 10);
    // A header it was not told to read.
    assert_eq!(ask(&server, PROXY, ("Forwarded", "for=203.0.113.9")), 429);
}

#[test]
fn t077_t078_neighbours_behind_a_proxy_share_their_prefix() {
    let server = start(&["trusted_proxies = [\"127.0.0.2\"]"], true);
    let network = |n| format!("2001:db8:1:2::{n:x}");
    assert_eq!(passes(&server, PROXY, "X-Forwarded-For", network), 10);
    // One /48 does eight times as much as a /64 of it, over however many of them.
    let site = |n: u8| format!("2001:db8:7:{n:x}::1");
    let admitted = (0..100).filter(|n| ask(&server, PROXY, ("X-Forwarded-For", &site(*n))) == 101);
    assert_eq!(admitted.count(), 80);
    assert_eq!(ask(&server, PROXY, ("X-Forwarded-For", "2001:db8:8::1")), 101, "the next /48");
    let mapped = |n| String::from(["::ffff:192.0.2.7", "192.0.2.7"][usize::from(n % 2)]);
    assert_eq!(passes(&server, PROXY, "X-Forwarded-For", mapped), 10);
}

#[test]
fn t072_thousands_of_addresses_use_little_memory_and_unblock_none() {
    let mut config = Config { plaintext: true, ..Config::strict_rates() };
    config.listen = vec![String::from("trusted_proxies = [\"127.0.0.2\"]")];
    config.rate = vec![String::from("request_per_prefix = \"5/10h\"")];
    let server = TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &config.production());
    let request = |client: &str| Request::get(&server, "/").header("X-Forwarded-For", client);
    let from_proxy = || Connection::open_from(&server, IpAddr::from(PROXY));
    let status = |client: &str| request(client).ask_on(&mut from_proxy()).status;
    let hot = "203.0.113.7";
    let statuses: Vec<u16> = (0..6).map(|_| status(hot)).collect();
    assert_eq!(statuses, [200, 200, 200, 200, 200, 429]);
    let before = server.resident_kib();
    let mut connection = from_proxy();
    for number in 0..20_000_u32 {
        let [_, high, middle, low] = number.to_be_bytes();
        let client = match number % 2 {
            0 => format!("198.{high}.{middle}.{low}"),
            _ => format!("2001:db8:{number:x}::{low:x}"),
        };
        let answer = request(&client).ask_on(&mut connection);
        assert_eq!(answer.status, 200, "{client}");
        if answer.header("connection") == Some("close") {
            connection = from_proxy();
        }
    }
    let grown = server.resident_kib().saturating_sub(before);
    eprintln!("{grown} KiB more");
    assert!(grown < 16 * 1024, "{grown} KiB more");
    assert_eq!(status(hot), 429, "it is not forgotten");
    assert_eq!(status("203.0.113.8"), 200, "nor is there no room for others");
}

#[test]
fn polling_session_behind_a_proxy_is_bound_to_the_client() {
    let server = start(&["trusted_proxies = [\"127.0.0.2\"]"], true);
    let ask = |path: &str, client: &str| {
        let request = Request::get(&server, path)
            .header("Origin", &server.origin)
            .header("X-Forwarded-For", client);
        request.ask_on(&mut Connection::open_from(&server, IpAddr::from(PROXY)))
    };
    let opened = ask("/socket.io/?EIO=4&transport=polling", "203.0.113.7");
    let open: serde_json::Value = serde_json::from_str(&packets(&opened)[0][1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    let path = format!("/socket.io/?EIO=4&transport=polling&sid={sid}");
    let outsider = ask(&path, "203.0.113.8");
    assert_eq!((outsider.status, outsider.json()["code"].clone()), (400, 1.into()));
}

fn proxied(server: &TestServer, source: [u8; 4], header: &[u8]) -> Option<Answer> {
    let mut connection = Connection::open_behind(server, IpAddr::from(source), header);
    let answer = Request::upgrade(server, PATH).ask_on(&mut connection);
    (answer.status != 0).then_some(answer)
}

fn binary(client: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c".to_vec();
    header.extend_from_slice(&client);
    header.extend_from_slice(&[127, 0, 0, 1, 0x10, 0x92, 0x01, 0xbb]);
    header
}

#[test]
fn proxy_protocol_names_the_client_with_and_without_tls() {
    for plaintext in [true, false] {
        let listen = ["trusted_proxies = [\"127.0.0.2\"]", "proxy_protocol = true"];
        let server = start(&listen, plaintext);
        let status = |header: &[u8]| proxied(&server, PROXY, header).map(|answer| answer.status);
        for n in 0..20 {
            let line = format!("PROXY TCP4 198.51.100.{n} 127.0.0.1 4242 443\r\n");
            assert_eq!(status(line.as_bytes()), Some(101), "{n}");
            assert_eq!(status(&binary([198, 51, 101, n])), Some(101), "{n}");
        }
        let line = b"PROXY TCP4 203.0.113.7 127.0.0.1 4242 443\r\n";
        for n in 0..11 {
            let header = if n % 2 == 0 { line.to_vec() } else { binary([203, 0, 113, 7]) };
            assert_eq!(status(&header), Some(if n < 10 { 101 } else { 429 }), "{n}");
        }
        let record = server.records.wait_for_rule("connect_per_prefix");
        assert_eq!(record["source"]["ip"], "203.0.113.7");
        assert_eq!(record["source"]["port"], 4242);
        // A health check of the proxy's own.
        assert_eq!(status(b"PROXY UNKNOWN\r\n"), Some(101));
    }
}

#[test]
fn connection_of_a_proxy_without_a_header_is_rejected() {
    let listen = ["trusted_proxies = [\"127.0.0.2\"]", "proxy_protocol = true"];
    let server = start(&listen, true);
    for header in [b"".as_slice(), b"PROXY TCP4 1.2.3.4\r\n", b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\0"] {
        assert!(proxied(&server, PROXY, header).is_none(), "{header:?}");
        let record = server.records.wait_for_rule("proxy_protocol");
        assert_eq!(record["source"]["ip"], "127.0.0.2");
    }
    // From any other peer, it is not HTTP.
    let line = b"PROXY TCP4 203.0.113.7 127.0.0.1 4242 443\r\n";
    let answer = proxied(&server, [127, 0, 0, 1], line).unwrap();
    assert_eq!(answer.status, 400);
    assert_eq!(proxied(&server, [127, 0, 0, 1], b"").unwrap().status, 101);
}

#[test]
fn incomplete_proxy_header_ends_at_the_deadline() {
    let mut config = Config::plaintext();
    config.transport.push(String::from("handshake_timeout_ms = 200"));
    config.listen = vec![
        String::from("trusted_proxies = [\"127.0.0.2\"]"),
        String::from("proxy_protocol = true"),
    ];
    let server = TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &config.production());
    let mut silent = Connection::open_behind(&server, IpAddr::from(PROXY), b"PROXY TCP4 203.0.");
    assert!(silent.read_to_end().is_empty());
    let _record = server.records.wait_for_rule("proxy_protocol");
}

#[test]
fn t260_page_behind_a_tls_proxy_has_hsts_and_names_no_inner_port() {
    let server = start(&["trusted_proxies = [\"127.0.0.2\"]"], true);
    // The client, its scheme header, and whether the answer has HSTS.
    let cases = [
        (PROXY, ("X-Forwarded-For", "203.0.113.7"), true),
        (PROXY, ("X-Forwarded-Proto", "https"), true),
        (PROXY, ("X-Forwarded-Proto", "http"), false),
        ([127, 0, 0, 3], ("X-Forwarded-Proto", "http"), true),
    ];
    for (source, (name, value), expect) in cases {
        let request = Request::get(&server, "/").with("Host", "chat.example").header(name, value);
        let answer = request.ask_on(&mut Connection::open_from(&server, IpAddr::from(source)));
        assert_eq!(answer.status, 200);
        let hsts = answer.header("strict-transport-security");
        let value = expect.then_some("max-age=63072000; includeSubDomains");
        assert_eq!(hsts, value, "{source:?} {name}");
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("connect-src 'self' wss://chat.example;"), "{policy}");
        assert!(!policy.replace("wss://", "").contains("ws://"), "{policy}");
        assert!(!policy.contains(&server.public.port().to_string()), "{policy}");
    }
}
