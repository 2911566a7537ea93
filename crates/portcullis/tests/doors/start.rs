//! Configurations the server refuses to start with: exit code 2, and what to change.
//! Never: a server that runs with less than its configuration requires.

use portcullis_test::{Config, ProcessOptions, TestServer};

/// The server does not start, and says each of the words.
fn refused(config: &Config, words: &[&str]) {
    let (code, response) = TestServer::refuse(env!("CARGO_BIN_EXE_portcullis"), config);
    assert_eq!(code, Some(2), "{response}");
    for word in words {
        assert!(response.contains(word), "{word:?} is not in: {response}");
    }
}

#[test]
fn t011_t002_origin_list_that_admits_every_site_stops_the_start() {
    let cases: [(&str, &str); 9] = [
        (r#"["http://localhost:3000"]"#, "without TLS"),
        (r#"["https://myapp.com", "http://localhost:3000"]"#, "without TLS"),
        (r#"["https://localhost"]"#, "machine of a user"),
        (r#"["*"]"#, "a pattern"),
        (r#"["https://*.myapp.com"]"#, "a pattern"),
        (r#"["null"]"#, "sandboxed"),
        (r#"["https://myapp.com/"]"#, "an origin has only a scheme"),
        (r#"["https://myapp.com:443"]"#, "default port"),
        ("[]", "no page could connect"),
    ];
    for profile in ["production", "strict"] {
        for (allowed, word) in cases {
            let origin = vec![format!("allowed = {allowed}")];
            let profile = String::from(profile);
            let more = String::from("[admin]\npage = false\n");
            refused(&Config { profile, origin, more, ..Config::plaintext() }, &[word]);
        }
    }
    let missing = Config { profile: String::from("production"), ..Config::plaintext() };
    refused(&missing, &["origin.allowed", "no page could connect"]);
}

#[test]
fn t002_t011_development_refuses_patterns_too() {
    for allowed in ["null", "*", "https://*.myapp.com", "http://myapp.com", "file://"] {
        let origin = vec![format!("allowed = [{allowed:?}]")];
        refused(&Config { origin, ..Config::default() }, &["origin.allowed", allowed]);
    }
}

#[test]
fn t273_unknown_keys_stop_the_start_and_the_near_one_is_named() {
    let line = |lines: &str| vec![String::from(lines)];
    let near = "did you mean";
    let cases = [
        (Config { more: String::from("[orgins]\n"), ..Config::default() }, "orgins"),
        (Config { origin: line("alowed = []"), ..Config::default() }, "`allowed`"),
        (Config { transport: line("ping_timeout = 1"), ..Config::default() }, "`ping_timeout_ms`"),
    ];
    for (config, word) in cases {
        refused(&config, &[near, word, "portcullis.toml:"]);
    }
    let variable = (String::from("PORTCULLIS__ORGIN__ALLOWED"), String::from("[]"));
    let config =
        Config { process: ProcessOptions::with_environment(vec![variable]), ..Config::default() };
    refused(&config, &[near, "`origin`"]);
}
