//! Defaults, permitted words, ranges and examples of the definitions, against the server.
//! Never: a default that only the definition has.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::defaults::toml;
use super::example::{example, value};
use super::key::{DefaultOf, Key, KeyPlace, SectionKind};
use super::tests::{all_keys, all_sections};
use crate::command::actions;
use crate::config::profile::Profile;
use crate::config::summary::table;
use crate::config::tests::read;
use crate::config::{Settings, Sources};

const PRODUCTION: &str = "profile = \"production\"\n[tls]\nmode = \"off\"\n[origin]\n\
                          allowed = [\"https://chat.example\"]\n";
/// The keys of tables with required keys.
const ISSUER: &str = "[[token.issuer]]\nissuer = \"https://id.example\"\n\
                      audience = \"portcullis\"\nalgorithm = \"RS256\"\n\
                      jwks_url = \"https://id.example/jwks.json\"\n";

/// Files with the names of the examples, in place of `/etc/portcullis`.
fn files() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let authority = rcgen::generate_simple_self_signed([String::from("ca.example")]).unwrap();
    let pem = authority.cert.pem();
    for (name, content) in [
        ("hs256.key", "kR8v2WqLz5nTfYp1XcJm9BdHs4GuEa7o\n"),
        ("webhook.url", "https://hooks.example/a\n"),
        ("webhook.secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"),
        ("mail.login", "user\npassword\n"),
        ("issuer-ca.pem", &pem),
        ("syslog-ca.pem", &pem),
        ("receiver-ca.pem", &pem),
        ("jwks.json", "{\"keys\":[]}"),
        ("on-alert", "#!/bin/sh\n"),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    folder
}

/// Reads a configuration whose files are in a folder.
fn read_in(folder: &Path, text: &str) -> Result<Settings, String> {
    let folder = folder.display().to_string();
    let text = text.replace("/etc/portcullis", &folder).replace("/usr/local/bin", &folder);
    read(&text)
}

/// What a key needs beside itself, as a configuration.
fn needed(path: &str) -> String {
    let channel = |kind: &str, more: &str| {
        format!("[[alert.channel]]\nname = \"operations\"\nkind = \"{kind}\"\n{more}")
    };
    let url = "url_file = \"/etc/portcullis/webhook.url\"\n";
    let mail = "server = \"tls://mail.example:465\"\nfrom = \"a@chat.example\"\n\
                to = [\"b@chat.example\"]\n";
    match path {
        "listen.proxy_header" | "listen.proxy_protocol" => {
            String::from("[listen]\ntrusted_proxies = [\"10.0.0.0/8\"]\n")
        }
        "tls.certificate_file" | "tls.key_file" | "tls.client_ca_file" => {
            String::from("[tls]\nmode = \"files\"\ncertificate_file = \"a\"\nkey_file = \"b\"\n")
        }
        _ if path.starts_with("tls.acme_") => {
            String::from("[tls]\nmode = \"acme\"\nacme_terms_agreed = true\n")
        }
        "tls.mode" => String::from("[tls]\ncertificate_file = \"a\"\nkey_file = \"b\"\n"),
        "listen.redirect" => {
            String::from("[tls]\nmode = \"files\"\ncertificate_file = \"a\"\nkey_file = \"b\"\n")
        }
        "audit.access_total_mib" => String::from("[audit]\naccess_file = \"access.log\"\n"),
        "audit.syslog_ca" => String::from("[audit]\nsyslog = \"tls://siem.example:6514\"\n"),
        "token.issuer.secret_file" => ISSUER.replace("RS256", "HS256").replace("jwks_url", "#"),
        "token.issuer.jwks_file" => ISSUER.replace("jwks_url", "#"),
        "token.issuer.amr_claim" => format!("{ISSUER}privileged_amr = [\"mfa\"]\n"),
        "token.issuer.acr_claim" => format!("{ISSUER}privileged_acr = [\"urn:a:mfa\"]\n"),
        "alert.digest" => channel("mail", mail),
        "alert.channel.quiet_below" => {
            channel("webhook", &format!("{url}quiet = \"22:00-07:00 Europe/Berlin\"\n"))
        }
        "alert.channel.fallback" => {
            let other = channel("webhook", url).replace("operations", "mail");
            other + &channel("webhook", url)
        }
        "alert.channel.command" => channel("command", ""),
        "alert.channel.server"
        | "alert.channel.login_file"
        | "alert.channel.from"
        | "alert.channel.to" => channel("mail", mail),
        _ if path.starts_with("alert.channel.") => channel("webhook", url),
        _ if path.starts_with("token.issuer.") => String::from(ISSUER),
        "role.name" | "role.actions" => String::from("[[role]]\nname = \"support\"\n"),
        _ if path.starts_with("alert.custom.") => String::from(
            "[[alert.custom]]\nname = \"C1\"\ncode = [\"authz_fail\"]\nkey = \"user\"\n\
             count = 30\nwindow_s = 3600\nseverity = \"medium\"\n",
        ),
        _ => String::new(),
    }
}

/// A configuration for a profile, with what a key needs.
fn base(profile: &str, path: &str) -> toml::Table {
    let mut file: toml::Table = needed(path).parse().unwrap();
    let profile: toml::Table = profile.parse().unwrap();
    for (name, section) in profile {
        // What the key needs replaces what the profile needs.
        file.entry(name).or_insert(section);
    }
    file
}

/// A configuration with one key, and what it needs.
fn with(profile: &str, key: &Key, value: &Value) -> String {
    set(base(profile, &key.path), key, value)
}

fn set(mut file: toml::Table, key: &Key, value: &Value) -> String {
    let mut path: Vec<_> = key.path.split('.').collect();
    let name = path.pop().unwrap();
    if path == ["alert", "rule"] {
        path.push("A2");
    }
    let mut at = &mut file;
    for part in path {
        let inner = at.entry(part).or_insert(toml::Value::Table(toml::Table::new()));
        at = match inner {
            toml::Value::Array(items) => items.last_mut().unwrap().as_table_mut().unwrap(),
            inner => inner.as_table_mut().unwrap(),
        };
    }
    at.insert(String::from(name), toml::Value::try_from(value).unwrap());
    toml::to_string(&file).unwrap()
}

/// The result in the first profile that accepts it.
fn accepted(folder: &Path, key: &Key, value: &Value) -> Result<Settings, String> {
    let production = read_in(folder, &with(PRODUCTION, key, value));
    production.or_else(|error| {
        let development = read_in(folder, &with("", key, value));
        development.map_err(|other| format!("{error}, {other}"))
    })
}

#[test]
fn default_and_example_of_each_key_are_accepted() {
    let folder = files();
    for key in all_keys().iter().filter(|key| key.place == KeyPlace::File) {
        for value in [Some(value(key)), key.example.clone()].into_iter().flatten() {
            // A key set must have a key, which a test would have to create.
            if key.path == "token.issuer.jwks_file" {
                continue;
            }
            let outcome = accepted(folder.path(), key, &value);
            assert!(outcome.is_ok(), "{} = {}: {:?}", key.path, toml(&value), outcome.err());
        }
    }
}

#[test]
fn whole_example_without_its_comment_signs_is_accepted() {
    let folder = files();
    let commented = example().unwrap();
    assert!(read(&commented).is_ok(), "{:?}", read(&commented).err());
    // Each excludes another key, needs a key of another kind of channel, or depends on the disk.
    let alternatives = [
        "secret_file = \"/etc/portcullis/hs256.key\"",
        "jwks_file = ",
        "server = \"tls://mail",
        "login_file",
        "from = \"portcullis",
        "to = ",
        "command = ",
        "fallback",
        "digest",
        "proxy_header",
        "acme_",
        "amr_claim",
        "acr_claim",
        "count = 20",
        "window_s = 60",
        "severity = \"high\"",
    ];
    let mut whole = String::new();
    for line in commented.lines() {
        let set = line.strip_prefix('#').filter(|set| !set.starts_with(' ') && !set.is_empty());
        let left_out = |set: &str| alternatives.iter().any(|start| set.starts_with(start));
        whole.push_str(set.filter(|set| !left_out(set)).unwrap_or(line));
        whole.push('\n');
    }
    let whole = whole.replace("profile = \"development\"", "profile = \"production\"");
    let outcome = read_in(folder.path(), &whole);
    assert!(outcome.is_ok(), "{:?}", outcome.err());
}

#[test]
fn defaults_are_those_that_check_prints() {
    let folder = files();
    let mut compared = 0;
    for key in all_keys().iter().filter(|key| key.place == KeyPlace::File) {
        let DefaultOf::Value(default) = &key.default else { continue };
        for (profile, text) in [(Profile::Production, PRODUCTION), (Profile::Development, "")] {
            let default = default.get(profile).unwrap();
            // The key is left out, and what it needs is set.
            let mut file = base(text, &key.path);
            remove(&mut file, &key.path);
            let Ok(settings) = read_in(folder.path(), &toml::to_string(&file).unwrap()) else {
                continue;
            };
            let table = table(&settings, &[]);
            let Some(seen) = find(&table, &key.path) else { continue };
            assert_eq!(toml(&serde_json::to_value(seen).unwrap()), toml(default), "{}", key.path);
            compared += 1;
        }
    }
    assert!(compared > 200, "{compared}");
}

/// Removes a key; in a list of tables, of the last one.
fn remove(table: &mut toml::Table, path: &str) {
    match path.split_once('.') {
        None => {
            table.remove(path);
        }
        Some((first, rest)) => match table.get_mut(first) {
            Some(toml::Value::Table(inner)) => remove(inner, rest),
            Some(toml::Value::Array(items)) => {
                remove(items.last_mut().unwrap().as_table_mut().unwrap(), rest);
            }
            _ => {}
        },
    }
}

fn find<'a>(table: &'a toml::Table, path: &str) -> Option<&'a toml::Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((first, rest)) => match table.get(first)? {
            toml::Value::Table(inner) => find(inner, rest),
            toml::Value::Array(items) => find(items.last()?.as_table()?, rest),
            _ => None,
        },
    }
}

#[test]
fn defaults_in_words_are_those_of_the_server() {
    let value = |text: &str, path: &str| {
        let settings = read(text).unwrap();
        let table = table(&settings, &[]);
        find(&table, path).map(ToString::to_string).unwrap_or_default()
    };
    let total = "[capacity]\nconnections_total = 5000\n";
    assert_eq!(value(total, "capacity.pre_auth_total"), "1000");
    assert_eq!(value(total, "capacity.admin_reserve"), "50");
    assert_eq!(value("", "tls.mode"), "\"development\"");
    let missing = read("profile = \"production\"\n").err().unwrap();
    assert!(missing.starts_with("tls.certificate_file is missing"), "{missing}");
    assert_eq!(value("", "store.url"), "\"sqlite:portcullis-data/portcullis.db\"");
    assert_eq!(value("", "audit.file"), "\"portcullis-data/security.log\"");
    assert_eq!(value("", "store.min_free"), "\"256MiB\"");
    let cores = std::thread::available_parallelism().unwrap().to_string();
    assert_eq!(value("", "listen.shards"), cores);
}

#[test]
fn permitted_words_are_those_that_the_server_accepts() {
    let folder = files();
    let mut words = 0;
    for key in all_keys().iter().filter(|key| !key.words.is_empty()) {
        let wrap = |word: &str| match (key.kind.as_str(), key.path.as_str()) {
            ("list of texts", _) => serde_json::json!([word]),
            (_, "replay") => serde_json::json!({ "chat:send": word }),
            _ => Value::from(word),
        };
        for word in &key.words {
            let error = accepted(folder.path(), key, &wrap(word)).err().unwrap_or_default();
            assert!(!error.contains("no such"), "{} = {word:?}: {error}", key.path);
            words += 1;
        }
        // The modes of TLS are known without files, which only one of them has.
        let path = if key.path == "tls.mode" { "" } else { &key.path };
        let nonsense = set(base("", path), key, &wrap("nonsense"));
        let error = read_in(folder.path(), &nonsense).err().unwrap_or_default();
        // Words that the error does not recommend: they are for one profile, or for tests.
        let silent = ["none", "development"];
        for word in key.words.iter().filter(|word| !silent.contains(&word.as_str())) {
            assert!(error.contains(&format!("\"{word}\"")), "{} {word}: {error}", key.path);
        }
    }
    assert!(words > 60, "{words}");
}

#[test]
fn values_outside_the_range_are_rejected_and_its_ends_are_accepted() {
    let folder = files();
    let mut ranges = 0;
    for key in all_keys() {
        let Some((least, most)) = key.range else { continue };
        let outside = [least.checked_sub(1), Some(most + 1)].into_iter().flatten();
        for value in outside {
            let error = accepted(folder.path(), &key, &Value::from(value)).err();
            assert!(error.is_some(), "{} = {value}", key.path);
        }
        for value in [least, most] {
            let outcome = accepted(folder.path(), &key, &Value::from(value));
            assert!(outcome.is_ok(), "{} = {value}: {:?}", key.path, outcome.err());
        }
        ranges += 1;
    }
    assert!(ranges > 30, "{ranges}");
}

#[test]
fn events_in_examples_are_declared() {
    let settings = Settings::read_text(Path::new("a.toml"), "", &Sources::default()).unwrap();
    let declared = actions(&settings).unwrap();
    for section in all_sections().iter().filter(|one| one.kind == SectionKind::Events) {
        for key in &section.keys {
            let example = key.example.clone().unwrap();
            for event in example.as_object().unwrap().keys() {
                assert!(declared.iter().any(|action| action.event == event), "{event}");
            }
        }
    }
}
