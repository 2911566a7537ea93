//! Answers that are too large, too slow, or not HTTP.
//! Never: a wait of more than a fraction of a second.

use std::time::Duration;

use portcullis_outbound::{Client, OutboundError, Policy, Target};
use tokio::task::JoinSet;

use crate::peer::{Peer, Reply, certificate, fetch, loose, reply};

const OK: &str = "HTTP/1.1 200 OK\r\n";

fn bytes(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn short_deadline() -> Policy {
    Policy { deadline: Duration::from_millis(200), ..loose() }
}

#[tokio::test]
async fn body_of_the_limit_is_accepted_and_one_byte_more_is_not() {
    for (length, accepted) in [(1000, true), (1001, false)] {
        let body = "x".repeat(length);
        for answer in [
            format!("{OK}content-length: {length}\r\n\r\n{body}"),
            format!("{OK}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{body}\r\n0\r\n\r\n"),
            format!("{OK}\r\n{body}"),
        ] {
            let peer = Peer::plain(reply(&answer)).await;
            match fetch(&peer, loose()).await {
                Ok(fetched) => assert!(accepted && fetched.body.len() == length),
                Err(error) => {
                    let too_large = matches!(error, OutboundError::BodyTooLarge { .. });
                    assert!(!accepted && too_large, "{error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn endless_body_is_rejected_before_its_end() {
    let chunk = bytes(&format!("40\r\n{}\r\n", "x".repeat(64)));
    for answer in [
        // The length alone is enough: the peer sends no byte of this body.
        Reply::Stall(bytes(&format!("{OK}content-length: 1001\r\n\r\n"))),
        Reply::Stall(bytes(&format!("{OK}content-length: 9223372036854775807\r\n\r\n"))),
        Reply::Endless(bytes(&format!("{OK}transfer-encoding: chunked\r\n\r\n")), chunk),
        Reply::Endless(bytes(&format!("{OK}\r\n")), vec![b'x'; 64]),
    ] {
        let peer = Peer::plain(answer).await;
        let fetched = fetch(&peer, loose()).await;
        assert!(matches!(fetched, Err(OutboundError::BodyTooLarge { .. })), "{fetched:?}");
        // The client closes the connection; otherwise the peer would never finish.
        assert!(peer.received().await.starts_with("GET /keys "));
    }
}

#[tokio::test]
async fn slow_answer_ends_at_the_deadline() {
    let client = Client::new(short_deadline()).unwrap();
    let mut requests = JoinSet::new();
    for answer in [
        Reply::Stall(Vec::new()),
        Reply::Stall(bytes("HTTP/1.1 200")),
        Reply::Stall(bytes(&format!("{OK}content-length: 10\r\n\r\nfive "))),
        Reply::Stall(bytes(&format!("{OK}transfer-encoding: chunked\r\n\r\n4\r\nkeys\r\n"))),
        // The peer sends bytes all the time, but never a final answer.
        Reply::Endless(Vec::new(), bytes("HTTP/1.1 103 Early Hints\r\n\r\n")),
    ] {
        let client = client.clone();
        // In parallel, because each takes a whole deadline.
        requests.spawn(async move {
            let peer = Peer::plain(answer).await;
            let url = format!("http://{}/keys", peer.address);
            let fetched = client.fetch(&Target::parse(&url, &short_deadline()).unwrap()).await;
            assert!(matches!(fetched, Err(OutboundError::Deadline { .. })), "{fetched:?}");
            assert!(peer.received().await.starts_with("GET /keys "));
        });
    }
    assert_eq!(requests.join_all().await.len(), 5);
}

#[tokio::test]
async fn unanswered_tls_handshake_ends_at_the_deadline() {
    let peer = Peer::plain(Reply::Stall(Vec::new())).await;
    let policy = short_deadline();
    let target = Target::parse(&format!("https://{}/", peer.address), &policy).unwrap();
    let fetched = Client::new(policy).unwrap().fetch(&target).await;
    assert!(matches!(fetched, Err(OutboundError::Deadline { .. })), "{fetched:?}");
}

#[tokio::test]
async fn oversized_head_is_rejected() {
    let long = format!("{OK}x-a: {}\r\n\r\n", "x".repeat(16 * 1024));
    let many = format!("{OK}{}\r\n", "x-a: 1\r\n".repeat(101));
    for answer in [
        reply(&long),
        reply(&many),
        Reply::Endless(bytes(OK), bytes("x-a: 1\r\n")),
        Reply::Endless(bytes(&format!("{OK}x-a: ")), vec![b'x'; 64]),
        Reply::Endless(bytes("HTTP/1.1 200 "), vec![b'x'; 64]),
        // Trailers count as headers.
        Reply::Endless(
            bytes(&format!("{OK}transfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n")),
            bytes("x-a: 1\r\n"),
        ),
        // The extensions of a chunk count as well.
        Reply::Endless(bytes(&format!("{OK}transfer-encoding: chunked\r\n\r\n1;")), vec![b'x'; 64]),
    ] {
        let peer = Peer::plain(answer).await;
        let fetched = fetch(&peer, loose()).await;
        assert!(matches!(fetched, Err(OutboundError::Answer { .. })), "{fetched:?}");
        assert!(peer.received().await.starts_with("GET /keys "));
    }
}

#[tokio::test]
async fn malformed_answer_is_rejected() {
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
        let peer = Peer::plain(reply(answer)).await;
        let fetched = fetch(&peer, loose()).await;
        assert!(matches!(fetched, Err(OutboundError::Answer { .. })), "{answer:?} {fetched:?}");
    }
}

#[tokio::test]
async fn body_that_tls_does_not_end_is_rejected() {
    let own = certificate(&["127.0.0.1"]);
    let roots = Some(own.cert.pem().into_bytes());
    let policy = Policy { roots_pem: roots, ..loose() };
    // Without a length, only the close notice of TLS shows that the body is complete.
    let peer = Peer::tls(Reply::Cut(bytes(&format!("{OK}\r\nkeys"))), &own).await;
    let target = Target::parse(&format!("https://{}/", peer.address), &policy).unwrap();
    let fetched = Client::new(policy).unwrap().fetch(&target).await;
    assert!(matches!(fetched, Err(OutboundError::Answer { .. })), "{fetched:?}");
}
