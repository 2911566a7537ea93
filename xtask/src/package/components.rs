//! The components of the binary: crates and the npm packages of its pages, with their licences.
//! Never: a component that only tests or builds use.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::command::{program, root};

/// The crate of the binary.
const BINARY: &str = "portcullis";
/// The lock file of the pages that the binary contains.
const PAGE_LOCK: &str = "web/package-lock.json";

/// The registry of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Registry {
    /// This repository.
    Own,
    /// crates.io.
    Cargo,
    /// The npm registry.
    Npm,
}

/// A component of the binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Component {
    pub(crate) registry: Registry,
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression.
    pub(crate) licence: String,
    /// The algorithm and the digest in hexadecimal digits, from the lock file.
    pub(crate) digest: Option<(&'static str, String)>,
    /// The folder of its sources.
    pub(crate) folder: PathBuf,
    /// The references of the components that it uses.
    pub(crate) uses: BTreeSet<String>,
}

impl Component {
    /// The package URL, which is unique.
    pub(crate) fn reference(&self) -> String {
        let kind = if self.registry == Registry::Npm { "npm" } else { "cargo" };
        // A scope begins with `@`, which separates the version elsewhere.
        format!("pkg:{kind}/{}@{}", self.name.replace('@', "%40"), self.version)
    }

    /// Whether this is the binary itself.
    pub(crate) fn is_binary(&self) -> bool {
        self.registry == Registry::Own && self.name == BINARY
    }
}

/// All components, sorted by registry, name and version.
pub(crate) fn components() -> Result<Vec<Component>> {
    let mut all = crates()?;
    all.extend(packages(&read_json(&root().join(PAGE_LOCK))?)?);
    all.sort_by(|one, other| {
        let key = |one: &Component| (one.registry, one.name.clone(), one.version.clone());
        key(one).cmp(&key(other))
    });
    let page: BTreeSet<String> =
        all.iter().filter(|one| one.registry == Registry::Npm).map(Component::reference).collect();
    if let Some(binary) = all.iter_mut().find(|one| one.is_binary()) {
        binary.uses.extend(page);
    }
    Ok(all)
}

/// The crates that are linked into the binary on this kind of machine.
fn crates() -> Result<Vec<Component>> {
    let tree = ["tree", "--locked", "--package", BINARY, "--edges", "normal", "--prefix", "none"];
    let tree = output(program("cargo", &[&tree[..], &["--format", "{p}"]].concat(), "."))?;
    let linked: BTreeSet<(String, String)> = tree.lines().filter_map(name_and_version).collect();
    let host = output(program("rustc", &["--print", "host-tuple"], "."))?;
    let metadata = ["metadata", "--locked", "--format-version", "1", "--filter-platform"];
    let metadata = output(program("cargo", &[&metadata[..], &[host.trim()]].concat(), "."))?;
    let metadata: Value = serde_json::from_str(&metadata).context("read `cargo metadata`")?;
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).context("read Cargo.lock")?;
    let digests = digests(&lock);
    let mut by_id = BTreeMap::new();
    for package in list(&metadata, "packages") {
        let (name, version) = (text(package, "name"), text(package, "version"));
        let is_own = package.get("source").is_none_or(Value::is_null);
        if !linked.contains(&(name.to_owned(), version.to_owned())) {
            continue;
        }
        let digest = digests.get(&(name.to_owned(), version.to_owned())).cloned();
        let folder = Path::new(text(package, "manifest_path")).parent().map(Path::to_owned);
        let component = Component {
            registry: if is_own { Registry::Own } else { Registry::Cargo },
            name: name.to_owned(),
            version: version.to_owned(),
            licence: text(package, "license").replace('/', " OR ").replace("  ", " "),
            digest: digest.map(|digest| ("SHA-256", digest)),
            folder: folder.unwrap_or_default(),
            uses: BTreeSet::new(),
        };
        by_id.insert(text(package, "id").to_owned(), component);
    }
    let seen = by_id.len();
    ensure!(seen == linked.len(), "{} crates are linked, and {seen} are known", linked.len());
    connect(&metadata, by_id)
}

/// Adds which component uses which one.
fn connect(metadata: &Value, mut by_id: BTreeMap<String, Component>) -> Result<Vec<Component>> {
    let references: BTreeMap<String, String> =
        by_id.iter().map(|(id, one)| (id.clone(), one.reference())).collect();
    let resolve = metadata.get("resolve").context("`cargo metadata` has no resolve")?;
    for node in list(resolve, "nodes") {
        let Some(component) = by_id.get_mut(text(node, "id")) else { continue };
        for used in list(node, "deps") {
            // A kind of null is neither a build dependency nor one of the tests.
            let is_normal =
                list(used, "dep_kinds").any(|kind| kind.get("kind").is_some_and(Value::is_null));
            if let Some(reference) = references.get(text(used, "pkg")).filter(|_| is_normal) {
                component.uses.insert(reference.clone());
            }
        }
    }
    Ok(by_id.into_values().collect())
}

/// `tokio v1.54.0 (proc-macro)` is tokio and 1.54.0.
fn name_and_version(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    Some((name.to_owned(), version.to_owned()))
}

/// The checksums of a `Cargo.lock`, by name and version.
fn digests(lock: &str) -> BTreeMap<(String, String), String> {
    let mut digests = BTreeMap::new();
    for entry in lock.split("[[package]]") {
        let value = |key: &str| {
            let line = entry.lines().find_map(|line| line.strip_prefix(key))?;
            Some(line.strip_prefix(" = \"")?.strip_suffix('"')?.to_owned())
        };
        if let (Some(name), Some(version), Some(digest)) =
            (value("name"), value("version"), value("checksum"))
        {
            digests.insert((name, version), digest);
        }
    }
    digests
}

/// The npm packages that the pages contain, from their lock file.
fn packages(lock: &Value) -> Result<Vec<Component>> {
    let packages = lock.get("packages").and_then(Value::as_object).context("no packages")?;
    let mut found = Vec::new();
    for (path, package) in packages {
        let Some((_, name)) = path.rsplit_once("node_modules/") else { continue };
        let is_for_development = |key| package.get(key) == Some(&Value::Bool(true));
        if ["dev", "devOptional", "optional"].into_iter().any(is_for_development) {
            continue;
        }
        let folder = root().join("web").join(path);
        let licence = match text(package, "license") {
            "" => older_licence(&folder)?,
            licence => licence.to_owned(),
        };
        let digest = text(package, "integrity").strip_prefix("sha512-").map(base64_to_hex);
        found.push(Component {
            registry: Registry::Npm,
            name: name.to_owned(),
            version: text(package, "version").to_owned(),
            licence,
            digest: digest.map(|digest| ("SHA-512", digest)),
            folder,
            uses: BTreeSet::new(),
        });
    }
    Ok(found)
}

/// The licence in the older form of npm, `licenses: [{type}]`, which lock files do not have.
fn older_licence(folder: &Path) -> Result<String> {
    let package = read_json(&folder.join("package.json")).context("run `npm ci` in web/")?;
    let kinds: Vec<&str> = list(&package, "licenses").map(|one| text(one, "type")).collect();
    Ok(kinds.join(" OR "))
}

/// Converts base64 to hexadecimal digits; other characters are passed over.
fn base64_to_hex(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut hex, mut bits, mut count) = (String::new(), 0_u32, 0);
    for byte in text.bytes() {
        let Some(value) = ALPHABET.iter().position(|letter| *letter == byte) else { continue };
        bits = (bits << 6) | u32::try_from(value).unwrap_or(0);
        count += 6;
        if count >= 8 {
            count -= 8;
            hex.push_str(&format!("{:02x}", (bits >> count) & 0xff));
        }
    }
    hex
}

fn read_json(path: &Path) -> Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("read {}", path.display()))
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The standard output of a program that must succeed.
pub(crate) fn output(mut command: Command) -> Result<String> {
    let shown = format!("{command:?}");
    let output = command.output().with_context(|| format!("cannot start {shown}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{shown} ended with {}:\n{errors}", output.status);
    String::from_utf8(output.stdout).with_context(|| format!("{shown} did not write UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cargo_are_read() {
        let cases = [
            ("tokio v1.54.0", Some(("tokio", "1.54.0"))),
            ("serde_derive v1.0.1 (proc-macro) (*)", Some(("serde_derive", "1.0.1"))),
            ("", None),
        ];
        for (line, expect) in cases {
            let expect = expect.map(|(name, version)| (name.to_owned(), version.to_owned()));
            assert_eq!(name_and_version(line), expect, "{line}");
        }
        let lock = "version = 4\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \
                    \"0f\"\n\n[[package]]\nname = \"own\"\nversion = \"0.1.0\"\n";
        let digests = digests(lock);
        assert_eq!(digests.len(), 1);
        assert_eq!(digests[&(String::from("a"), String::from("1.0.0"))], "0f");
    }

    #[test]
    fn digest_is_converted_to_hexadecimal_digits() {
        // RFC 4648 section 10.
        for (base64, hex) in [("", ""), ("Zg==", "66"), ("Zm9vYmE=", "666f6f6261")] {
            assert_eq!(base64_to_hex(base64), hex);
        }
    }

    #[test]
    fn packages_for_development_are_left_out() {
        let lock = serde_json::json!({ "packages": {
            "": { "name": "page" },
            "node_modules/a": { "version": "1.0.0", "license": "MIT", "integrity": "sha512-Zg==" },
            "node_modules/@s/b": { "version": "2.0.0", "license": "MIT" },
            "node_modules/c": { "version": "3.0.0", "license": "MIT", "dev": true },
        }});
        let found = packages(&lock).unwrap();
        let references: Vec<String> = found.iter().map(Component::reference).collect();
        assert_eq!(references, ["pkg:npm/%40s/b@2.0.0", "pkg:npm/a@1.0.0"]);
        assert_eq!(found[1].digest, Some(("SHA-512", String::from("66"))));
    }
}
