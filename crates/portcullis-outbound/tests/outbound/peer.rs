//! A server of a few bytes, with and without TLS.
//! Never: HTTP of its own; it says what a test gives it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use portcullis_outbound::{Client, FetchResponse, OutboundError, Policy, Target};
use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What a peer says once it has read a request.
#[derive(Clone)]
pub(crate) enum Say {
    /// These bytes, then the end.
    Then(Vec<u8>),
    /// These bytes, then the connection is gone, without a word of TLS.
    Cut(Vec<u8>),
    /// These bytes, then nothing more until the other side leaves.
    Stall(Vec<u8>),
    /// These bytes, then those again and again until the other side leaves.
    Endless(Vec<u8>, Vec<u8>),
}

/// Bytes of a text.
pub(crate) fn then(text: &str) -> Say {
    Say::Then(text.as_bytes().to_vec())
}

/// A peer that takes one connection. What it was asked is its task's result.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    asked: JoinHandle<String>,
}

impl Peer {
    /// A peer without TLS.
    pub(crate) async fn plain(say: Say) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream, say).await
        });
        Self { address, asked }
    }

    /// A peer with TLS; an empty text when there was none.
    pub(crate) async fn tls(say: Say, certificate: &CertifiedKey<KeyPair>) -> Self {
        Self::tls_of(say, certificate, rustls::DEFAULT_VERSIONS).await
    }

    /// A peer that speaks certain versions of TLS only.
    pub(crate) async fn tls_of(
        say: Say,
        certificate: &CertifiedKey<KeyPair>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Self {
        let key = PrivateKeyDer::try_from(certificate.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            match acceptor.accept(stream).await {
                Ok(stream) => serve(stream, say).await,
                Err(_) => String::new(),
            }
        });
        Self { address, asked }
    }

    /// Everything the peer was sent, once it is done.
    pub(crate) async fn asked(self) -> String {
        self.asked.await.unwrap()
    }
}

/// Reads a request, says its part, and returns all it has read when the other side is gone.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, say: Say) -> String {
    let mut read = Vec::new();
    while !is_whole(&read) {
        let mut piece = [0; 1024];
        let Ok(count @ 1..) = stream.read(&mut piece).await else { break };
        read.extend_from_slice(&piece[..count]);
    }
    // The other side may have left already: then there is nobody to tell.
    match say {
        Say::Then(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Say::Cut(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            return String::from_utf8_lossy(&read).into_owned();
        }
        Say::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
        }
        Say::Endless(bytes, again) => {
            let _ = stream.write_all(&bytes).await;
            while stream.write_all(&again).await.is_ok() {}
        }
    }
    while let Ok(1..) = stream.read(&mut [0; 64]).await {}
    String::from_utf8_lossy(&read).into_owned()
}

/// Whether the head and as much body as it announces are there, or an attempt at TLS.
fn is_whole(read: &[u8]) -> bool {
    if read.first() == Some(&0x16) {
        return true;
    }
    let text = String::from_utf8_lossy(read).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// A certificate that vouches for itself.
pub(crate) fn certificate(names: &[&str]) -> CertifiedKey<KeyPair> {
    let names: Vec<String> = names.iter().map(|name| String::from(*name)).collect();
    generate_simple_self_signed(names).unwrap()
}

/// A policy for loopback, with one authority, so that the system's are not needed.
pub(crate) fn loose() -> Policy {
    Policy {
        private_allowed: true,
        deadline: Duration::from_secs(20),
        body_max_bytes: 1000,
        roots_pem: Some(certificate(&["nobody.example"]).cert.pem().into_bytes()),
    }
}

/// Fetches from a peer without TLS.
pub(crate) async fn fetch(peer: &Peer, policy: Policy) -> Result<FetchResponse, OutboundError> {
    let target = Target::parse(&format!("http://{}/keys", peer.address), &policy).unwrap();
    Client::new(policy).unwrap().fetch(&target).await
}

/// A listener that nobody should find.
pub(crate) struct Untouched(StdListener);

impl Untouched {
    pub(crate) fn new() -> Self {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Whether anybody has connected: the kernel queues a connection before its maker goes on.
    pub(crate) fn was_found(&self) -> bool {
        self.0.accept().is_ok()
    }
}
