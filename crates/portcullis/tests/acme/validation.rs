//! Requests of the authority, and of clients that pose as it.
//! Never: a challenge answered for another token, name or protocol.

use std::io::Read;

use crate::authority::Authority;
use crate::client::{Challenge, NAME, config, connect, is_issued, plain, start, wait_until_ready};

#[test]
fn client_that_offers_the_validation_protocol_gets_no_certificate() {
    let authority = Authority::start(&[]);
    let server = start(&config(&authority, Challenge::TlsAlpn));
    wait_until_ready(&server);
    for name in [NAME, "other.example"] {
        let error = connect(server.public, name, &[b"acme-tls/1"]).err().unwrap();
        assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    }
    // With another protocol beside it, a client gets the certificate of the server.
    let stream = connect(server.public, NAME, &[b"acme-tls/1", b"http/1.1"]).unwrap();
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert!(is_issued(&stream.conn.peer_certificates().unwrap()[0]));
}

#[test]
fn path_of_a_challenge_has_no_content_without_a_pending_token() {
    let authority = Authority::start(&[]);
    let server = start(&config(&authority, Challenge::Http));
    wait_until_ready(&server);
    for path in ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/token"] {
        let answer = plain(&server, path);
        assert_eq!(answer.status, 403, "{path}");
        assert_eq!(answer.code(), "https_required", "{path}");
    }
}

#[test]
fn validation_ends_with_its_handshake_and_never_reaches_http() {
    // The authority validates after minutes, so that the challenge stays pending.
    let slow = [("PEBBLE_VA_NOSLEEP", ""), ("PEBBLE_VA_SLEEPTIME", "600")];
    let authority = Authority::start(&slow);
    let server = start(&config(&authority, Challenge::TlsAlpn));
    let mut stream = portcullis_test::until("the challenge", || {
        connect(server.public, NAME, &[b"acme-tls/1"]).ok()
    });
    assert_eq!(stream.conn.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    // RFC 8737 section 3: the certificate has the extension acmeIdentifier.
    let certificate = stream.conn.peer_certificates().unwrap()[0].to_vec();
    let identifier = [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x01, 0x1f];
    assert!(crate::client::contains(&certificate, &identifier));
    let mut answer = Vec::new();
    let _closed = stream.read_to_end(&mut answer);
    assert!(answer.is_empty(), "{}", answer.escape_ascii());
    for (name, protocols) in
        [("other.example", &[&b"acme-tls/1"[..]][..]), (NAME, &[&b"h2"[..]][..])]
    {
        assert!(connect(server.public, name, protocols).is_err(), "{name} {protocols:?}");
    }
}
