//! Data directories as earlier versions of the server left them.
//! Never: a file or a table that the version did not have.

use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_test::{
    NEWEST_SCHEMA, Request, TestServer, authenticator_code, set_up, sign_up, undo_schemas,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Sender, names, refresh_cookie, start};

/// The first schema with sessions, second factors and sealed texts.
const SESSIONS: u32 = 3;
/// The first schema whose log has a file with its last number.
const NUMBERS: u32 = 6;
/// The first schema whose log has hashes of sessions.
const LOG_KEY: u32 = 7;
/// The first schema whose log has a chain, and with alerts.
const CHAIN: u32 = 8;
/// Files of the chain and of alerts.
const CHAIN_FILES: [&str; 4] =
    ["audit-chain.state", "audit-chain.keys", "alerts.state", "alerts.spool"];
/// The bytes before the seed of an Ed25519 key in PKCS #8 (RFC 8410, section 7).
const PKCS8_START: [u8; 16] =
    [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];

/// The data directory of a stopped server, with what its clients hold.
pub(crate) struct StoppedData {
    place: TempDir,
    pub(crate) room: String,
    /// The refresh cookie of an open session of `ann`.
    pub(crate) cookie: String,
    /// The secret of the second factor of `cam`, and a recovery code.
    pub(crate) factor: (String, String),
    /// The id of the key that signs access tokens.
    pub(crate) signing_key: String,
}

impl StoppedData {
    /// Starts a server with an administrator, two users and a room with three messages; stops it.
    pub(crate) fn make() -> (Self, TestServer) {
        let mut server = start();
        let _root = set_up(&server, "root");
        let factor = add_factor(&server, &sign_up(&server, "cam").token);
        let mut sender = Sender::new(&server);
        sender.send_until(3);
        let (room, cookie) = (sender.room.clone(), refresh_cookie(&server));
        drop(sender);
        assert!(server.terminate().success());
        let place = tempfile::tempdir().unwrap();
        copy(&server.data(), &place.path().join("data"));
        let signing_key = signing_key(&server.data()).0;
        (Self { place, room, cookie, factor, signing_key }, server)
    }

    /// Puts the directory of a schema in the place of a data directory.
    pub(crate) fn put(&self, data: &Path, schema: u32) {
        std::fs::remove_dir_all(data).unwrap();
        copy(&self.place.path().join("data"), data);
        close_log(data);
        if schema < NEWEST_SCHEMA {
            remove(data, &["security.log.clock", "last-backup"]);
            undo(&data.join("portcullis.db"), schema);
        }
        if schema < CHAIN {
            remove(data, &CHAIN_FILES);
            for log in logs(data) {
                std::fs::write(&log, without_chain(&std::fs::read_to_string(&log).unwrap()))
                    .unwrap();
            }
        }
        if schema < LOG_KEY {
            remove(data, &["security-log.key"]);
        }
        if schema < NUMBERS {
            remove(data, &["security-log.sequence"]);
        }
        if schema < SESSIONS {
            let seed = signing_key(data).1;
            write_private(
                &data.join("token-signing.ed25519.pkcs8"),
                &[&PKCS8_START, &*seed].concat(),
            );
            remove(data, &["token-signing.ring", "sessions.secret", "field-keys.ring"]);
        }
    }
}

/// Whether sessions and second factors of a schema continue.
pub(crate) fn has_sessions(schema: u32) -> bool {
    schema >= SESSIONS
}

/// Whether the log of a schema has a chain, which continues.
pub(crate) fn has_chain(schema: u32) -> bool {
    schema >= CHAIN
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

fn remove(data: &Path, files: &[&str]) {
    for file in files.iter().map(|name| data.join(name)).filter(|file| file.exists()) {
        std::fs::remove_file(file).unwrap();
    }
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

/// Adds a second factor; returns its secret and a recovery code.
fn add_factor(server: &TestServer, token: &str) -> (String, String) {
    let post = |path: &str, body: Value| {
        let bearer = format!("Bearer {token}");
        let request = Request::post(server, path, &body.to_string());
        request.header("Authorization", &bearer).ask(server)
    };
    let started = post("/auth/totp/begin", json!({})).json();
    let secret = started["secret"].as_str().unwrap().to_owned();
    let code = json!({ "code": authenticator_code(&secret, 0) });
    let confirmed = post("/auth/totp/confirm", code);
    assert_eq!(confirmed.status, 200);
    (secret, confirmed.json()["recovery_codes"][0].as_str().unwrap().to_owned())
}

/// The id and the seed of the key that signs access tokens.
fn signing_key(data: &Path) -> (String, Vec<u8>) {
    let ring = std::fs::read_to_string(data.join("token-signing.ring")).unwrap();
    let words: Vec<&str> = ring.lines().last().unwrap().split(' ').collect();
    (words[0].to_owned(), URL_SAFE_NO_PAD.decode(words[3]).unwrap())
}

/// Closes the open file of the log, as a rotation does.
fn close_log(data: &Path) {
    let log = data.join("security.log");
    let text = std::fs::read_to_string(&log).unwrap();
    let last: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let time = last["@timestamp"].as_str().unwrap()[..19].replace(['-', ':'], "");
    std::fs::rename(&log, data.join(format!("security-{time}Z-1.log"))).unwrap();
}

/// The files of the log.
fn logs(data: &Path) -> Vec<PathBuf> {
    let names = names(data);
    let logs = names.iter().filter(|name| name.starts_with("security") && name.ends_with(".log"));
    logs.map(|name| data.join(name)).collect()
}

/// The lines of a log, as a version without a chain wrote them.
fn without_chain(text: &str) -> String {
    let mut lines = String::new();
    for line in text.lines() {
        let code = serde_json::from_str::<Value>(line).unwrap()["event"]["code"].clone();
        if ["log_epoch", "log_checkpoint", "log_heartbeat"].iter().any(|own| code == **own) {
            continue;
        }
        let (line, _) = line.rsplit_once(",\"integrity\":").unwrap();
        lines.push_str(&format!("{line}}}\n"));
    }
    lines
}

/// Takes the database back to a schema. Before sealed texts, texts are plain.
fn undo(database: &Path, schema: u32) {
    let database = rusqlite::Connection::open(database).unwrap();
    if schema < SESSIONS {
        let texts = "UPDATE messages SET text = 'text ' || seq, sealed = NULL";
        assert_eq!(database.execute(texts, []).unwrap(), 3);
    }
    database.execute_batch(&undo_schemas(schema)).unwrap();
}
