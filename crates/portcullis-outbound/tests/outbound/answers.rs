//! Requests that are sent, and answers that are accepted.
//! Never: answers that are too large; those are in `bounds.rs`.

use portcullis_outbound::{Client, FetchResponse, OutboundError, Target};

use crate::peer::{Peer, fetch, loose, reply};

fn is_send<T: Send>(future: T) -> T {
    future
}

#[tokio::test]
async fn document_is_fetched_with_its_max_age() {
    let peer = Peer::plain(reply(
        "HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ncontent-length: 2\r\n\r\n{}",
    ))
    .await;
    let address = peer.address;
    let target = Target::parse(&format!("http://{address}/keys?a=b"), &loose()).unwrap();
    let fetched = is_send(Client::new(loose()).unwrap().fetch(&target)).await.unwrap();
    assert_eq!(
        fetched,
        FetchResponse {
            status: 200,
            body: b"{}".to_vec(),
            max_age_s: Some(60),
            retry_after_s: None
        }
    );
    let expect = format!(
        "GET /keys?a=b HTTP/1.1\r\nhost: {address}\r\nuser-agent: portcullis\r\n\
         accept: application/json\r\naccept-encoding: identity\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(peer.received().await, expect);
}

#[tokio::test]
async fn json_is_posted_with_the_headers_of_the_caller() {
    let peer = Peer::plain(reply("HTTP/1.1 422 No\r\ncontent-length: 3\r\n\r\nwhy")).await;
    let target = Target::parse(&format!("http://{}/hook", peer.address), &loose()).unwrap();
    let client = Client::new(loose()).unwrap();
    let headers = [("x-signature", "v1=ab")];
    let fetched = is_send(client.post_json(&target, &headers, b"{\"a\":1}")).await.unwrap();
    assert_eq!(
        fetched,
        FetchResponse { status: 422, body: b"why".to_vec(), max_age_s: None, retry_after_s: None }
    );
    let request = peer.received().await;
    assert!(request.starts_with("POST /hook HTTP/1.1\r\n"), "{request}");
    for line in ["content-type: application/json", "x-signature: v1=ab", "content-length: 7"] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{request}");
    }
    assert!(request.ends_with("\r\n\r\n{\"a\":1}"), "{request}");
}

#[tokio::test]
async fn body_ends_by_length_by_chunks_or_with_the_connection() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nkeys",
        "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nkeys and more",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nk\r\n3\r\neys\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nkeys\r\n0\r\nx-t: 1\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\nkeys",
        "HTTP/1.0 200 OK\r\n\r\nkeys",
        "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\nkeys",
        "HTTP/1.1 200 OK\r\ncontent-encoding: identity\r\n\r\nkeys",
    ] {
        let peer = Peer::plain(reply(answer)).await;
        let fetched = fetch(&peer, loose()).await.unwrap();
        assert_eq!(fetched.body, b"keys", "{answer:?}");
    }
}

#[tokio::test]
async fn redirect_is_rejected_and_never_followed() {
    for status in [300, 301, 302, 303, 307, 308, 304] {
        let elsewhere = crate::peer::UnusedListener::new();
        let answer = format!(
            "HTTP/1.1 {status} Go\r\nlocation: http://127.0.0.1:{}/\r\ncontent-length: 0\r\n\r\n",
            elsewhere.port()
        );
        let peer = Peer::plain(reply(&answer)).await;
        let error = fetch(&peer, loose()).await.unwrap_err();
        assert!(error.to_string().contains(&format!(" {status}, a redirect")), "{error}");

        let peer = Peer::plain(reply(&answer)).await;
        let target = Target::parse(&format!("http://{}/", peer.address), &loose()).unwrap();
        let posted = Client::new(loose()).unwrap().post_json(&target, &[], b"{}").await;
        assert!(matches!(posted, Err(OutboundError::Redirect { .. })), "{posted:?}");
        assert!(!elsewhere.has_connection());
    }
}

#[tokio::test]
async fn status_other_than_200_is_rejected() {
    for status in [101, 201, 204, 206, 400, 401, 404, 500, 503] {
        // The body exceeds the limit too; the error names the status.
        let answer = format!("HTTP/1.1 {status} No\r\ncontent-length: 9999\r\n\r\n");
        let peer = Peer::plain(reply(&answer)).await;
        let error = fetch(&peer, loose()).await.unwrap_err();
        assert!(error.to_string().contains(&format!("answered {status}, not 200")), "{error}");
    }
}

#[tokio::test]
async fn compressed_body_is_rejected() {
    for encoding in ["gzip", "br", "identity, gzip", "x-anything"] {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-encoding: {encoding}\r\n\r\nkeys");
        let peer = Peer::plain(reply(&answer)).await;
        let fetched = fetch(&peer, loose()).await;
        assert!(matches!(fetched, Err(OutboundError::Encoded(_))), "{fetched:?}");
    }
}
