//! `portcullis doctor` and the regular audit: weaknesses are planted, found, mended, resolved.
//! Never: a finding on a healthy server.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use portcullis_test::{
    Config, ProcessOptions, Request, TestServer, authenticator_code, now_s, set_up, sign_up, until,
};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use crate::{done, start};

/// The exit codes: nothing found, critical, warnings.
const CODES: [i32; 3] = [0, 3, 4];

/// The limits of production, a channel, and an advisory about another package.
fn healthy(advisories: &Path) -> Config {
    let channel = "[[alert.channel]]\nname = \"script\"\nkind = \"command\"\n\
                   command = [\"/bin/cat\", \"-\"]\n";
    Config {
        rate: Vec::new(),
        capacity: vec![String::from("connections_total = 1000")],
        overload: Vec::new(),
        issuer: false,
        more: format!(
            "{channel}[admin]\nhost = \"admin.chat.example\"\n\
             [doctor]\nadvisories_dir = {advisories:?}\n"
        ),
        ..Config::default()
    }
    .production()
}

/// Writes an advisory that concerns each version of a package.
fn advise(folder: &Path, id: &str, package: &str) -> PathBuf {
    let day = 24 * 60 * 60;
    let modified = date_time_ymd(1970, 1, 1) + Duration::from_secs(now_s() as u64 - day);
    let advisory = json!({
        "id": id, "modified": format!("{}T00:00:00Z", modified.date()), "summary": "A flaw",
        "affected": [{
            "package": {"ecosystem": "crates.io", "name": package},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}]}],
        }],
    });
    let path = folder.join(format!("{id}.json"));
    std::fs::write(&path, advisory.to_string()).unwrap();
    path
}

fn post(server: &TestServer, path: &str, token: &str, body: &Value) -> Value {
    let request = Request::post(server, path, &body.to_string());
    let answer = request.header("Authorization", &format!("Bearer {token}")).ask(server);
    assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
    serde_json::from_slice(&answer.body).unwrap()
}

/// A healthy server in production, with an administrator who has a second factor.
fn start_healthy(advisories: &Path) -> TestServer {
    start_with(&healthy(advisories), advisories)
}

fn start_with(config: &Config, advisories: &Path) -> TestServer {
    advise(advisories, "RUSTSEC-2026-0001", "another-package");
    let server = start(config);
    let admin = set_up(&server, "the_admin");
    let started = post(&server, "/auth/totp/begin", &admin.token, &json!({}));
    let secret = started["secret"].as_str().unwrap();
    let code = json!({ "code": authenticator_code(secret, 0) });
    let _codes = post(&server, "/auth/totp/confirm", &admin.token, &code);
    note_backup(&server, now_s() - 3_600);
    assert_eq!(done(&server, &["alert", "test"], ""), "script: delivered\n");
    server
}

/// Notes a backup at a time.
fn note_backup(server: &TestServer, unix_s: i64) {
    let at = date_time_ymd(1970, 1, 1) + Duration::from_secs(unix_s as u64);
    let (day, time) = (at.date(), at.time());
    let (hour, minute) = (time.hour(), time.minute());
    let note = format!("{day}T{hour:02}:{minute:02}:00Z\n");
    std::fs::write(server.data().join("last-backup"), note).unwrap();
}

/// Runs the command; returns its exit code and the report.
fn doctor(server: &TestServer) -> (i32, Value) {
    let output = server.operate(&["doctor", "--json"], "");
    let code = output.status.code().unwrap();
    assert!(CODES.contains(&code), "{code}: {}", String::from_utf8_lossy(&output.stderr));
    (code, serde_json::from_slice(&output.stdout).unwrap())
}

fn findings(report: &Value) -> Vec<&Value> {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().flat_map(|check| check["findings"].as_array().unwrap()).collect()
}

fn keys(report: &Value) -> Vec<String> {
    let key = |finding: &Value| String::from(finding["key"].as_str().unwrap());
    findings(report).into_iter().map(key).collect()
}

/// The results of checks, by id.
fn result<'a>(report: &'a Value, id: &str) -> &'a str {
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["id"] == id).unwrap();
    check["result"].as_str().unwrap()
}

/// The keys of open alerts of the rule A17.
fn alerts(server: &TestServer) -> Vec<String> {
    let answer = Request::post(server, "/admin/v1/alerts", "{}")
        .header("X-Portcullis-Operator", &server.operator_key())
        .ask_private(server);
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let alerts = answer["alerts"].as_array().unwrap().iter();
    let alerts = alerts.filter(|alert| alert["rule"] == "A17");
    alerts.map(|alert| String::from(alert["key"]["value"].as_str().unwrap())).collect()
}

/// Finds the planted weakness, then mends it: the alert is resolved, and both are recorded.
fn found_and_mended(server: &TestServer, key: &str, code: i32, mend: impl FnOnce()) {
    let (exit, report) = doctor(server);
    assert_eq!((exit, keys(&report)), (code, vec![String::from(key)]), "{report}");
    for finding in findings(&report) {
        assert!(!finding["remedy"].as_str().unwrap().is_empty(), "{finding}");
    }
    assert_eq!(alerts(server), [key]);
    mend();
    let (exit, report) = doctor(server);
    assert_eq!((exit, keys(&report)), (0, vec![]), "{key} is mended: {report}");
    assert_eq!(alerts(server), Vec::<String>::new());
    for outcome in ["failure", "success"] {
        let record = server.records.wait_for(|record| {
            record["event"]["code"] == "audit_finding"
                && record["labels"]["finding"] == key
                && record["event"]["outcome"] == outcome
        });
        assert_eq!(record["rule"]["name"], key.split(' ').next().unwrap(), "{record}");
    }
}

#[test]
fn t409_healthy_production_server_has_no_findings() {
    let advisories = tempfile::tempdir().unwrap();
    let server = start_healthy(advisories.path());
    let (code, report) = doctor(&server);
    assert_eq!((code, keys(&report)), (0, vec![]), "{report}");
    for number in 1..=14 {
        assert_eq!(result(&report, &format!("D{number}")), "ok", "D{number}: {report}");
    }
    assert_eq!(report["server"], true);
    let record = server.records.wait_for(|record| record["event"]["code"] == "audit_report");
    assert_eq!(record["event"]["reason"], "request", "{record}");
    let text = server.operate(&["doctor"], "");
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.starts_with("0 critical, 0 warnings, 0 not checked, 14 ok"), "{text}");
    let folder = server.data().join("audit-reports");
    let mode = folder.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((folder.read_dir().unwrap().count(), mode), (1, 0o700), "one report a day");
}

#[test]
fn t409_planted_weakness_is_found_and_resolved_when_it_is_mended() {
    let advisories = tempfile::tempdir().unwrap();
    let server = start_healthy(advisories.path());
    let folder = server.data().parent().unwrap().to_path_buf();
    let file = folder.join("portcullis.toml");
    // D1: a change that is not in force.
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}# changed\n")).unwrap();
    found_and_mended(&server, "D1 file", 4, || std::fs::write(&file, &text).unwrap());
    // D2: a certificate that ends soon.
    let pair = ["cert.pem", "key.pem"].map(|name| folder.join(name));
    let former = pair.each_ref().map(|path| std::fs::read(path).unwrap());
    let restore = || {
        pair.iter().zip(&former).for_each(|(path, bytes)| std::fs::write(path, bytes).unwrap());
        reload(&server);
    };
    replace_certificate(&pair, &["chat.example", "admin.chat.example"], 6);
    reload(&server);
    found_and_mended(&server, "D2 days", 3, restore);
    // D2: a certificate that the second host is missing in.
    replace_certificate(&pair, &["chat.example"], 60);
    reload(&server);
    found_and_mended(&server, "D2 name admin.chat.example", 3, restore);
    // D4: other users can change the configuration.
    std::fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
    found_and_mended(&server, "D4 configuration file", 3, || {
        std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    });
    // D6: an old backup.
    note_backup(&server, now_s() - 8 * 24 * 3_600);
    found_and_mended(&server, "D6 age", 4, || note_backup(&server, now_s()));
    // D7: one changed byte of the security log.
    let log = server.data().join("security.log");
    flip(&log);
    found_and_mended(&server, "D7 changed", 3, || flip(&log));
    // D10: an advisory about a dependency.
    let advisory = advise(advisories.path(), "RUSTSEC-2026-0002", "tokio");
    found_and_mended(&server, "D10 RUSTSEC-2026-0002", 4, || {
        std::fs::remove_file(&advisory).unwrap();
    });
    // D11: an administrator without a second factor.
    let bob = sign_up(&server, "bob");
    let _granted = done(&server, &["user", "grant", "bob", "admin"], "");
    found_and_mended(&server, &format!("D11 factor {}", bob.id), 4, || {
        let _revoked = done(&server, &["user", "take", "bob", "admin"], "");
    });
    // D12: a pin for weeks.
    let _pinned = done(&server, &["state", "pin", "normal", "--for", "30d"], "");
    found_and_mended(&server, "D12 pin", 4, || {
        let _ended = done(&server, &["state", "pin", "auto"], "");
    });
}

#[test]
fn open_finding_alerts_again_after_a_restart_until_it_is_mended() {
    let advisories = tempfile::tempdir().unwrap();
    let mut server = start_healthy(advisories.path());
    note_backup(&server, now_s() - 8 * 24 * 3_600);
    assert_eq!(doctor(&server).0, 4);
    assert_eq!(alerts(&server), ["D6 age"]);
    // Open alerts are lost; the stored report is not.
    server.terminate();
    std::fs::remove_file(server.data().join("alerts.state")).unwrap();
    let server = server.crash_and_restart();
    until("the alert", || (alerts(&server) == ["D6 age"]).then_some(()));
    note_backup(&server, now_s());
    assert_eq!(doctor(&server).0, 0);
    assert_eq!(alerts(&server), Vec::<String>::new());
    let is_finding = |record: &Value| record["event"]["code"] == "audit_finding";
    let record = server.records.wait_for(is_finding);
    assert_eq!(record["event"]["outcome"], "success", "it was opened before: {record}");
}

#[test]
fn t409_weak_settings_are_found_by_their_checks() {
    let variable = |name: &str, value: &str| (String::from(name), String::from(value));
    let environment = vec![
        variable("PORTCULLIS__LISTEN__PRIVATE", "0.0.0.0:0"),
        variable("PORTCULLIS__DANGER__PRIVATE_OFF_LOOPBACK", "true"),
    ];
    let mut process = ProcessOptions::with_environment(environment);
    process.files_max = Some(1_024);
    let config = Config {
        rate: vec![String::from("observe = [\"connect_per_prefix\"]")],
        capacity: Vec::new(),
        overload: Vec::new(),
        issuer: false,
        more: String::from("[hsts]\nenabled = false\n"),
        process,
        ..Config::default()
    };
    let server = start(&config.production());
    let (code, report) = doctor(&server);
    assert_eq!(code, 4, "{report}");
    let found = keys(&report);
    for key in [
        "D1 danger.private_off_loopback",
        "D3 / hsts",
        "D3 /admin/ hsts",
        "D6 never",
        "D9 files",
        "D11 none",
        "D12 observe connect_per_prefix",
        "D13 none",
        "D14 address",
    ] {
        assert!(found.iter().any(|one| one == key), "{key}: {found:?}");
    }
    assert_eq!(result(&report, "D10"), "not_checked");
}

#[test]
fn t409_stopped_server_is_checked_as_far_as_possible() {
    let advisories = tempfile::tempdir().unwrap();
    let mut server = start_healthy(advisories.path());
    server.terminate();
    let (code, report) = doctor(&server);
    assert_eq!((code, keys(&report)), (0, vec![]), "{report}");
    assert_eq!(report["server"], false);
    for (id, expect) in [("D2", "not_checked"), ("D3", "not_checked"), ("D14", "not_checked")]
        .into_iter()
        .chain([("D4", "ok"), ("D5", "ok"), ("D7", "ok"), ("D11", "ok"), ("D13", "ok")])
    {
        assert_eq!(result(&report, id), expect, "{id}: {report}");
    }
    // D5: keys of two years ago. D8: a reserve that no disk has.
    age_keys(&server.data().join("token-signing.ring"));
    let file = server.data().parent().unwrap().join("portcullis.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}[store]\nmin_free = \"4096TiB\"\n")).unwrap();
    let (code, report) = doctor(&server);
    let found = keys(&report);
    assert_eq!(code, 3, "{report}");
    assert!(found.iter().any(|key| key == "D5 token"), "{found:?}");
    assert!(found.iter().any(|key| key.starts_with("D8 space ")), "{found:?}");
    // The next start would fail: everything else cannot be checked.
    std::fs::write(&file, format!("{text}[store]\nmin_free = 7\n")).unwrap();
    let (code, report) = doctor(&server);
    assert_eq!((code, keys(&report)), (3, vec![String::from("D1 file")]), "{report}");
    assert_eq!(result(&report, "D7"), "not_checked");
}

#[test]
fn t409_removed_or_replaced_security_log_is_found() {
    let advisories = tempfile::tempdir().unwrap();
    let mut server = start_healthy(advisories.path());
    assert_eq!(doctor(&server).0, 0, "the report has the newest note");
    server.terminate();
    let (data, aside) = (server.data(), tempfile::tempdir().unwrap());
    let files = |prefix: &str| -> Vec<PathBuf> {
        let entries = data.read_dir().unwrap().map(|entry| entry.unwrap().path());
        let of = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(prefix);
        entries.filter(of).collect()
    };
    let moved = |paths: &[PathBuf]| {
        for path in paths {
            std::fs::rename(path, aside.path().join(path.file_name().unwrap())).unwrap();
        }
    };
    let moved_back = |paths: &[PathBuf]| {
        for path in paths {
            std::fs::rename(aside.path().join(path.file_name().unwrap()), path).unwrap();
        }
    };
    for (prefix, key) in [("audit-chain.keys", "D7 keys"), ("security", "D7 removed")] {
        let paths = files(prefix);
        assert!(!paths.is_empty(), "{prefix}");
        moved(&paths);
        let (code, report) = doctor(&server);
        assert_eq!((code, keys(&report)), (3, vec![String::from(key)]), "{report}");
        moved_back(&paths);
        let (code, report) = doctor(&server);
        assert_eq!((code, keys(&report)), (0, vec![]), "{key} is mended: {report}");
    }
    // A file of logrotate that is kept for too long.
    let renamed = data.join("security.log.1");
    std::fs::write(&renamed, "{\"event\":{\"sequence\":0}}\n").unwrap();
    let old = std::time::UNIX_EPOCH + Duration::from_secs(now_s() as u64 - 91 * 24 * 3_600);
    std::fs::File::options().write(true).open(&renamed).unwrap().set_modified(old).unwrap();
    let found = keys(&doctor(&server).1);
    assert!(found.iter().any(|key| key == "D7 renamed"), "{found:?}");
    std::fs::remove_file(&renamed).unwrap();
    // Another log, with other keys.
    moved(&files("security"));
    moved(&files("audit-chain"));
    let server = server.crash_and_restart();
    let (code, report) = doctor(&server);
    let found = keys(&report);
    assert_eq!(code, 3, "{report}");
    assert!(found.iter().any(|key| key == "D7 other log"), "{found:?}");
}

#[test]
fn accepted_finding_raises_no_alert_and_no_exit_code_until_its_end() {
    let advisories = tempfile::tempdir().unwrap();
    let mut config = healthy(advisories.path());
    let until = date_time_ymd(1970, 1, 1) + Duration::from_secs(now_s() as u64 + 30 * 24 * 3_600);
    config.more.push_str(&format!(
        "[[doctor.accept]]\nkey = \"D6 age\"\nreason = \"a new backup server\"\nuntil = \"{}\"\n\
         [[doctor.accept]]\nkey = \"D9 nothing\"\nreason = \"a mistake\"\nuntil = \"{}\"\n",
        until.date(),
        until.date()
    ));
    let server = start_with(&config, advisories.path());
    note_backup(&server, now_s() - 8 * 24 * 3_600);
    let (code, report) = doctor(&server);
    assert_eq!((code, keys(&report)), (0, vec![String::from("D6 age")]), "{report}");
    assert_eq!(findings(&report)[0]["accepted"]["reason"], "a new backup server");
    assert_eq!(alerts(&server), Vec::<String>::new());
    let text = String::from_utf8(server.operate(&["doctor"], "").stdout).unwrap();
    assert!(text.starts_with("0 critical, 0 warnings, 1 accepted, "), "{text}");
    assert!(text.contains("no finding has the key \"D9 nothing\" now"), "{text}");
}

/// Replaces the certificate by one that ends in so many days.
fn replace_certificate(pair: &[PathBuf; 2], hosts: &[&str], days: u64) {
    let names = hosts.iter().chain(&["localhost", "127.0.0.1"]).map(|name| String::from(*name));
    let mut params = CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
    let end = Duration::from_secs(now_s() as u64 + days * 24 * 3_600);
    params.not_after = date_time_ymd(1970, 1, 1) + end;
    let key = KeyPair::generate().unwrap();
    std::fs::write(&pair[0], params.self_signed(&key).unwrap().pem()).unwrap();
    std::fs::write(&pair[1], key.serialize_pem()).unwrap();
}

/// Sends SIGHUP, and waits until the certificate is in use.
fn reload(server: &TestServer) {
    let count = || server.records.text().matches("\"sys_reload\"").count();
    let before = count();
    server.signal("HUP");
    until("the reload", || (count() > before).then_some(()));
}

/// Flips a bit of the first line, or flips it back.
fn flip(log: &Path) {
    let file = OpenOptions::new().read(true).write(true).open(log).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 40).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 40).unwrap();
}

/// Sets the creation of all keys of a file to two years ago.
fn age_keys(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let created = (now_s() - 2 * 365 * 24 * 3_600) * 1_000;
    let aged = |word: &str| match word.parse::<i64>() {
        Ok(number) if number > 1_000_000_000_000 => created.to_string(),
        Ok(_) | Err(_) => String::from(word),
    };
    let lines = text.lines().map(|line| line.split(' ').map(aged).collect::<Vec<_>>().join(" "));
    std::fs::write(path, lines.map(|line| line + "\n").collect::<String>()).unwrap();
}
