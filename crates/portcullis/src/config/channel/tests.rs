//! Sections that are accepted, and sections that are rejected.
//! Never: a secret in a text.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

const URL: &str = "https://hooks.example/services/hush";
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn read(directory: &Path, more: &str) -> Result<ChannelSettings, String> {
    let toml = format!(
        "name = \"page\"\nkind = \"webhook\"\nurl_file = {:?}\n{more}",
        directory.join("url")
    );
    let section: ChannelSection = toml::from_str(&toml).map_err(|error| error.to_string())?;
    let mut channels = read_channels(vec![section]).map_err(|error| error.to_string())?;
    Ok(channels.remove(0))
}

fn private(directory: &Path, name: &str, text: &str) {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn channel_is_read_and_its_secrets_are_not_printed() {
    let directory = tempfile::tempdir().unwrap();
    private(directory.path(), "url", &format!("{URL}\n"));
    private(directory.path(), "secret", &format!("{SECRET}\n"));
    let secret = format!("secret_file = {:?}", directory.path().join("secret"));
    let channel = read(directory.path(), &secret).unwrap();
    assert_eq!(channel.receiver.severities().len(), 3);
    let shown = channel.table().to_string();
    assert!(!shown.contains("hush") && !shown.contains("whsec"), "{shown}");
    assert!(shown.contains("secret_file"), "{shown}");
}

#[test]
fn quiet_hours_are_read_and_shown() {
    let directory = tempfile::tempdir().unwrap();
    private(directory.path(), "url", URL);
    let shown = |more: &str| read(directory.path(), more).unwrap().table();
    assert!(!shown("").contains_key("quiet"));
    let table = shown("quiet = \"22:00-07:00 Europe/Berlin\"");
    assert_eq!(table["quiet"].as_str(), Some("22:00-07:00 Europe/Berlin"));
    assert_eq!(table["quiet_below"].as_str(), Some("critical"));
    let table = shown("quiet = \"22:00-07:00 UTC\"\nquiet_below = \"high\"");
    assert_eq!(table["quiet_below"].as_str(), Some("high"));
}

#[test]
fn monitor_has_its_own_keys_only() {
    let directory = tempfile::tempdir().unwrap();
    private(directory.path(), "url", &format!("{URL}\n{URL}\n"));
    let url = directory.path().join("url");
    let read = |kind: &str, more: &str| {
        let toml = format!("name = \"m\"\nkind = {kind:?}\nurl_file = {url:?}\n{more}");
        let section: ChannelSection = toml::from_str(&toml).unwrap();
        read_channels(vec![section]).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(read("alertmanager", "severities = [\"high\"]"), Ok(()));
    for (kind, more, expect) in [
        ("alertmanager", "shape = \"slack\"", "alert.channel.shape is set"),
        ("heartbeat", "severities = [\"high\"]", "alert.channel.severities is set"),
        ("heartbeat", "quiet = \"22:00-07:00 UTC\"", "alert.channel.quiet is set"),
        ("heartbeat", "", "alert.channel.url_file is "),
        ("webhook", "", "alert.channel.url_file is "),
        ("command", "", "alert.channel.url_file is set"),
        ("pigeon", "", "alert.channel.kind is \"pigeon\""),
    ] {
        let error = read(kind, more).unwrap_err();
        assert!(error.starts_with(expect), "{kind}: {error}");
    }
}

#[test]
fn invalid_channel_is_rejected_with_its_key() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    private(at, "url", URL);
    private(at, "bad", "hush");
    for (more, expect) in [
        ("shape = \"round\"", "alert.channel.shape is \"round\""),
        ("severities = []", "alert.channel.severities is []"),
        ("severities = [\"loud\"]", "alert.channel.severities is \"loud\""),
        ("unknown = 1", "TOML parse error"),
        ("shape = \"pagerduty\"", "alert.channel.secret_file is unset: PagerDuty needs"),
        ("fallback = \"mail\"", "alert.channel.fallback is \"mail\""),
        ("fallback = \"page\"", "alert.channel.fallback is \"page\""),
        ("quiet = \"at night\"", "alert.channel.quiet is \"at night\""),
        ("quiet = \"22:00-22:00 UTC\"", "alert.channel.quiet is \"22:00-22:00 UTC\": its start"),
        ("quiet = \"22:00-07:00 Mars\"", "alert.channel.quiet is \"22:00-07:00 Mars\": \"Mars\""),
        ("quiet_below = \"high\"", "alert.channel.quiet is unset"),
        ("quiet_below = \"info\"", "alert.channel.quiet_below is \"info\""),
    ] {
        let error = read(at, more).err().unwrap();
        assert!(error.starts_with(expect), "{more}: {error}");
    }
    let error = read(at, &format!("secret_file = {:?}", at.join("bad"))).err().unwrap();
    assert!(error.contains("line 1 is not whsec_") && !error.contains("hush"), "{error}");
    for (url, private_address, expect) in [
        ("http://hooks.example/hush", false, "http:// to hooks.example is not safe"),
        ("http://127.0.0.1/hush", false, "http:// to 127.0.0.1 is not safe"),
        ("https://10.0.0.1/hush", false, "private, not public"),
        ("https://169.254.169.254/hush", true, "link-local, not public"),
        ("hush", false, "the URL cannot be read"),
    ] {
        private(at, "url", url);
        let more = format!("private_address = {private_address}");
        let error = read(at, &more).err().unwrap();
        assert!(error.starts_with("alert.channel.url_file is "), "{error}");
        assert!(error.contains(expect) && !error.contains("hush"), "{error}");
    }
    for url in ["http://127.0.0.1:9/x", "https://10.0.0.1/x"] {
        private(at, "url", url);
        assert!(read(at, "private_address = true").is_ok(), "{url}");
    }
    std::fs::set_permissions(at.join("url"), Permissions::from_mode(0o644)).unwrap();
    assert!(read(at, "").err().unwrap().contains("chmod 600"));
}

#[test]
fn program_that_others_can_change_is_rejected() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    let read = |program: &Path, mode: u32| {
        if program.starts_with(directory.path()) {
            std::fs::set_permissions(program, Permissions::from_mode(mode)).unwrap();
        }
        let toml = format!("name = \"x\"\nkind = \"command\"\ncommand = [{program:?}, \"$(x)\"]");
        let section: ChannelSection = toml::from_str(&toml).unwrap();
        read_channels(vec![section]).map(|_| ()).map_err(|error| error.to_string())
    };
    assert_eq!(read(&program, 0o755), Ok(()));
    for (program, mode, expect) in [
        (program.as_path(), 0o757, "chmod go-w"),
        (&program, 0o775, "chmod go-w"),
        (directory.path(), 0o700, "not the absolute path of a program"),
        (Path::new("bin/sh"), 0, "not the absolute path of a program"),
    ] {
        let error = read(program, mode).unwrap_err();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn t400_mail_needs_tls_and_addresses() {
    let directory = tempfile::tempdir().unwrap();
    private(directory.path(), "login", "portcullis\nhush\n");
    private(directory.path(), "bad", "hush\n");
    private(directory.path(), "nul", "portcullis\nhush\0admin\n");
    let login = |name: &str| format!("login_file = {:?}", directory.path().join(name));
    let read = |server: &str, from: &str, to: &str, more: &str| {
        let toml = format!(
            "name = \"m\"\nkind = \"mail\"\nserver = {server:?}\nfrom = {from:?}\nto = {to}\n{more}"
        );
        let section: ChannelSection = toml::from_str(&toml).unwrap();
        read_channels(vec![section]).map_err(|error| error.to_string())
    };
    let (server, from, to) =
        ("starttls://mail.example:587", "a@mail.example", "[\"b@mail.example\"]");
    let channels = read(server, from, to, &login("login")).unwrap();
    let shown = channels[0].table().to_string();
    assert!(shown.contains("starttls://mail.example:587") && !shown.contains("hush"), "{shown}");
    for (server, from, to, more, expect) in [
        ("smtp://mail.example:25", from, to, "", "alert.channel.server is \"smtp:"),
        ("tls://mail.example", from, to, "", "alert.channel.server is \"tls:"),
        ("tls://10.0.0.1:465", from, to, "", "private, not public"),
        ("tls://169.254.1.1:465", from, to, "private_address = true", "link-local, not public"),
        (server, "a@mail.example\r\nBcc: b@c.d", to, "", "is not a mail address"),
        (server, from, "[]", "", "0 receivers instead of 1 to 16"),
        (server, from, "[\"ü@mail.example\"]", "", "is not a mail address"),
        (server, from, to, "url_file = \"x\"", "alert.channel.url_file is set"),
        (server, from, to, &login("bad"), "it does not have two lines"),
        (server, from, to, &login("nul"), "it has control characters"),
    ] {
        let error = read(server, from, to, more).unwrap_err();
        assert!(error.contains(expect) && !error.contains("hush"), "{error}");
    }
}
