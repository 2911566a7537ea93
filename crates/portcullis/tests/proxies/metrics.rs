//! Metrics for other machines: nginx with TLS and client certificates before the private listener.
//! Never: an answer for a client that the operator's authority does not vouch for.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::Child;
use std::sync::Arc;

use portcullis_test::{Config, TestServer};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair,
};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::started::{at, free_port, is_up, replaced, run, temporary};

const NGINX: &str = include_str!("../../../../examples/proxies/nginx-metrics.conf");

type IssuedCertificate = (CertificateDer<'static>, KeyPair, String);

/// An authority of the test's own, and what it issues.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "monitoring");
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    fn issue(&self, usage: ExtendedKeyUsagePurpose) -> IssuedCertificate {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![String::from("localhost")]).unwrap();
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.der().clone(), key, certificate.pem())
    }
}

/// An nginx that is stopped when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _status = self.0.wait();
    }
}

fn start(server: &TestServer, own: &Authority, files: &Path) -> (Running, SocketAddr) {
    let (_, key, certificate) = own.issue(ExtendedKeyUsagePurpose::ServerAuth);
    std::fs::write(files.join("c.pem"), certificate).unwrap();
    std::fs::write(files.join("c.key"), key.serialize_pem()).unwrap();
    std::fs::write(files.join("ca.pem"), own.certificate.pem()).unwrap();
    let file = |name| at(files, name);
    // A port that was free a moment ago may be taken by the time nginx asks for it.
    for _ in 0..10 {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let text = replaced(
            NGINX,
            &[
                ("worker_processes 1;", "worker_processes 1;\ndaemon off;\nmaster_process off;"),
                ("/run/nginx-metrics.pid", &file("nginx.pid")),
                ("server_tokens off;", &temporary(&file("t"))),
                ("listen 9444 ssl;", &format!("listen {address} ssl;")),
                ("/etc/nginx/metrics.example.pem", &file("c.pem")),
                ("/etc/nginx/metrics.example.key", &file("c.key")),
                ("/etc/nginx/monitoring-ca.pem", &file("ca.pem")),
                ("http://127.0.0.1:9443;", &format!("http://{};", server.private)),
            ],
        );
        let mut nginx = Running(run("nginx", &text, files));
        if is_up(&mut nginx.0, address) {
            return (nginx, address);
        }
    }
    panic!("nginx does not start");
}

/// Asks as a client that shows a certificate, or none.
fn ask(
    address: SocketAddr,
    own: &Authority,
    shown: Option<&IssuedCertificate>,
    line: &str,
) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(own.certificate.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shown {
        None => config.with_no_client_auth(),
        Some((certificate, key, _)) => {
            let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
            config.with_client_auth_cert(vec![certificate.clone()], key).unwrap()
        }
    };
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(client, TcpStream::connect(address).unwrap());
    let request = format!("{line} HTTP/1.0\r\nHost: metrics.example\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    let _closed = stream.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

#[test]
fn metrics_behind_nginx_need_a_certificate_of_the_operators_authority() {
    let server = TestServer::start(env!("CARGO_BIN_EXE_portcullis"), &Config::default());
    let files = tempfile::tempdir().unwrap();
    let (own, foreign) = (Authority::new(), Authority::new());
    let (_nginx, address) = start(&server, &own, files.path());
    let good = own.issue(ExtendedKeyUsagePurpose::ClientAuth);
    let of_foreign = foreign.issue(ExtendedKeyUsagePurpose::ClientAuth);
    let read = ask(address, &own, Some(&good), "GET /metrics");
    assert!(read.starts_with("HTTP/1.1 200 "), "{read}");
    assert!(read.contains("portcullis_"), "{read}");
    for (shown, line, status) in [
        (None, "GET /metrics", "400"),
        (Some(&of_foreign), "GET /metrics", "400"),
        (Some(&good), "POST /metrics", "403"),
        (Some(&good), "GET /admin/state", "404"),
        (Some(&good), "GET /metrics/../admin/state", "404"),
        (Some(&good), "GET /ready", "404"),
    ] {
        let answer = ask(address, &own, shown, line);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{line}: {answer}");
        assert!(!answer.contains("portcullis_"), "{line}: {answer}");
    }
}
