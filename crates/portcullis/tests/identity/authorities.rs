//! Certificate authorities for the address of an issuer's key set: a server with real TLS.
//! Never: a request on the internet.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;

use portcullis_test::{Config, ProcessOptions, PublishedKey, SioClient, TestServer, claims};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::PrivateKeyDer;
use serde_json::json;

use crate::start;

/// An authority, and its certificate in PEM.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// A TLS configuration for 127.0.0.1 that this authority vouches for.
    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![String::from("127.0.0.1")]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.unwrap())
    }
}

/// Serves a key set to every client that completes TLS, or status 503 for `None`; returns the port.
pub(crate) fn serve(
    config: Arc<ServerConfig>,
    body: impl Fn() -> Option<String> + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(connection, stream);
            let mut read = [0; 4096];
            // A client that does not trust the certificate sends no request.
            let Ok(1..) = stream.read(&mut read) else { continue };
            let (status, body) = match body() {
                Some(body) => ("200 OK", body),
                None => ("503 Service Unavailable", String::new()),
            };
            let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\n");
            let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
            let _client_may_leave = stream.write_all(answer.as_bytes());
            stream.conn.send_close_notify();
            let _client_may_leave = stream.flush();
        }
    });
    port
}

/// A server of ours on a machine that trusts `machine`, whose issuer answers with a certificate of
/// `of`, and with a file that names `named`.
fn server(
    machine: &Authority,
    of: &Authority,
    named: Option<&Authority>,
) -> (TestServer, PublishedKey, tempfile::TempDir) {
    let key = PublishedKey::generate("main", "PS256");
    let set = json!({ "keys": [key.jwk()] }).to_string();
    let port = serve(of.server_config(), move || Some(set.clone()));
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("machine.pem"), &machine.pem).unwrap();
    let mut more = format!(
        "[[token.issuer]]\nissuer = \"https://published.example\"\naudience = \"portcullis\"\n\
         algorithm = \"PS256\"\njwks_url = \"https://127.0.0.1:{port}/keys\"\n"
    );
    if let Some(named) = named {
        std::fs::write(path("named.pem"), &named.pem).unwrap();
        more.push_str(&format!("jwks_ca_file = {:?}\n", path("named.pem")));
    }
    more.push_str("[danger]\njwks_private_addresses = true\n");
    let machine = path("machine.pem").display().to_string();
    let variables = vec![(String::from("SSL_CERT_FILE"), machine)];
    let process = ProcessOptions::with_environment(variables);
    let config = Config { issuer: false, more, process, ..Config::plaintext() };
    (start(&config), key, directory)
}

#[test]
fn key_set_is_fetched_under_trusted_authorities_only() {
    let (public, private) = (Authority::new(), Authority::new());
    let cases = [
        (&public, None, true),
        (&private, None, false),
        (&private, Some(&private), true),
        // The machine trusts it, and the operator has named another one.
        (&public, Some(&private), false),
    ];
    for (of, named, expect) in cases {
        let (server, key, _directory) = server(&public, of, named);
        let outcome = if expect { "success" } else { "failure" };
        let fetched = server.records.wait_for(|record| record["event"]["code"] == "issuer_keys");
        assert_eq!(fetched["event"]["outcome"], outcome, "{fetched}");
        let mut all = claims("ann");
        all["iss"] = json!("https://published.example");
        let token = key.token(&key.header(), &all);
        let mut client = SioClient::open(&server);
        let joined = client.join_namespace("/", &json!({ "token": token }).to_string());
        assert_eq!(joined.is_ok(), expect, "{joined:?}");
    }
}
