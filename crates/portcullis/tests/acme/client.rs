//! A server with an authority of the test, and the certificate that it shows.
//! Never: a client that trusts the certificate; the tests compare it.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use portcullis_test::{Answer, Config, Connection, Request, TestServer, until};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use serde_json::Value;

use crate::authority::Authority;

/// The name of the server.
pub(crate) const NAME: &str = "chat.example";

/// A challenge of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Challenge {
    Http,
    TlsAlpn,
}

/// The configuration of a server that gets its certificate from an authority.
pub(crate) fn config(authority: &Authority, challenge: Challenge) -> Config {
    let (url, ca) = (authority.url(), authority.ca_file());
    let tls = format!(
        "[tls]\nmode = \"acme\"\nacme_terms_agreed = true\nacme_email = \"operator@example.com\"\n\
         acme_directory = {url:?}\nacme_ca_file = {ca:?}\n"
    );
    let mut config = Config {
        profile: String::from("production"),
        origin: vec![format!("allowed = [\"https://{NAME}\"]")],
        more: tls,
        ..Config::default()
    };
    if challenge == Challenge::Http {
        config.listen.push(format!("redirect = \"127.0.0.1:{}\"", authority.http_port));
    }
    let public = format!("127.0.0.1:{}", authority.tls_port);
    config.process.environment.push((String::from("PORTCULLIS__LISTEN__PUBLIC"), public));
    config
}

pub(crate) fn start(config: &Config) -> TestServer {
    TestServer::start(env!("CARGO_BIN_EXE_portcullis"), config)
}

/// The answer of `/ready`.
pub(crate) fn ready(server: &TestServer) -> Answer {
    Request::get(server, "/ready").ask_private(server)
}

/// Waits until the server has a certificate of the authority.
pub(crate) fn wait_until_ready(server: &TestServer) {
    until("a certificate", || (ready(server).status == 200).then_some(()));
}

/// Waits until the server has its first certificate and has recorded it.
pub(crate) fn wait_until_issued(server: &TestServer) {
    wait_until_ready(server);
    let _issued = attempt(server, 0, "success");
}

/// Waits for the record of an attempt after a mark.
pub(crate) fn attempt(server: &TestServer, mark: usize, outcome: &str) -> Value {
    server.records.wait_after(mark, |record| {
        record["event"]["code"] == "certificate_renewal" && record["event"]["outcome"] == outcome
    })
}

/// A TLS connection for a name that offers these protocols.
pub(crate) fn connect(
    address: SocketAddr,
    name: &'static str,
    protocols: &[&[u8]],
) -> io::Result<StreamOwned<ClientConnection, TcpStream>> {
    let provider = Arc::new(default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(portcullis_test::WAIT))?;
    while client.is_handshaking() {
        client.complete_io(&mut socket)?;
    }
    Ok(StreamOwned::new(client, socket))
}

/// The certificate that the server shows to a client.
pub(crate) fn shown(server: &TestServer) -> Vec<u8> {
    let stream = connect(server.public, NAME, &[b"http/1.1"]).unwrap();
    stream.conn.peer_certificates().unwrap()[0].to_vec()
}

/// Whether the authority of the test has issued a certificate.
pub(crate) fn is_issued(certificate: &[u8]) -> bool {
    contains(certificate, b"Pebble Intermediate CA")
}

pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// A request in plain text to the listener for redirects.
pub(crate) fn plain(server: &TestServer, path: &str) -> Answer {
    let request = Request::bare(&format!("GET {path} HTTP/1.1")).header("Host", NAME);
    request.ask_on(&mut Connection::open_bare(server.redirect.unwrap()))
}

#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}
