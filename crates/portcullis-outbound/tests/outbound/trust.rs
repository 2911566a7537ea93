//! Certificates that are accepted.
//! Never: a request to a peer without a valid certificate.

use portcullis_outbound::{Client, FetchResponse, OutboundError, Policy, Target};
use rcgen::{CertifiedKey, KeyPair};
use rustls::version::{TLS12, TLS13};

use crate::peer::{Peer, certificate, loose, reply};

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nkeys";

async fn fetch(
    peer: &Peer,
    host: &str,
    trusted: &[&CertifiedKey<KeyPair>],
) -> Result<FetchResponse, OutboundError> {
    let bundle: String = trusted.iter().map(|authority| authority.cert.pem()).collect();
    let policy = Policy { roots_pem: Some(bundle.into_bytes()), ..loose() };
    let url = format!("https://{host}:{}/keys", peer.address.port());
    let target = Target::parse(&url, &policy).unwrap();
    Client::new(policy).unwrap().fetch(&target).await
}

#[tokio::test]
async fn certificate_of_the_bundle_is_accepted() {
    let (own, other) = (certificate(&["localhost", "127.0.0.1"]), certificate(&["b.example"]));
    for host in ["localhost", "127.0.0.1"] {
        for versions in [&[&TLS12][..], &[&TLS13], &[&TLS12, &TLS13]] {
            let peer = Peer::tls_of(reply(ANSWER), &own, versions).await;
            let fetched = fetch(&peer, host, &[&other, &own]).await.unwrap();
            assert_eq!(fetched.body, b"keys", "{host} {versions:?}");
            let host_line = format!("\r\nhost: {host}:{}\r\n", peer.address.port());
            assert!(peer.received().await.contains(&host_line));
        }
    }
}

#[tokio::test]
async fn certificate_of_an_untrusted_authority_is_rejected() {
    let (own, other) = (certificate(&["localhost"]), certificate(&["localhost"]));
    let peer = Peer::tls(reply(ANSWER), &own).await;
    let fetched = fetch(&peer, "localhost", &[&other]).await;
    assert!(matches!(fetched, Err(OutboundError::Tls { .. })), "{fetched:?}");
    assert_eq!(peer.received().await, "");
}

#[tokio::test]
async fn certificate_for_another_name_is_rejected() {
    let own = certificate(&["other.example"]);
    for host in ["localhost", "127.0.0.1"] {
        let peer = Peer::tls(reply(ANSWER), &own).await;
        let fetched = fetch(&peer, host, &[&own]).await;
        assert!(matches!(fetched, Err(OutboundError::Tls { .. })), "{fetched:?}");
        assert_eq!(peer.received().await, "");
    }
}

#[tokio::test]
async fn peer_without_tls_is_rejected() {
    let peer = Peer::plain(reply(ANSWER)).await;
    let fetched = fetch(&peer, "localhost", &[&certificate(&["localhost"])]).await;
    assert!(matches!(fetched, Err(OutboundError::Tls { .. })), "{fetched:?}");
}

#[test]
fn unreadable_bundle_stops_the_start() {
    let error_of = |pem: &[u8]| {
        let policy = Policy { roots_pem: Some(pem.to_vec()), ..Policy::default() };
        Client::new(policy).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let good = certificate(&["a.example"]).cert.pem();
    let key = certificate(&["a.example"]).signing_key.serialize_pem();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = good.split_at(good.len() - 40).0;
    assert_eq!(error_of(good.as_bytes()), "");
    for (pem, expect) in [
        ("", "holds no certificate"),
        ("hello", "holds no certificate"),
        (key.as_str(), "holds no certificate"),
        (&format!("{good}{broken}"), "certificate 2 of the bundle"),
        (cut, "the bundle of authorities cannot be read"),
    ] {
        let error = error_of(pem.as_bytes());
        assert!(error.contains(expect), "{pem:?} {error:?}");
    }
}
