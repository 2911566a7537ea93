//! Missing, old, weak and endless TLS handshakes.
//! Never: a client library that would not send invalid bytes.

use std::net::IpAddr;
use std::time::Duration;

use portcullis_test::{
    Config, Connection, Look, Request, SioClient, TestServer, client_hello, counter, hs256,
    resumption, timed, until,
};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CertificateError};

use crate::clients::{ENGINE, alive, start};

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const PROTOCOL_VERSION: u8 = 70;
const HANDSHAKE_FAILURE: u8 = 40;

/// What modern servers take of TLS 1.2 (RFC 5289).
const GOOD: [u16; 2] = [0xc02b, 0xc02f];

/// A hello as a client without TLS 1.3 writes it (RFC 5246 section 7.4.1.2).
fn hello(version: [u8; 2], suites: &[u16], compression: &[u8], more: &[u8]) -> Vec<u8> {
    let mut body = version.to_vec();
    body.extend([7; 32]);
    body.push(0);
    body.extend(u16::try_from(suites.len() * 2).unwrap().to_be_bytes());
    body.extend(suites.iter().flat_map(|suite| suite.to_be_bytes()));
    body.push(u8::try_from(compression.len()).unwrap());
    body.extend(compression);
    let mut extensions = vec![0, 10, 0, 6, 0, 4, 0, 29, 0, 23];
    extensions.extend([0, 11, 0, 2, 1, 0]);
    extensions.extend([0, 13, 0, 8, 0, 6, 4, 3, 8, 4, 4, 1]);
    extensions.extend(more);
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u32::try_from(body.len()).unwrap().to_be_bytes();
    record(&[&[1], &length[1..], &body].concat(), body.len() + 4)
}

/// Bytes of a handshake in records of so many bytes each.
fn record(bytes: &[u8], size: usize) -> Vec<u8> {
    let one = |part: &[u8]| {
        let length = u16::try_from(part.len()).unwrap().to_be_bytes();
        [&[HANDSHAKE, 3, 1], &length[..], part].concat()
    };
    bytes.chunks(size).flat_map(one).collect()
}

/// Sends bytes; gives the kind of the first record that comes back, and what an alert says.
fn first_record(server: &TestServer, bytes: &[u8]) -> (u8, u8) {
    let mut connection = Connection::open_bare(server.public);
    connection.send(bytes);
    while connection.buffer.len() < 7 && connection.read() {}
    let at = |index: usize| connection.buffer.get(index).copied().unwrap_or(0);
    (at(0), if at(0) == ALERT { at(6) } else { 0 })
}

#[test]
fn t100_plain_http_on_the_tls_port_is_never_an_upgrade() {
    let server = start(&Config::default());
    for request in [
        Request::get(&server, "/"),
        Request::upgrade(&server, ENGINE),
        Request::upgrade(&server, "/ws"),
        Request::post(&server, "/auth/login", "{}"),
    ] {
        let mut connection = Connection::open_bare(server.public);
        connection.send(&request.bytes());
        let reply = connection.read_to_end();
        assert!(!reply.windows(4).any(|part| part == b"HTTP"), "{}", reply.escape_ascii());
        assert!(reply.is_empty() || reply[0] == ALERT, "{}", reply.escape_ascii());
    }
    let _record = server.records.wait_for_rule("tls");
    alive(&server);
}

#[test]
fn t102_old_tls_version_or_weak_suite_is_rejected() {
    let server = start(&Config::default());
    // The same words with nothing wrong in them are answered.
    assert_eq!(first_record(&server, &hello([3, 3], &GOOD, &[0], &[])), (HANDSHAKE, 0));
    for version in [[3, 0], [3, 1], [3, 2]] {
        let refused = first_record(&server, &hello(version, &GOOD, &[0], &[]));
        assert_eq!(refused, (ALERT, PROTOCOL_VERSION), "{version:?}");
    }
    for (name, suites) in [
        ("null", vec![0x0001, 0x0002, 0x003b]),
        ("export", vec![0x0003, 0x0006, 0x0008]),
        ("RC4", vec![0x0004, 0x0005, 0xc007, 0xc011]),
        ("3DES", vec![0x000a, 0x0016, 0xc008, 0xc012]),
        ("CBC", vec![0x002f, 0x0035, 0xc009, 0xc00a, 0xc013, 0xc014, 0xc023, 0xc027]),
        ("without forward secrecy", vec![0x009c, 0x009d]),
        ("anonymous", vec![0x0018, 0x001b, 0x0034, 0xc018]),
    ] {
        let refused = first_record(&server, &hello([3, 3], &suites, &[0], &[]));
        assert_eq!(refused, (ALERT, HANDSHAKE_FAILURE), "{name}");
    }
    // A hello of SSL 2.
    let (kind, _) = first_record(&server, b"\x80\x1c\x01\x03\x01\x00\x03\x00\x00\x00\x10\0\0\x05");
    assert_ne!(kind, HANDSHAKE);
    for versions in [[&TLS12], [&TLS13]] {
        assert!(Connection::open_tls(&server, &versions, &[]).is_ok());
    }
    alive(&server);
}

#[test]
fn t103_neither_compression_nor_heartbeats() {
    let server = start(&Config::default());
    let (kind, _) = first_record(&server, &hello([3, 3], &GOOD, &[1], &[]));
    assert_eq!(kind, ALERT, "compression and nothing else");
    // The extension of heartbeats is passed over, and a heartbeat ends it all (RFC 6520).
    let offer = hello([3, 3], &GOOD, &[0], &[0, 15, 0, 1, 1]);
    assert_eq!(first_record(&server, &offer), (HANDSHAKE, 0));
    let mut connection = Connection::open_bare(server.public);
    connection.send(&offer);
    connection.send(b"\x18\x03\x03\x00\x03\x01\x40\x00");
    let mut rest = &connection.read_to_end()[..];
    let mut kinds = Vec::new();
    while let [kind, _, _, high, low, more @ ..] = rest {
        kinds.push(*kind);
        rest = more.get(usize::from(u16::from_be_bytes([*high, *low]))..).unwrap_or(&[]);
    }
    assert!(kinds.iter().all(|kind| [HANDSHAKE, ALERT].contains(kind)), "{kinds:?}");
    let _record = server.records.wait_for_rule("tls");
    alive(&server);
}

#[test]
fn t103_tls_ticket_resumes_only_for_its_server_name() {
    let server = start(&Config::default());
    assert!(resumption(&server, ["localhost"; 2]).resumed);
    // A client that connects to an address sends no name (RFC 6066 section 3).
    assert!(!resumption(&server, ["localhost", "127.0.0.1"]).resumed);
    assert!(!resumption(&server, ["127.0.0.1", "localhost"]).resumed);
    alive(&server);
}

#[test]
fn t104_resumed_session_cannot_send_early_data() {
    let server = start(&Config::default());
    let resumption = resumption(&server, ["localhost"; 2]);
    assert!(resumption.resumed, "otherwise there was nothing to send early with");
    assert!(!resumption.early_data);
    alive(&server);
}

#[test]
fn t104_uninvited_early_data_is_never_a_request() {
    let server = start(&Config::default());
    let requests = || counter(&server, "portcullis_http_requests_total");
    let (hello, before) = (client_hello(&server), requests());
    let request = Request::get(&server, "/").bytes();
    let length = u16::try_from(request.len()).unwrap().to_be_bytes();
    let early = [&[23, 3, 3], &length[..], &request].concat();
    for bytes in [[&hello[..], &early].concat(), [&early[..], &hello].concat(), early.repeat(50)] {
        let mut connection = Connection::open_bare(server.public);
        connection.send(&bytes);
        let reply = connection.read_to_end();
        assert!(!reply.windows(5).any(|part| part == b"HTTP/"), "{}", reply.escape_ascii());
    }
    let _record = server.records.wait_for_rule("tls");
    assert_eq!(requests(), before);
    alive(&server);
}

#[test]
fn t106_certificate_with_wrong_name_authority_or_time_is_rejected() {
    let [server, other] = [Config::default(), Config::default()].map(|config| start(&config));
    let authority = |server: &TestServer| server.authority.clone().unwrap();
    let (own, foreign) = (authority(&server), authority(&other));
    let good = Look { name: "localhost", authority: own.as_path(), days_ahead: 0 };
    assert_eq!(good.fault(&server), None);
    assert_eq!(Look { authority: foreign.as_path(), ..good }.fault(&other), None);
    // A name that is not the server's is shown the one certificate there is.
    let fault = Look { name: "evil.example", ..good }.fault(&server);
    assert!(matches!(fault, Some(CertificateError::NotValidForNameContext { .. })), "{fault:?}");
    let fault = Look { authority: foreign.as_path(), ..good }.fault(&server);
    let strange = [CertificateError::UnknownIssuer, CertificateError::BadSignature];
    assert!(fault.as_ref().is_some_and(|fault| strange.contains(fault)), "{fault:?}");
    let fault = Look { days_ahead: 100_000, ..good }.fault(&server);
    assert!(matches!(fault, Some(CertificateError::ExpiredContext { .. })), "{fault:?}");
    // The server notices clients that disconnect; they do not affect other clients.
    let _record = server.records.wait_for_rule("tls");
    alive(&server);
}

#[test]
fn t250_alpn_selects_http_1_1_only() {
    let server = start(&Config::default());
    let protocol = |offers: &[&[u8]]| {
        let connection = Connection::open_tls(&server, &[&TLS13], offers);
        connection.map(|connection| connection.tls_protocol().map(<[u8]>::to_vec))
    };
    assert_eq!(protocol(&[b"h2", b"http/1.1"]).unwrap().as_deref(), Some(&b"http/1.1"[..]));
    assert_eq!(protocol(&[]).unwrap(), None);
    // RFC 7301 section 3.2: a client without a common protocol gets an alert.
    for offers in [&[b"h2".as_slice()][..], &[b"h2c", b"http/1.0", b"spdy/3"]] {
        for versions in [&[&TLS13][..], &[&TLS12]] {
            let Err(error) = Connection::open_tls(&server, versions, offers) else {
                panic!("agreed to {offers:?}");
            };
            let fault = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
            let alert = AlertDescription::NoApplicationProtocol;
            assert_eq!(fault, Some(&rustls::Error::AlertReceived(alert)), "{error}");
        }
    }
    alive(&server);
}

#[test]
fn t105_client_hello_in_tiny_records_is_answered_or_rejected() {
    let server = start(&Config::default());
    let hello = client_hello(&server);
    let words = &hello[5..];
    for size in [1, 2, 3, 16, 100] {
        let (kind, _) = first_record(&server, &record(words, size));
        assert!([HANDSHAKE, ALERT].contains(&kind), "records of {size}: {kind}");
    }
    assert_eq!(first_record(&server, &record(words, words.len())), (HANDSHAKE, 0));
    // Records without any bytes, for ever.
    let (kind, _) = first_record(&server, &[HANDSHAKE, 3, 1, 0, 0].repeat(2_000));
    assert_ne!(kind, HANDSHAKE);
    alive(&server);
}

#[test]
fn t105_half_a_handshake_is_closed_long_before_the_deadline() {
    let transport = ["handshake_timeout_ms = 60000", "receive_grace_ms = 500"];
    let transport = transport.map(String::from).to_vec();
    let server = start(&Config { transport, ..Config::default() });
    let hello = client_hello(&server);
    // Nothing behind half a hello; nothing behind a whole one.
    let (_, took) = timed(|| {
        let halves = (0..100).map(|index| {
            let mut connection = Connection::open_bare(server.public);
            connection.send(&hello[..if index % 2 == 0 { 40 } else { hello.len() }]);
            connection
        });
        for mut connection in halves.collect::<Vec<_>>() {
            while connection.read() {}
        }
    });
    eprintln!("a hundred halves: {took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
    // A byte now and then buys no time.
    let mut connection = Connection::open_bare(server.public);
    let mut rest = hello.iter();
    let (_, took) = timed(|| {
        until("the end", || {
            let byte = rest.next().copied().unwrap_or(0);
            let ended = connection.try_send(&[byte]).is_err();
            (ended || connection.is_readable(Duration::from_millis(30))).then_some(())
        });
    });
    assert!(took < Duration::from_secs(20), "{took:?}");
    let record = server.records.wait_for_rule("tls_slow");
    assert!(record["source"]["ip"].is_string(), "{record}");
    let slow = "{rule=\"tls_slow\",code=\"handshake_timeout\",key=\"\"}";
    until("all of them to be counted", || {
        (counter(&server, &format!("portcullis_refusals_total{slow}")) == 101).then_some(())
    });
    alive(&server);
}

#[test]
fn t105_thousand_idle_handshakes_are_closed_and_do_not_block_others() {
    let transport = vec![String::from("handshake_timeout_ms = 5000")];
    let server = start(&Config { transport, ..Config::strict_rates() });
    // A user is signed in from this address, so other clients of it have a separate budget.
    let _here = SioClient::connect(&server, &hs256("ann"));
    let hello = client_hello(&server);
    let open = || counter(&server, "portcullis_http_open");
    let (_, took) = timed(|| {
        // Checked repeatedly: also on a slow machine, most of them are open at some time.
        let mut most = 0;
        let idle: Vec<_> = (0..1_200_u16)
            .map(|index| {
                if index % 100 == 99 {
                    most = most.max(open());
                }
                let source = IpAddr::from([127, 9, 0, u8::try_from(index % 4).unwrap() + 1]);
                let mut connection = Connection::open_bare_from(server.public, source);
                // Of each four one says nothing, one half of it, and two all but the rest.
                connection
                    .send(&hello[..[0, 40, hello.len(), hello.len()][usize::from(index / 4 % 4)]]);
                connection
            })
            .collect();
        // Four addresses have 250 places each.
        most = most.max(open());
        assert!((500..=1_001).contains(&most), "{most} open");
        alive(&server);
        for mut connection in idle {
            while connection.read() {}
        }
    });
    assert!(took < Duration::from_secs(20), "{took:?}");
    until("their places to be free", || (open() == 0).then_some(()));
    alive(&server);
}
