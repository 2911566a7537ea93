//! Answers that are too much, too slow, or no HTTP.
//! Never: a wait for more than a fraction of a second.

use std::time::Duration;

use portcullis_outbound::{Client, OutboundError, Policy, Target};
use tokio::task::JoinSet;

use crate::peer::{Peer, Say, certificate, fetch, loose, then};

const OK: &str = "HTTP/1.1 200 OK\r\n";

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn hasty() -> Policy {
    Policy { deadline: Duration::from_millis(200), ..loose() }
}

#[tokio::test]
async fn a_body_of_the_limit_is_taken_and_one_byte_more_is_not() {
    for (length, taken) in [(1000, true), (1001, false)] {
        let body = "x".repeat(length);
        for answer in [
            format!("{OK}content-length: {length}\r\n\r\n{body}"),
            format!("{OK}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
            format!("{OK}\r\n{body}"),
        ] {
            let peer = Peer::plain(then(&answer)).await;
            match fetch(&peer, loose()).await {
                Ok(fetched) => assert!(taken && fetched.body.len() == length),
                Err(error) => {
                    let too_large = matches!(error, OutboundError::BodyTooLarge { .. });
                    assert!(!taken && too_large, "{error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn bodies_without_end_are_left_early() {
    let chunk = bytes(&format!("40\r\n{}\r\n", "x".repeat(64)));
    for say in [
        // The length alone is enough: not a byte of this body ever comes.
        Say::Stall(bytes(&format!("{OK}content-length: 1001\r\n\r\n"))),
        Say::Stall(bytes(&format!("{OK}content-length: 9223372036854775807\r\n\r\n"))),
        Say::Endless(bytes(&format!("{OK}transfer-encoding: chunked\r\n\r\n")), chunk),
        Say::Endless(bytes(&format!("{OK}\r\n")), vec![b'x'; 64]),
    ] {
        let peer = Peer::plain(say).await;
        let fetched = fetch(&peer, loose()).await;
        assert!(matches!(fetched, Err(OutboundError::BodyTooLarge { .. })), "{fetched:?}");
        // The connection is closed: otherwise the peer would never be done.
        assert!(peer.asked().await.starts_with("GET /keys "));
    }
}

#[tokio::test]
async fn slow_answers_meet_the_deadline() {
    let client = Client::new(hasty()).unwrap();
    let mut asking = JoinSet::new();
    for say in [
        Say::Stall(Vec::new()),
        Say::Stall(bytes("HTTP/1.1 200")),
        Say::Stall(bytes(&format!("{OK}content-length: 10\r\n\r\nfive "))),
        Say::Stall(bytes(&format!("{OK}transfer-encoding: chunked\r\n\r\n4\r\nkeys\r\n"))),
        // Something comes all the time, but never an answer.
        Say::Endless(Vec::new(), bytes("HTTP/1.1 103 Early Hints\r\n\r\n")),
    ] {
        let client = client.clone();
        // All at once, as each takes a whole deadline.
        asking.spawn(async move {
            let peer = Peer::plain(say).await;
            let url = format!("http://{}/keys", peer.address);
            let fetched = client.fetch(&Target::parse(&url, &hasty()).unwrap()).await;
            assert!(matches!(fetched, Err(OutboundError::Deadline { .. })), "{fetched:?}");
            assert!(peer.asked().await.starts_with("GET /keys "));
        });
    }
    assert_eq!(asking.join_all().await.len(), 5);
}

#[tokio::test]
async fn a_peer_that_never_answers_tls_meets_the_deadline() {
    let peer = Peer::plain(Say::Stall(Vec::new())).await;
    let policy = hasty();
    let target = Target::parse(&format!("https://{}/", peer.address), &policy).unwrap();
    let fetched = Client::new(policy).unwrap().fetch(&target).await;
    assert!(matches!(fetched, Err(OutboundError::Deadline { .. })), "{fetched:?}");
}

#[tokio::test]
async fn heads_are_bounded() {
    let long = format!("{OK}x-a: {}\r\n\r\n", "x".repeat(16 * 1024));
    let many = format!("{OK}{}\r\n", "x-a: 1\r\n".repeat(101));
    for say in [
        then(&long),
        then(&many),
        Say::Endless(bytes(OK), bytes("x-a: 1\r\n")),
        Say::Endless(bytes(&format!("{OK}x-a: ")), vec![b'x'; 64]),
        Say::Endless(bytes("HTTP/1.1 200 "), vec![b'x'; 64]),
        // Trailers are headers as well.
        Say::Endless(
            bytes(&format!("{OK}transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")),
            bytes("x-a: 1\r\n"),
        ),
        // And so are the extensions of a chunk.
        Say::Endless(bytes(&format!("{OK}transfer-encoding: chunked\r\n\r\n1;")), vec![b'x'; 64]),
    ] {
        let peer = Peer::plain(say).await;
        let fetched = fetch(&peer, loose()).await;
        assert!(matches!(fetched, Err(OutboundError::Answer { .. })), "{fetched:?}");
        assert!(peer.asked().await.starts_with("GET /keys "));
    }
}

#[tokio::test]
async fn garbage_is_no_answer() {
    for answer in [
        "",
        "\0\0\0\0",
        "hello\r\n\r\n",
        "<html></html>",
        "SSH-2.0-OpenSSH_9.9\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx",
        "HTTP/1.1 200 OK\r\nx a: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n x-a: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nfour",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nz\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nkeys\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nx",
    ] {
        let peer = Peer::plain(then(answer)).await;
        let fetched = fetch(&peer, loose()).await;
        assert!(matches!(fetched, Err(OutboundError::Answer { .. })), "{answer:?} {fetched:?}");
    }
}

#[tokio::test]
async fn a_body_cut_off_within_tls_is_no_answer() {
    let own = certificate(&["127.0.0.1"]);
    let roots = Some(own.cert.pem().into_bytes());
    let policy = Policy { roots_pem: roots, ..loose() };
    // Without a length, only the end that TLS announces tells a whole body from one cut short.
    let peer = Peer::tls(Say::Cut(bytes(&format!("{OK}\r\nkeys"))), &own).await;
    let target = Target::parse(&format!("https://{}/", peer.address), &policy).unwrap();
    let fetched = Client::new(policy).unwrap().fetch(&target).await;
    assert!(matches!(fetched, Err(OutboundError::Answer { .. })), "{fetched:?}");
}
