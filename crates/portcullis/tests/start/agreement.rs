//! `check` and `serve` agree: one text and one exit code for each configuration that is rejected.
//! Never: a fault that only a start finds.

use std::fs::Permissions;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use crate::{StartedServer, command, text};

/// Writes a certificate and its key: `NAME.pem`, `NAME.key`.
pub(crate) fn write_certificate(directory: &Path, name: &str, host: &str, years: (i32, i32)) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![String::from(host)]).unwrap();
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(directory.join(format!("{name}.pem")), certificate.pem()).unwrap();
    write_private(&directory.join(format!("{name}.key")), &key.serialize_pem());
}

pub(crate) fn write_private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

const PAGE: &str = "[origin]\nallowed = [\"https://chat.example\"]\n";

/// A production configuration with this certificate and key.
fn production(certificate: &str, key: &str) -> String {
    format!(
        "profile = \"production\"\n{PAGE}[tls]\ncertificate_file = \"{certificate}\"\n\
         key_file = \"{key}\"\n"
    )
}

/// Production behind a proxy, with more sections.
fn behind(more: &str) -> String {
    format!("profile = \"production\"\n{PAGE}[tls]\nmode = \"off\"\n{more}")
}

fn certificates() -> Vec<(String, &'static str)> {
    vec![
        (production("none.pem", "good.key"), "tls.certificate_file is none.pem"),
        (production("good.pem", "none.key"), "tls.key_file is none.key"),
        (production("good.pem", "other.key"), "does not match the certificate"),
        (production("good.pem", "open.key"), "chmod 600"),
        (production("good.key", "good.key"), "it contains no certificate"),
        (production("old.pem", "old.key"), "it expired on 2021-01-01"),
        (production("early.pem", "early.key"), "it is valid from 2120-01-01 only"),
        (production("other.pem", "other.key"), "it names none of the hosts"),
        (
            production("good.pem", "good.key") + "client_ca_file = \"good.key\"\n",
            "tls.client_ca_file is good.key",
        ),
    ]
}

fn places() -> Vec<(String, &'static str)> {
    vec![
        (String::from("[listen]\nprobe = \"127.0.0.1:8443\"\n"), "listen.public already listens"),
        (String::from("[store]\nurl = \"sqlite:none/a.db\"\n"), "none is not a directory"),
        (String::from("[store]\nurl = \"sqlite:letter.txt\"\n"), "cannot open letter.txt"),
        (String::from("[store]\nurl = \"sqlite:newer.db\"\n"), "install a later version"),
        (String::from("[audit]\nfile = \"folder\"\n"), "it is a directory"),
        (String::from("[audit]\naccess_file = \"none/a.log\"\n"), "none is not a directory"),
        (
            String::from("[audit]\nfile = \"a.log\"\naccess_file = \"a.log\"\n"),
            "audit.file names the same file",
        ),
    ]
}

/// Output files that have another purpose, by name or as the same file, or that are not files.
fn outputs() -> Vec<(String, &'static str)> {
    let log = |file: &str| format!("[audit]\nfile = {file:?}\n");
    let access = |file: &str| format!("[audit]\naccess_file = {file:?}\n");
    let with_key = |key: &str| production("good.pem", "good.key") + key;
    let issuer = "[[token.issuer]]\nissuer = \"https://id.example\"\naudience = \"a\"\n\
                  algorithm = \"HS256\"\nsecret_file = \"hs256.key\"\n";
    let data = |name: &str| format!("portcullis-data/{name}");
    vec![
        (log("portcullis.toml"), "it is the configuration file"),
        (log("./folder/../portcullis.toml"), "it is the configuration file"),
        (with_key(&log("good.key")), "tls.key_file names the same file"),
        (with_key(&access("hard.key")), "tls.key_file names the same file"),
        (with_key(&access("soft.pem")), "tls.certificate_file names the same file"),
        (String::from(issuer) + &log("hs256.key"), "token.issuer.secret_file names the same file"),
        (log(&data("sessions.secret")), "it is the server's own sessions.secret"),
        (access(&data("field-keys.ring")), "it is the server's own field-keys.ring"),
        (log(&data("tls.key")), "it is the server's own tls.key"),
        (log(&data("portcullis.db")), "store.url names the same file"),
        (access(&data("portcullis.db-wal")), "store.url uses the same file"),
        (log(&data("portcullis.db.reserve")), "store.url uses the same file"),
        (log("to-the-database"), "store.url names the same file"),
        (access(&data("security.log.reserve")), "audit.file uses the same file"),
        (String::from("[store]\nurl = \"sqlite:portcullis.toml\"\n"), "the configuration file"),
        (log("pipe"), "it is a named pipe"),
        (access("pipe"), "it is a named pipe"),
        (String::from("[store]\nurl = \"sqlite:pipe\"\n"), "it is a named pipe"),
        (log("beside"), "beside.reserve, but it is a named pipe"),
    ]
}

fn rules() -> Vec<(String, &'static str)> {
    let issuer = "[[token.issuer]]\nissuer = \"https://id.example\"\naudience = \"a\"\n";
    vec![
        (String::from("[rate.event_per_user]\n\"chat:sned\" = \"1/1s\"\n"), "chat:sned"),
        (String::from("[replay]\n\"chat:sned\" = \"mid\"\n"), "chat:sned"),
        (String::from("[access]\n\"chat:sned\" = [\"admin\"]\n"), "chat:sned"),
        (String::from("[access]\n\"chat:send\" = [\"missing\"]\n"), "missing"),
        (String::from("[rate]\nobserve = [\"nothing\"]\n"), "nothing"),
        (String::from("[capacity]\nconnections_total = 0\n"), "connections_total"),
        (format!("{issuer}algorithm = \"HS256\"\nsecret_file = \"open.key\"\n"), "chmod 600"),
        (
            format!(
                "{issuer}algorithm = \"RS256\"\njwks_url = \"https://id.example/k\"\n\
                 jwks_ca_file = \"letter.txt\"\n"
            ),
            "token.issuer.jwks_ca_file is letter.txt",
        ),
        (String::from("[listen]\ntrusted_proxies = [\"127.0.0.1\"]\n"), "this machine only"),
        (String::from("[listen]\nprobe = \"0.0.0.0:9080\"\n"), "this machine only"),
        (String::from(PAGE), "this machine only"),
        (behind("[hsts]\npreload = true\nmax_age_s = 1\n"), "hsts.preload is true"),
    ]
}

#[test]
fn check_and_serve_reject_the_same_configurations_alike() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_certificate(path, "good", "chat.example", (2020, 2120));
    write_certificate(path, "old", "chat.example", (2020, 2021));
    write_certificate(path, "early", "chat.example", (2120, 2121));
    write_certificate(path, "other", "other.example", (2020, 2120));
    std::fs::copy(path.join("good.key"), path.join("open.key")).unwrap();
    std::fs::set_permissions(path.join("open.key"), Permissions::from_mode(0o644)).unwrap();
    std::fs::write(path.join("letter.txt"), "Dear reader, this is not a database.").unwrap();
    let mut newer = [0_u8; 100];
    newer[..16].copy_from_slice(b"SQLite format 3\0");
    newer[62] = 1;
    std::fs::write(path.join("newer.db"), newer).unwrap();
    std::fs::create_dir(path.join("folder")).unwrap();
    std::fs::hard_link(path.join("good.key"), path.join("hard.key")).unwrap();
    write_private(&path.join("hs256.key"), "k7Jx2mQ9vR4tZ8wB1nL6pD3sF5hG0cYe");
    for (name, target) in
        [("soft.pem", "good.pem"), ("to-the-database", "portcullis-data/portcullis.db")]
    {
        std::os::unix::fs::symlink(target, path.join(name)).unwrap();
    }
    for name in ["pipe", "beside.reserve"] {
        let made = std::process::Command::new("mkfifo").arg(path.join(name)).status().unwrap();
        assert!(made.success());
    }
    for (configuration, expect) in [certificates(), places(), outputs(), rules()].concat() {
        std::fs::write(path.join("portcullis.toml"), &configuration).unwrap();
        let [check, serve] = ["check", "serve"].map(|verb| {
            let mut command = command(path, &[verb]);
            command.env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0");
            let output = command.output().unwrap();
            (output.status.code(), text(&output.stderr))
        });
        assert_eq!(check.0, Some(2), "{configuration} {}", check.1);
        assert!(check.1.contains(expect), "{configuration} {}", check.1);
        let error = |response: &str| {
            response.lines().find(|line| line.starts_with("error: ")).map(String::from)
        };
        assert_eq!(error(&check.1), error(&serve.1), "{configuration}");
        assert_eq!(check.0, serve.0, "{configuration}");
        // What a start finds first leaves no trace; what only the events tell comes after it.
        let _removed = std::fs::remove_dir_all(path.join("portcullis-data"));
    }
}

#[test]
fn data_directory_that_cannot_be_used_is_rejected_alike() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    std::fs::write(path.join("file"), "").unwrap();
    std::fs::create_dir(path.join("foreign")).unwrap();
    std::fs::write(path.join("foreign/letter.txt"), "").unwrap();
    std::fs::set_permissions(path.join("foreign"), Permissions::from_mode(0o755)).unwrap();
    for (name, signing) in [("keys", "not a ring"), ("ring", "")] {
        std::fs::create_dir(path.join(name)).unwrap();
        std::fs::set_permissions(path.join(name), Permissions::from_mode(0o700)).unwrap();
        write_private(&path.join(name).join("token-signing.ring"), signing);
    }
    for (name, key) in
        [("log", "short"), ("log-open", "0123456789012345678901234567890123456789012")]
    {
        std::fs::create_dir(path.join(name)).unwrap();
        std::fs::set_permissions(path.join(name), Permissions::from_mode(0o700)).unwrap();
        write_private(&path.join(name).join("security-log.key"), key);
    }
    // The secret of an earlier start, without its database.
    std::fs::create_dir(path.join("lost")).unwrap();
    std::fs::set_permissions(path.join("lost"), Permissions::from_mode(0o700)).unwrap();
    write_private(&path.join("lost/sessions.secret"), "of an earlier start");
    let open = path.join("log-open/security-log.key");
    std::fs::set_permissions(open, Permissions::from_mode(0o644)).unwrap();
    std::os::unix::fs::symlink("nowhere", path.join("link")).unwrap();
    for (data, expect) in [
        ("file", "it is not a directory"),
        ("file/below", "the data directory is file/below"),
        ("foreign", "chmod 700 foreign"),
        ("keys", "holds no keys"),
        ("ring", "holds no keys"),
        ("link", "a link to a missing file"),
        ("log", "its security-log.key has 5 bytes instead of 43"),
        ("log-open", "chmod 600"),
        ("lost", "restore a backup with portcullis restore"),
    ] {
        let [check, serve] = ["check", "serve"].map(|verb| {
            let mut command = command(path, &[verb, "--data", data, "--listen", "127.0.0.1:0"]);
            command.env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0");
            let output = command.output().unwrap();
            (output.status.code(), text(&output.stderr))
        });
        assert!(check.1.contains(expect), "{data}: {}", check.1);
        assert_eq!(check.0, Some(2), "{data}: {}", check.1);
        assert_eq!(check, serve, "{data}");
    }
}

#[test]
fn address_that_can_arrive_later_is_rejected_alike_with_another_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let configuration = behind("[listen]\nprobe = \"192.0.2.1:9080\"\n");
    std::fs::write(path.join("portcullis.toml"), configuration).unwrap();
    let [check, serve] = ["check", "serve"].map(|verb| {
        let mut command = command(path, &[verb, "--listen", "127.0.0.1:0"]);
        command.env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0");
        let output = command.output().unwrap();
        (output.status.code(), text(&output.stderr))
    });
    assert!(check.1.contains("no interface of this machine"), "{}", check.1);
    // Not 2, after which systemd does not try again.
    assert_eq!(check.0, Some(1), "{}", check.1);
    assert_eq!(check, serve);
}

#[test]
fn taken_port_is_rejected_alike_and_not_when_it_is_the_servers_own() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for key in ["PRIVATE", "PROBE", "REDIRECT", "PUBLIC"] {
        let [check, serve] = ["check", "serve"].map(|verb| {
            let mut command = command(directory.path(), &[verb]);
            for other in ["PRIVATE", "PUBLIC"] {
                command.env(format!("PORTCULLIS__LISTEN__{other}"), "127.0.0.1:0");
            }
            command.env(format!("PORTCULLIS__LISTEN__{key}"), &address);
            let output = command.output().unwrap();
            (output.status.code(), text(&output.stderr))
        });
        assert!(check.1.contains(&format!("cannot listen on {address}")), "{}", check.1);
        assert_eq!(check.0, Some(1));
        assert_eq!(check, serve);
    }
    // `check` beside the running server, with the addresses it has.
    let mut server = StartedServer::new(directory.path());
    let public = server.line("listening public https://").unwrap().to_owned();
    let mut command = command(directory.path(), &["check", "--listen", &public]);
    let output = command.env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("were not tried"), "{}", text(&output.stderr));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn certificate_that_ends_soon_or_lacks_a_name_is_warned_of() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-keyout", "soon.key", "-out", "soon.pem", "-days", "5"])
        .args(["-subj", "/CN=chat.example", "-addext", "subjectAltName=DNS:chat.example"])
        .current_dir(path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", text(&made.stderr));
    std::fs::set_permissions(path.join("soon.key"), Permissions::from_mode(0o600)).unwrap();
    let configuration = production("soon.pem", "soon.key")
        + "[listen]\nhosts = [\"chat.example\", \"eu.chat.example\"]\n";
    std::fs::write(path.join("portcullis.toml"), configuration).unwrap();
    let mut command = command(path, &["check", "--listen", "127.0.0.1:0"]);
    let output = command.env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let warnings = text(&output.stderr);
    assert!(warnings.contains("warning: tls.certificate_file: "), "{warnings}");
    assert!(warnings.contains("expires on ") && warnings.contains("days: renew it"), "{warnings}");
    assert!(warnings.contains("does not name eu.chat.example"), "{warnings}");
}

#[test]
fn data_directory_that_other_users_can_write_to_is_a_warning() {
    for (mode, expect) in [(0o777, true), (0o770, true), (0o755, false), (0o700, false)] {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("volume");
        std::fs::create_dir(&data).unwrap();
        std::fs::set_permissions(&data, Permissions::from_mode(mode)).unwrap();
        let arguments = ["check", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        let mut command = command(directory.path(), &arguments);
        let output = command.env("PORTCULLIS__LISTEN__PRIVATE", "127.0.0.1:0").output().unwrap();
        let warnings = text(&output.stderr);
        assert!(output.status.success(), "{warnings}");
        let is_named = warnings.contains("warning: --data: other users can write to")
            && warnings.contains(&format!("{} (mode {mode:o})", data.display()))
            && warnings.contains(&format!("chmod 700 {}", data.display()));
        assert_eq!(is_named, expect, "{mode:o}: {warnings}");
        let after = std::fs::metadata(&data).unwrap().permissions().mode() & 0o777;
        assert_eq!(after, mode, "a check changes nothing");
    }
}
