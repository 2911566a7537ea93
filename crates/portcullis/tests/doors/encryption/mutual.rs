//! T-107: a server that asks clients for certificates.
//! Never: a certificate that stands for a user.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_test::{Config, Request, Shows, TestServer, counter, hs256};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, date_time_ymd,
};
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::CertificateDer;

use crate::clients::start;

/// An authority of the test's own, and what it issues.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate and its key in PEM, for one use, until a year.
    fn issue(&self, usage: ExtendedKeyUsagePurpose, until_year: i32) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names = vec![String::from("localhost"), String::from("127.0.0.1")];
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, "admin");
        params.extended_key_usages = vec![usage];
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(until_year, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

const FAR: i32 = 2120;

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn texts((certificate, key): &(String, String)) -> (&str, &str) {
    (certificate, key)
}

/// The files of a directory, and in it the authorities that vouch for clients.
fn config(directory: &Path, authorities: &str) -> Config {
    let more = format!(
        "[tls]\nmode = \"files\"\ncertificate_file = {:?}\nkey_file = {:?}\n\
         client_ca_file = {:?}\n",
        directory.join("server.pem"),
        directory.join("server.key"),
        directory.join(authorities)
    );
    Config { more, ..Config::default() }
}

/// A server of one authority that wants clients of another; and the first one's certificate.
fn mutual(directory: &Path, clients: &Authority) -> (TestServer, CertificateDer<'static>) {
    let own = Authority::new("servers");
    let (certificate, key) = own.issue(ExtendedKeyUsagePurpose::ServerAuth, FAR);
    let at = |name: &str| directory.join(name);
    write(&at("server.pem"), &certificate);
    write(&at("server.key"), &key);
    write(&at("clients.pem"), &clients.certificate.pem());
    let config = config(directory, "clients.pem");
    (start(&config), own.certificate.der().clone())
}

#[test]
fn t107_client_without_a_certificate_of_the_authority_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let (clients, unauthenticated_clients) = (Authority::new("clients"), Authority::new("clients"));
    let (server, authority) = mutual(directory.path(), &clients);
    let client = ExtendedKeyUsagePurpose::ClientAuth;
    let good = clients.issue(client.clone(), FAR);
    let cases = [
        ("no certificate", None),
        (
            "of another authority of the same name",
            Some(unauthenticated_clients.issue(client.clone(), FAR)),
        ),
        ("expired", Some(clients.issue(client, 2021))),
        ("for servers", Some(clients.issue(ExtendedKeyUsagePurpose::ServerAuth, FAR))),
    ];
    let page = Request::get(&server, "/");
    let requests = || counter(&server, "portcullis_http_requests_total");
    for version in [&TLS12, &TLS13] {
        let show = |shown| Shows { version, authority: authority.clone(), shown };
        let before = requests();
        for (what, shown) in &cases {
            assert_eq!(show(shown.as_ref().map(texts)).ask(&server, &page).status, 0, "{what}");
        }
        assert_eq!(requests(), before, "nothing of it was ever a request");
        assert_eq!(show(Some(texts(&good))).ask(&server, &page).status, 200);
    }
    let record = server.records.wait_for_rule("tls");
    assert_eq!(record["source"]["ip"], "127.0.0.1", "{record}");
}

#[test]
fn t107_client_with_a_certificate_must_still_sign_in() {
    let directory = tempfile::tempdir().unwrap();
    let clients = Authority::new("clients");
    let (server, authority) = mutual(directory.path(), &clients);
    let good = clients.issue(ExtendedKeyUsagePurpose::ClientAuth, FAR);
    let shows = Shows { version: &TLS13, authority, shown: Some(texts(&good)) };
    // Its name is an administrator's, which counts for nothing.
    let me = Request::get(&server, "/auth/profile");
    assert_eq!(shows.ask(&server, &me).status, 401);
    let upgrade = Request::upgrade(&server, "/ws");
    let refused = upgrade.clone().header("Authorization", "Bearer x");
    assert_eq!(shows.ask(&server, &refused).status, 401);
    let token = hs256("ann");
    let admitted = upgrade.header("Authorization", &format!("Bearer {token}"));
    assert_eq!(shows.ask(&server, &admitted).status, 101);
}

#[test]
fn t107_authorities_that_are_none_stop_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let own = Authority::new("servers");
    let (certificate, key) = own.issue(ExtendedKeyUsagePurpose::ServerAuth, FAR);
    let at = |name: &str| directory.path().join(name);
    write(&at("server.pem"), &certificate);
    write(&at("server.key"), &key);
    write(&at("empty.pem"), "nothing\n");
    for (file, expect) in [("none.pem", "cannot be read"), ("empty.pem", "contains no authority")] {
        let config = config(directory.path(), file);
        let program = env!("CARGO_BIN_EXE_portcullis");
        let (code, response) = TestServer::refuse(program, &config);
        assert_eq!(code, Some(2), "{response}");
        assert!(response.contains("tls.client_ca_file") && response.contains(expect), "{response}");
    }
}
