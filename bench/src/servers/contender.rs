//! The servers that are measured, and the start of each one.
//! Never: a figure of a server that did not start.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use rustls_pki_types::CertificateDer;
use tokio_rustls::TlsConnector;

use crate::clients::client::Door;
use crate::clients::dialect::Dialect;
use crate::clients::token::Signer;
use crate::servers::echo_server::{self, Setup};
use crate::servers::measure::{MeasuredServer, Processors};

/// A server; bare uWebSockets is the reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contender {
    UWebSockets,
    Portcullis,
    Socketioxide,
    SocketIoUws,
    SocketIoWs,
}

impl Contender {
    pub(crate) const ALL: [Self; 5] = [
        Self::UWebSockets,
        Self::Portcullis,
        Self::Socketioxide,
        Self::SocketIoUws,
        Self::SocketIoWs,
    ];

    /// Its name in tables and charts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UWebSockets => "uWebSockets, bare",
            Self::Portcullis => "Portcullis",
            Self::Socketioxide => "socketioxide",
            Self::SocketIoUws => "Socket.IO, µWebSockets.js",
            Self::SocketIoWs => "Socket.IO, ws",
        }
    }

    /// Its name on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::UWebSockets => "uwebsockets",
            Self::Portcullis => "portcullis",
            Self::Socketioxide => "socketioxide",
            Self::SocketIoUws => "socketio-uws",
            Self::SocketIoWs => "socketio-ws",
        }
    }

    /// The reason why the server cannot be measured here, if there is one.
    pub(crate) fn missing(self) -> Option<String> {
        match self {
            Self::Portcullis => None,
            Self::UWebSockets | Self::Socketioxide => {
                let program = self.program().ok()?;
                (!program.exists()).then(|| String::from("it is not built"))
            }
            Self::SocketIoUws | Self::SocketIoWs => {
                let packages = peers_folder().join("node/node_modules/socket.io");
                (!packages.exists()).then(|| String::from("its npm packages are not installed"))
            }
        }
    }

    /// Starts it alone on processor 0.
    pub(crate) fn start(self) -> Result<Running> {
        if self == Self::Portcullis {
            return start_own(&Setup::default());
        }
        let command = match self {
            Self::SocketIoUws => node("socketio_uws.mjs"),
            Self::SocketIoWs => node("socketio_ws.mjs"),
            Self::UWebSockets | Self::Socketioxide | Self::Portcullis => {
                Command::new(self.program()?)
            }
        };
        let served = MeasuredServer::start(command, Processors::First)?;
        let dialect = match self {
            Self::UWebSockets => Dialect::Bare,
            Self::Portcullis | Self::Socketioxide | Self::SocketIoUws | Self::SocketIoWs => {
                Dialect::SocketIo
            }
        };
        let door = Door { address: served.address, dialect, tls: None, signer: None, page: None };
        Ok(Running { served, door })
    }

    /// The path to which `cargo xtask bench` writes the program.
    fn program(self) -> Result<PathBuf> {
        let name = match self {
            Self::UWebSockets => "uwebsockets/uwebsockets",
            Self::Socketioxide => "release/bench-peer-socketioxide",
            Self::Portcullis | Self::SocketIoUws | Self::SocketIoWs => "none",
        };
        let own = std::env::current_exe()?;
        let target = own.ancestors().nth(2).context("not in a target folder")?;
        Ok(target.join("peers").join(name))
    }
}

/// A started server and the way in.
pub(crate) struct Running {
    pub(crate) served: MeasuredServer,
    pub(crate) door: Door,
}

/// Starts our server; it says its certificate before it listens.
pub(crate) fn start_own(setup: &Setup) -> Result<Running> {
    let signer = if setup.eddsa { Signer::generate()? } else { Signer::Hs256 };
    let processors = if setup.shards > 1 { Processors::Both } else { Processors::First };
    let mut command = Command::new(std::env::current_exe()?);
    command.args(echo_server::arguments(setup, signer.public()));
    let served = MeasuredServer::start(command, processors)?;
    let certificate = served.before.iter().find_map(|line| line.strip_prefix("certificate "));
    ensure!(
        certificate.is_some() == setup.tls,
        "a server prints a certificate with TLS, and only then"
    );
    let tls = certificate.map(connector).transpose()?;
    let dialect = Dialect::SocketIo;
    let door = Door { address: served.address, dialect, tls, signer: Some(signer), page: None };
    Ok(Running { served, door })
}

/// A TLS client that trusts an authority, in PEM.
pub(crate) fn authority(pem: &str) -> Result<TlsConnector> {
    use rustls_pki_types::pem::PemObject;
    trusting(CertificateDer::from_pem_slice(pem.as_bytes()).context("no certificate in PEM")?)
}

/// A TLS client that trusts this one certificate, in Base64.
fn connector(certificate: &str) -> Result<TlsConnector> {
    use base64::Engine;
    let bytes = base64::engine::general_purpose::STANDARD.decode(certificate)?;
    trusting(CertificateDer::from(bytes))
}

fn trusting(certificate: CertificateDer<'static>) -> Result<TlsConnector> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(script).current_dir(peers_folder().join("node"));
    command.env("NODE_ENV", "production");
    command
}

/// The folder with the peers' sources.
pub(crate) fn peers_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("peers")
}
