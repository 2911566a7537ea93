//! A server of a few bytes, with and without TLS.
//! Never: HTTP of its own; it sends the bytes that a test gives it.

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

/// The bytes that a peer sends after it has read a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// These bytes, then the end of the stream.
    Whole(Vec<u8>),
    /// These bytes, then the connection closes without a close notice of TLS.
    Cut(Vec<u8>),
    /// These bytes, then nothing until the client disconnects.
    Stall(Vec<u8>),
    /// The first bytes, then the second ones repeatedly until the client disconnects.
    Endless(Vec<u8>, Vec<u8>),
}

/// A whole reply of this text.
pub(crate) fn reply(text: &str) -> Reply {
    Reply::Whole(text.as_bytes().to_vec())
}

/// A peer that accepts one connection. Its task returns the request.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    received: JoinHandle<String>,
}

impl Peer {
    /// A peer without TLS.
    pub(crate) async fn plain(answer: Reply) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            serve(stream, answer).await
        });
        Self { address, received }
    }

    /// A peer with TLS; the request is empty when the handshake fails.
    pub(crate) async fn tls(answer: Reply, certificate: &CertifiedKey<KeyPair>) -> Self {
        Self::tls_of(answer, certificate, rustls::DEFAULT_VERSIONS).await
    }

    /// A peer that accepts certain versions of TLS only.
    pub(crate) async fn tls_of(
        answer: Reply,
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
        let received = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            match acceptor.accept(stream).await {
                Ok(stream) => serve(stream, answer).await,
                Err(_) => String::new(),
            }
        });
        Self { address, received }
    }

    /// All bytes that the peer received; waits until it has finished.
    pub(crate) async fn received(self) -> String {
        self.received.await.unwrap()
    }
}

/// Reads a request, sends the reply, and returns the request when the client has disconnected.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Reply) -> String {
    let mut read = Vec::new();
    while !is_whole(&read) {
        let mut piece = [0; 1024];
        let Ok(count @ 1..) = stream.read(&mut piece).await else { break };
        read.extend_from_slice(&piece[..count]);
    }
    // The client may have disconnected already, so a failed write is ignored.
    match answer {
        Reply::Whole(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Reply::Cut(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
            return String::from_utf8_lossy(&read).into_owned();
        }
        Reply::Stall(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.flush().await;
        }
        Reply::Endless(bytes, again) => {
            let _ = stream.write_all(&bytes).await;
            while stream.write_all(&again).await.is_ok() {}
        }
    }
    while let Ok(1..) = stream.read(&mut [0; 64]).await {}
    String::from_utf8_lossy(&read).into_owned()
}

/// Whether the head and its announced body are complete, or a TLS handshake has started.
fn is_whole(read: &[u8]) -> bool {
    if read.first() == Some(&0x16) {
        return true;
    }
    let text = String::from_utf8_lossy(read).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

/// A self-signed certificate.
pub(crate) fn certificate(names: &[&str]) -> CertifiedKey<KeyPair> {
    let names: Vec<String> = names.iter().map(|name| String::from(*name)).collect();
    generate_simple_self_signed(names).unwrap()
}

/// A policy for loopback with one authority, so that no system authorities are needed.
pub(crate) fn loose() -> Policy {
    Policy {
        link_local_allowed: true,
        private_allowed: true,
        deadline: Duration::from_secs(20),
        body_max_bytes: 1000,
        roots_pem: Some(certificate(&["unrelated.example"]).cert.pem().into_bytes()),
    }
}

/// Fetches from a peer without TLS.
pub(crate) async fn fetch(peer: &Peer, policy: Policy) -> Result<FetchResponse, OutboundError> {
    let target = Target::parse(&format!("http://{}/keys", peer.address), &policy).unwrap();
    Client::new(policy).unwrap().fetch(&target).await
}

/// A listener that must not get a connection.
pub(crate) struct UnusedListener(StdListener);

impl UnusedListener {
    pub(crate) fn new() -> Self {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Whether a client has connected; the kernel queues a connection before `connect` returns.
    pub(crate) fn has_connection(&self) -> bool {
        self.0.accept().is_ok()
    }
}
