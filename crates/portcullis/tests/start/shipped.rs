//! Every configuration of the documentation and the examples passes `check`.
//! Never: an example of a deployment in the development profile.

use std::path::{Path, PathBuf};

use crate::agreement::{write_certificate, write_private};
use crate::{command, text};

/// A configuration that is shown to people, and where.
struct ShippedFile {
    place: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Files below a folder, as far as they belong to the repository.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["node_modules", "target", ".git"].contains(&name.as_str()) {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

/// Everything that looks like a configuration in a file.
fn configurations(path: &Path) -> Vec<String> {
    let extension = path.extension().map(|extension| extension.to_string_lossy().into_owned());
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    match extension.as_deref() {
        Some("toml") if path.ends_with("portcullis.toml") => vec![text],
        Some("md") => {
            let found = blocks(&text, "```toml\n", "```");
            // Those of a crate's manifest belong to Cargo.
            found.into_iter().filter(|block| !block.starts_with("[dependencies]")).collect()
        }
        Some("yaml" | "yml") => {
            let found = blocks(&text, "portcullis.toml: |\n", "\n---");
            found.iter().map(|text| text.replace("\n    ", "\n")).map(unindented).collect()
        }
        // In comments of another program's configuration.
        Some("conf" | "cfg") => commented(&text),
        _ => Vec::new(),
    }
}

fn unindented(text: String) -> String {
    text.lines().map(|line| line.trim_start().to_owned() + "\n").collect()
}

fn blocks(text: &str, start: &str, end: &str) -> Vec<String> {
    let parts = text.split(start).skip(1);
    parts.map(|part| String::from(part.split(end).next().unwrap())).collect()
}

fn commented(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = String::new();
    for line in text.lines().chain([""]) {
        match line.strip_prefix("#   ") {
            Some(line) => current.push_str(&format!("{line}\n")),
            None if line == "#" && current.is_empty() => {}
            None => {
                if !current.is_empty() {
                    found.push(std::mem::take(&mut current));
                }
            }
        }
    }
    found
}

fn shipped() -> Vec<ShippedFile> {
    let root = root();
    let mut paths = vec![root.join("README.md"), root.join("SECURITY.md")];
    for folder in ["docs", "examples", "packaging"] {
        files(&root.join(folder), &mut paths);
    }
    let mut all = Vec::new();
    for path in paths {
        let place = path.strip_prefix(&root).unwrap().display().to_string();
        for (number, text) in configurations(&path).into_iter().enumerate() {
            all.push(ShippedFile { place: format!("{place} #{number}"), text });
        }
    }
    all
}

/// Paths and addresses of a deployment, and their replacements in this test.
const ELSEWHERE: [(&str, &str); 13] = [
    ("/etc/portcullis/secrets/", "secrets/"),
    ("/etc/portcullis/siem-ca.pem", "good.pem"),
    ("/etc/portcullis/chat.example.pem", "good.pem"),
    ("/etc/portcullis/chat.example.key", "good.key"),
    ("/etc/portcullis/tls.crt", "good.pem"),
    ("/etc/portcullis/tls.key", "good.key"),
    ("[::]:443", "127.0.0.1:0"),
    ("[::]:80", "127.0.0.1:0"),
    ("/etc/portcullis-tls/tls.crt", "good.pem"),
    ("/etc/portcullis-tls/tls.key", "good.key"),
    ("/var/lib/portcullis/access.log", "access.log"),
    ("0.0.0.0:8443", "0.0.0.0:0"),
    ("10.0.0.5:", "127.0.0.1:"),
];

#[test]
fn every_shipped_configuration_passes_check() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    write_certificate(path, "good", "chat.example", (2020, 2120));
    write_private(&path.join("chat.secret"), "kR8v2WqLz5nTfYp1XcJm9BdHs4GuEa7o");
    std::fs::create_dir(path.join("secrets")).unwrap();
    write_private(&path.join("secrets/page.url"), "https://alerts.example/hooks/portcullis");
    for name in ["alertmanager", "heartbeat"] {
        write_private(&path.join(format!("secrets/{name}.url")), "https://alerts.example/a");
    }
    write_private(&path.join("secrets/page.secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    write_private(&path.join("secrets/mail.login"), "portcullis\na password\n");
    let all = shipped();
    let is_from = |folder: &str| all.iter().filter(|one| one.place.starts_with(folder)).count();
    assert!(is_from("examples/") >= 6 && is_from("docs/") >= 5, "not all of them are found");
    assert_eq!(is_from("packaging/"), 1, "the template of the package");
    for ShippedFile { place, text: shown } in &all {
        let mut shown = shown.clone();
        for (there, here) in ELSEWHERE {
            shown = shown.replace(there, here);
        }
        if !place.starts_with("docs/") && !place.contains(".md") {
            assert!(shown.contains("profile = \"production\"\n"), "{place} is a deployment");
        }
        // A piece that explains one section stands in a deployment with everything else.
        let mut whole = shown.clone();
        if !shown.contains("profile = ") {
            let rest = "[tls]\ncertificate_file = \"good.pem\"\nkey_file = \"good.key\"\n\
                        [origin]\nallowed = [\"https://chat.example\"]\n";
            whole = format!("profile = \"production\"\n{rest}{shown}");
        }
        if whole.contains("[[token.issuer]]") && !whole.contains("algorithm = ") {
            whole = whole.replace(
                "[[token.issuer]]\n",
                "[[token.issuer]]\naudience = \"portcullis\"\nalgorithm = \"RS256\"\n\
                 jwks_url = \"https://id.example/keys\"\n",
            );
        }
        std::fs::write(path.join("portcullis.toml"), &whole).unwrap();
        let mut command = command(path, &["check"]);
        for key in ["PUBLIC", "PRIVATE", "PROBE"] {
            command.env(format!("PORTCULLIS__LISTEN__{key}"), "127.0.0.1:0");
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{place}:\n{whole}\n{}", text(&output.stderr));
    }
}
