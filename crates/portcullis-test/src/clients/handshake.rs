//! Parts of a TLS handshake, resumption by a second one, and the errors that a client finds.
//! Never: more of a client than the handshake.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::RootCertStore;
use rustls::client::{ClientSessionStore, Resumption as Memory};
use rustls::client::{Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, HandshakeKind, NamedGroup,
    SupportedProtocolVersion,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use crate::clients::connection::{Connection, client_config, localhost, tcp_to};
use crate::clients::http::{Answer, Request};
use crate::servers::server::TestServer;
use crate::tokens::forge::now_s;

/// The first record of a client that would be served.
#[must_use]
pub fn client_hello(server: &TestServer) -> Vec<u8> {
    let mut client = ClientConnection::new(Arc::new(client_config(server)), localhost()).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    bytes
}

/// How a client came back that wants to send data before the server has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resumption {
    /// The server knew its session.
    pub resumed: bool,
    /// The server had allowed early data.
    pub early_data: bool,
}

/// Connects to the server by one name, asks, and connects by the other with what the server gave
/// to come back with.
#[must_use]
pub fn resumption(server: &TestServer, [first, second]: [&str; 2]) -> Resumption {
    let mut config = client_config(server);
    config.enable_early_data = true;
    config.resumption = Memory::store(Arc::new(Tickets::default()));
    let config = Arc::new(config);
    let ask = |name: &str| {
        let mut client = ClientConnection::new(Arc::clone(&config), named(name)).unwrap();
        let early_data = client.early_data().is_some();
        let mut connection = Connection::open_with(server, client);
        // The tickets come before the answer.
        connection.send(&Request::get(server, "/").bytes());
        assert_ne!(Answer::read(&mut connection).status, 0);
        Resumption {
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            early_data,
        }
    };
    ask(first);
    ask(second)
}

/// Tickets kept whatever name they were given for, as no honest client keeps them.
#[derive(Debug, Default)]
struct Tickets(Mutex<Vec<Tls13ClientSessionValue>>);

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _name: ServerName<'static>, _group: NamedGroup) {}

    fn kx_hint(&self, _name: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _name: ServerName<'static>, _session: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _name: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _name: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        self.0.lock().unwrap().push(ticket);
    }

    fn take_tls13_ticket(&self, _name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.lock().unwrap().pop()
    }
}

/// A client that verifies the server's certificate: with this name and authority, this much later
/// than now.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The name of the server.
    pub name: &'a str,
    /// The trusted authorities, in a PEM file.
    pub authority: &'a Path,
    /// How far its clock is ahead.
    pub days_ahead: u64,
}

impl Look<'_> {
    /// The error that it finds, if any.
    ///
    /// # Panics
    /// When the handshake fails for another reason than the certificate.
    #[must_use]
    pub fn fault(self, server: &TestServer) -> Option<CertificateError> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.authority).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_details(provider, Arc::new(Ahead(self.days_ahead)))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut client = ClientConnection::new(Arc::new(config), named(self.name)).unwrap();
        let mut socket = tcp_to(server);
        while client.is_handshaking() {
            let Err(error) = client.complete_io(&mut socket) else { continue };
            let error = error.get_ref().and_then(|error| error.downcast_ref::<Error>());
            match error {
                Some(Error::InvalidCertificate(fault)) => return Some(fault.clone()),
                other => panic!("the certificate is not what is wrong: {other:?}"),
            }
        }
        None
    }
}

/// A client that has a certificate of its own, or none.
pub struct Shows<'a> {
    /// The one TLS version it speaks.
    pub version: &'static SupportedProtocolVersion,
    /// The authority whose certificates it takes.
    pub authority: CertificateDer<'static>,
    /// Its certificate and its key, in PEM.
    pub shown: Option<(&'a str, &'a str)>,
}

impl Shows<'_> {
    /// Asks for something; status 0 where the server ends the connection without an answer.
    #[must_use]
    pub fn ask(&self, server: &TestServer, request: &Request) -> Answer {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[self.version])
            .unwrap()
            .with_root_certificates(roots);
        let config = match self.shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        let mut client = ClientConnection::new(Arc::new(config), localhost()).unwrap();
        let mut socket = tcp_to(server);
        while client.is_handshaking() {
            // TLS 1.2 rejects within the handshake, 1.3 right after the client has ended it.
            if client.complete_io(&mut socket).is_err() {
                return Answer { status: 0, headers: Vec::new(), body: Vec::new() };
            }
        }
        request.ask_on(&mut Connection::resume(client, socket))
    }
}

/// A clock that is ahead by so many days.
#[derive(Debug)]
struct Ahead(u64);

impl TimeProvider for Ahead {
    fn current_time(&self) -> Option<UnixTime> {
        let now_s = u64::try_from(now_s()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(now_s + self.0 * 86_400)))
    }
}

fn named(name: &str) -> ServerName<'static> {
    ServerName::try_from(name.to_owned()).unwrap()
}
