//! Whole configurations, valid and invalid.
//! Never: a network, or a file outside a temporary directory.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_guard::{
    Malicious, Markup, Rate, Replay, SpamAction, SpamOptions, SpamRule, WithoutOrigin,
};

use super::*;

pub(crate) fn read_with(text: &str, sources: &Sources) -> Result<Settings, String> {
    Settings::read_text(Path::new("portcullis.toml"), text, sources)
        .map_err(|error| error.to_string())
}

pub(crate) fn read(text: &str) -> Result<Settings, String> {
    read_with(text, &Sources::default())
}

pub(crate) fn variables(list: &[(&str, &str)]) -> Sources {
    let environment = list.iter().map(|(name, value)| (name.into(), value.into())).collect();
    Sources { environment, ..Sources::default() }
}

const PRODUCTION: &str = "profile = \"production\"\n\
     tls = { certificate_file = \"a.pem\", key_file = \"b.pem\" }\n";

/// [`PRODUCTION`] with a page.
const NAMED: &str = "profile = \"production\"\ntls = { mode = \"off\" }\n\
     origin = { allowed = [\"https://a.example\"] }\n";

#[test]
fn empty_configuration_is_development_on_loopback() {
    let mut settings = read("").unwrap();
    assert_eq!(settings.profile, Profile::Development);
    assert_eq!(settings.server.public.to_string(), "127.0.0.1:8443");
    assert_eq!(settings.server.private.unwrap().to_string(), "127.0.0.1:9443");
    assert_eq!(settings.tls, TlsSettings::Development);
    assert_eq!(settings.storage.database, Path::new("portcullis-data/portcullis.db"));
    assert_eq!(settings.gate.connections_per_user, 5);
    assert_eq!(settings.gate.message_max_bytes, 10_240);
    assert!(settings.gate.polling && settings.dangers.is_empty());
    settings.settle(settings.server.public);
    assert_eq!(settings.gate.origins, ["https://127.0.0.1:8443", "https://localhost:8443"]);
    assert_eq!(settings.gate.without_origin, WithoutOrigin::Reject);
    assert_eq!(settings.page_url(), "https://127.0.0.1:8443");
}

#[test]
fn documented_example_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let secret = directory.path().join("hs256.key");
    std::fs::write(&secret, "kR8v2WqLz5nTfYp1XcJm9BdHs4GuEa7o\n").unwrap();
    std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o600)).unwrap();
    let text = format!(
        r#"
        profile = "production"
        [listen]
        public = "0.0.0.0:8443"
        private = "127.0.0.1:9443"
        trusted_proxies = []
        [tls]
        mode = "files"
        certificate_file = "cert.pem"
        key_file = "key.pem"
        [transport]
        websocket = true
        polling = false
        ping_interval_ms = 25000
        ping_timeout_ms = 20000
        [origin]
        allowed = ["https://myapp.com"]
        without_origin = "token"
        [[token.issuer]]
        issuer = "https://id.example"
        audience = "portcullis"
        algorithm = "HS256"
        secret_file = {secret:?}
        [capacity]
        connections_total = 10000
        connections_per_user = 5
        [rate]
        connect_per_prefix = "10/60s"
        message_per_user = "100/60s"
        event_per_user = {{ "chat:send" = "10/60s" }}
        [message]
        size_max_bytes = 10240
        [store]
        url = "sqlite:portcullis-data/portcullis.db"
        [danger]
        "#
    );
    let mut settings = read(&text).unwrap();
    settings.settle(settings.server.public);
    assert_eq!(settings.gate.issuers.len(), 1);
    assert_eq!(settings.gate.event_per_user, [("chat:send".to_owned(), Rate::per(10, 60_000))]);
    assert_eq!(settings.gate.without_origin, WithoutOrigin::Token);
    assert_eq!(settings.gate.hosts, ["myapp.com", "myapp.com:8443"]);
    assert_eq!(settings.page_url(), "https://myapp.com");
    let summary = crate::config::summary(&settings, &[]);
    assert!(!summary.contains("kR8v2W"), "{summary}");
    // The summary is a configuration file with the same effect.
    assert_eq!(crate::config::summary(&read(&summary).unwrap(), &[]), summary);
}

#[test]
fn markup_and_spam_settings_are_read_and_summarised() {
    let usual = read("").unwrap().gate;
    assert_eq!((usual.markup, usual.malicious), (Markup::Escape, Malicious::Record));
    assert_eq!(usual.spam, SpamOptions::default());
    let strict = NAMED.replace("production", "strict") + "admin = { page = false }\n";
    let strict = read(&strict).unwrap().gate;
    assert_eq!(strict.malicious, Malicious::Refuse);
    let text = "[message]\nmarkup = \"strip\"\nmalicious = \"refuse\"\n[spam]\n\
        one_link = \"off\"\nphrase = \"record\"\nphrases_add = [\"kaufe jetzt\"]\n\
        phrases_remove = [\"buy now\"]\n";
    let settings = read(text).unwrap();
    let gate = &settings.gate;
    assert_eq!((gate.markup, gate.malicious), (Markup::Strip, Malicious::Refuse));
    assert_eq!(gate.spam.action(SpamRule::OneLink), SpamAction::Off);
    assert_eq!(gate.spam.action(SpamRule::Phrase), SpamAction::Record);
    assert_eq!(gate.spam.action(SpamRule::LinkInLink), SpamAction::Refuse);
    let has = |phrase: &str| gate.spam.phrases.iter().any(|known| known == phrase);
    assert!(has("kaufe jetzt") && has("click here") && !has("buy now"));
    let summary = crate::config::summary(&settings, &[]);
    assert_eq!(crate::config::summary(&read(&summary).unwrap(), &[]), summary);
    let variable = ("PORTCULLIS__SPAM__PHRASE", "refuse");
    let settings = read_with("", &variables(&[variable])).unwrap();
    assert_eq!(settings.gate.spam.action(SpamRule::Phrase), SpamAction::Refuse);
}

#[test]
fn configuration_error_has_the_value_the_reason_and_the_remedy() {
    let local = format!("{PRODUCTION}origin = {{ allowed = [\"http://localhost:3000\"] }}\n");
    let any = format!("{PRODUCTION}origin = {{ allowed = [\"*\"] }}\n");
    let off = "profile = \"production\"\ntls = { mode = \"off\" }\n\
               listen = { public = \"0.0.0.0:1\" }\norigin = { allowed = [\"https://a.example\"] }";
    let issuer = |more: &str| format!("[[token.issuer]]\nissuer = \"i\"\naudience = \"a\"\n{more}");
    let cases: &[(&str, &str)] = &[
        ("[orgins]\n", "portcullis.toml:1:2: unknown field `orgins`"),
        ("\n[origin]\n alowed = []\n", "portcullis.toml:3:2"),
        ("[origin]\nalowed = []\n", "did you mean `allowed`?"),
        ("[listen\n", "portcullis.toml:1:8"),
        ("profile = \"prod\"\n", "no such choice"),
        ("[listen]\npublic = \"localhost:1\"\n", "not an address with a port"),
        ("[listen]\npublic = \"0.0.0.0:1\"\n", "this machine only"),
        ("[listen]\nprivate = \"0.0.0.0:1\"\n", "this machine only"),
        ("[listen]\nshards = 0\n", "outside 1 to 1024"),
        ("[listen]\nredirect = \"80\"\n", "not an address with a port"),
        ("[listen]\nredirect = \"0.0.0.0:80\"\n", "this machine only"),
        (
            "[listen]\nredirect = \"127.0.0.1:80\"\n[tls]\nmode = \"off\"\n",
            "nothing to redirect to",
        ),
        ("[tls]\nclient_ca_file = \"a.pem\"\n", "one is set"),
        ("[listen]\nhosts = [\"*.myapp.test\"]\n", "host \"*.myapp.test\""),
        (
            &format!("{NAMED}[listen]\ntrusted_proxies = [\"10.0.0.1/8\"]\n"),
            "neither an address nor a network",
        ),
        ("[listen]\ntrusted_proxies = [\"::1\"]\n", "this machine only"),
        ("[listen]\nprobe = \"0.0.0.0:1\"\n", "this machine only"),
        ("[listen]\nhosts = [\"chat.example\"]\n", "this machine only"),
        ("[origin]\nallowed = [\"https://chat.example\"]\n", "this machine only"),
        ("[origin]\nallowed = [\"https://192.168.1.5:3000\"]\n", "this machine only"),
        ("[listen]\nprivate = \"127.0.0.1:8443\"\n", "listen.public already listens there"),
        ("[listen]\nprobe = \"127.0.0.1:9443\"\n", "listen.private already listens there"),
        ("[listen]\nprivate_hosts = [\"a/b\"]\n", "not a host name"),
        ("[hsts]\nenabled = true\n", "hsts.enabled is true"),
        ("[listen]\nproxy_protocol = true\n", "no proxy is trusted"),
        ("[listen]\nproxy_header = \"forwarded\"\n", "no proxy is trusted"),
        (
            "[listen]\ntrusted_proxies = [\"::1\"]\nproxy_header = \"X-Real-IP\"\n",
            "not a header of proxies",
        ),
        (off, "without TLS"),
        ("profile = \"production\"\n", "tls.certificate_file is missing"),
        (PRODUCTION, "no page could connect"),
        (&local, "without TLS"),
        (&any, "a pattern"),
        ("[origin]\nallowed = [\"https://a.test:443\"]\n", "default port"),
        ("[origin]\nwithout_origin = \"allow\"\n", "no such choice"),
        ("[tls]\nmode = \"acme\"\n", "production profile"),
        ("[tls]\nmode = \"none\"\n", "no such choice"),
        ("[tls]\ncertificate_file = \"a.pem\"\n", "one is set"),
        ("profile = \"strict\"\n[tls]\nmode = \"development\"\n", "no other machine trusts"),
        ("[transport]\nwebsocket = false\n", "not available"),
        ("[transport]\nping_interval_ms = 0\n", "outside 10 to 3600000"),
        ("[rate]\nmessage_per_user = \"many\"\n", "not a rate"),
        ("[message]\nsize_max_bytes = 0\n", "outside 256 to 65536"),
        ("[message]\nmarkup = \"none\"\n", "no such choice"),
        ("[message]\nmalicious = \"drop\"\n", "no such choice"),
        ("[spam]\none_link = \"deny\"\n", "spam.one_link is \"deny\""),
        ("[spam]\nphrases_add = [\"...\"]\n", "needs 4 letters"),
        ("[spam]\nphrases_remove = [\"hello\"]\n", "has no such phrase"),
        ("[store]\nurl = \"postgres://user:hunter2@host/db\"\n", "not available"),
        ("[capacity]\nconnections_total = -1\n", "portcullis.toml:2:21"),
        ("[capacity]\nconnections_total = 0\n", "connections_total is 0"),
        ("[accounts]\nenabled = false\n", "not available"),
        ("[accounts]\nregistration = \"none\"\n", "no such choice"),
        ("[danger]\nany_origin = true\n", "unknown field `any_origin`"),
        (&issuer("algorithm = \"RS256\""), "jwks_url is missing"),
        (&issuer("algorithm = \"RS256\"\nsecret_file = \"/none\""), "for HS256 only"),
        (&issuer("algorithm = \"ES256\"\njwks_file = \"/none\""), "cannot be read"),
        (&issuer("algorithm = \"EdDSA\"\njwks_url = \"http://a.example\""), "jwks_url is set"),
        (&issuer("algorithm = \"ES256\"\njwks_url = \"https://10.0.0.1/k\""), "jwks_url is set"),
        (
            &issuer("algorithm = \"RS256\"\njwks_file = \"a\"\njwks_url = \"https://a.example\""),
            "set one of them",
        ),
        (&issuer("algorithm = \"none\""), "no such choice"),
        (&issuer("algorithm = \"HS256\""), "secret_file is missing"),
        (&issuer("algorithm = \"HS256\"\nsecret = \"hunter2\""), "copied, shown and committed"),
        (&issuer("algorithm = \"HS256\"\nsecret_file = \"/none\""), "cannot be read"),
        (&issuer("algorithm = \"HS256\"\njwks_url = \"https://a\""), "no public keys"),
    ];
    for (text, expect) in cases {
        let error = read(text).err().unwrap_or_default();
        assert!(error.contains(expect), "{text:?} gave {error:?}");
        assert!(!error.contains("hunter2") && !error.contains('\n'), "{error}");
    }
}

#[test]
fn t035_weak_secret_stops_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("hs256.key");
    let text = format!(
        "[[token.issuer]]\nissuer = \"i\"\naudience = \"a\"\nalgorithm = \"HS256\"\n\
         secret_file = {path:?}\n"
    );
    let cases: [(&[u8], bool); 6] = [
        (b"secret", false),
        (b"changeme", false),
        (b"0123456789abcdef", false),
        (&[0; 64], false),
        (b"your-256-bit-secret-your-256-bit-secret", false),
        (b"kR8v2WqLz5nTfYp1XcJm9BdHs4GuEa7o\r\n", true),
    ];
    for (secret, expect) in cases {
        std::fs::write(&path, secret).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let read = read(&text);
        assert_eq!(read.is_ok(), expect, "{}", String::from_utf8_lossy(secret));
        let error = read.err().unwrap_or_default();
        assert!(expect || error.contains("secret of token issuer"), "{error}");
    }
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(read(&text).err().unwrap_or_default().contains("chmod 600"));
}

#[test]
fn t270_dangers_are_reported_and_rejected_in_strict() {
    let open = "listen = { public = \"0.0.0.0:1\", private = \"10.0.0.1:2\" }\n\
                origin = { allowed = [\"https://a.example\"] }\ntls = { mode = \"off\" }\n\
                danger = { plaintext_off_loopback = true, private_off_loopback = true }\n";
    let settings = read(&format!("profile = \"production\"\n{open}")).unwrap();
    let keys: Vec<_> = settings.dangers.iter().map(|danger| danger.key).collect();
    assert_eq!(keys, ["plaintext_off_loopback", "private_off_loopback"]);
    assert!(crate::config::summary(&settings, &[]).contains("# danger: plaintext_off_loopback"));
    for (profile, expect) in [("strict", "accepts no key"), ("development", "this machine only")] {
        let error = read(&format!("profile = \"{profile}\"\n{open}")).err().unwrap_or_default();
        assert!(error.contains(expect), "{error}");
    }
}

#[test]
fn secret_in_the_environment_is_accepted_except_in_strict() {
    let secret = "kR8v2WqLz5nTfYp1XcJm9BdHs4GuEa7o";
    let issuer = |profile: &'static str| {
        variables(&[
            ("PORTCULLIS__PROFILE", profile),
            ("PORTCULLIS__TLS", "{ mode = \"off\" }"),
            ("PORTCULLIS__ORIGIN__ALLOWED", "[\"https://a.example\"]"),
            ("PORTCULLIS__TOKEN__ISSUER__0__ISSUER", "https://id.example"),
            ("PORTCULLIS__TOKEN__ISSUER__0__AUDIENCE", "portcullis"),
            ("PORTCULLIS__TOKEN__ISSUER__0__ALGORITHM", "HS256"),
            ("PORTCULLIS__TOKEN__ISSUER__0__SECRET", secret),
        ])
    };
    let settings = read_with("", &issuer("production")).unwrap();
    assert_eq!(settings.gate.issuers.len(), 1);
    assert!(crate::config::summary(&settings, &[]).contains("set in the environment"));
    assert!(!crate::config::summary(&settings, &[]).contains(secret));
    let error = read_with("", &issuer("strict")).err().unwrap_or_default();
    assert!(error.contains("crash dumps") && !error.contains(secret), "{error}");
}

#[test]
fn command_line_overrides_environment_which_overrides_file() {
    let text = "profile = \"development\"\n[listen]\npublic = \"127.0.0.1:1\"\nshards = 1\n";
    let mut sources = variables(&[
        ("PORTCULLIS__LISTEN__PUBLIC", "127.0.0.1:2"),
        ("PORTCULLIS__LISTEN__SHARDS", "2"),
    ]);
    let settings = read_with(text, &sources).unwrap();
    assert_eq!((settings.server.public.port(), settings.server.shards), (2, 2));
    sources.listen = "127.0.0.1:3".parse().ok();
    sources.profile = Some(Profile::Strict);
    sources.data = Some("elsewhere".into());
    let error = read_with(text, &sources).err().unwrap_or_default();
    assert!(error.contains("tls.certificate_file"), "{error}");
    sources.profile = None;
    let settings = read_with(text, &sources).unwrap();
    assert_eq!(settings.server.public.port(), 3);
    assert_eq!(settings.audit.file, Path::new("elsewhere/security.log"));
}

#[test]
fn port_zero_is_accepted_and_a_missing_file_is_named() {
    let text = "[listen]\npublic = \"127.0.0.1:0\"\nprivate = \"127.0.0.1:0\"\n";
    assert!(read(text).is_ok());
    let sources = Sources { config: Some("/none/portcullis.toml".into()), ..Sources::default() };
    let error = Settings::read(&sources).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(error.contains("/none/portcullis.toml") && error.contains("--config"), "{error}");
}

/// The keys of a section, from the error for an unknown key.
pub(crate) fn keys(section: &str) -> Vec<String> {
    let unknown = format!("{section}unknown_key = 1\n");
    let error = read(&unknown).err().unwrap_or_default();
    let names = error.split('`').skip(1).step_by(2).skip(1);
    names.map(String::from).collect()
}

#[test]
fn every_key_is_documented() {
    let reference = include_str!("../../../../docs/configuration.md");
    let sections = keys("");
    assert!(sections.len() > 10, "{sections:?}");
    let listed = ["profile", "token", "role"];
    for name in sections.iter().filter(|name| !listed.contains(&name.as_str())) {
        let heading = format!("## `[{name}]`");
        let section = reference.split_once(&heading).map(|(_, rest)| rest).unwrap_or_default();
        let section = section.split("\n## ").next().unwrap_or_default();
        for key in keys(&format!("[{name}]\n")) {
            assert!(section.contains(&format!("`{key}`")), "[{name}] {key} is not documented");
        }
    }
    for key in keys("[[token.issuer]]\n").into_iter().chain(keys("[[role]]\n")) {
        assert!(reference.contains(&format!("`{key}`")), "{key} is not documented");
    }
    for replay in Replay::ALL {
        assert!(reference.contains(&format!("`\"{}\"`", replay.name())), "{replay:?}");
    }
}
