//! The manifest of a backup: its version, time and files, each with size and digest.
//! Never: a name that leads out of the directory of the backup.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Component, Path};

use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::digest::{Context as Hasher, SHA256};
use portcullis_model::{FileFormat, FormatMatch, LaterFormat};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::directory::open_plain;

/// The name of the manifest, which is written last.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The form of the manifest, and of the directory.
const FORMAT: FileFormat = FileFormat::new("portcullis-backup ", 1);
/// Longest manifest: 100,000 files of the security log.
const TEXT_MAX_BYTES: u64 = 32 * 1024 * 1024;

/// The content of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Content {
    /// Database, security log and configuration.
    Data,
    /// Keys and secrets.
    Keys,
}

impl Content {
    /// The content, in words.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Keys => "keys",
        }
    }
}

/// The manifest.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: String,
    pub(crate) content: Content,
    /// The version of the program that wrote it.
    pub(crate) version: String,
    /// The schema of the database.
    pub(crate) schema: u32,
    /// The time of the backup.
    pub(crate) time: String,
    /// The first key of the security log, by which `--keep` tells servers apart; empty if there is
    /// no log with keys. A server that was restored from a backup has the same one.
    #[serde(default)]
    pub(crate) server: String,
    /// The ids of the keys that open sealed fields.
    pub(crate) field_keys: Vec<String>,
    pub(crate) files: Vec<ManifestFile>,
}

/// A file of a backup.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManifestFile {
    /// Its path below the directory, with `/`.
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// The place that it was copied from, if it was outside of the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) source: Option<String>,
}

impl Manifest {
    pub(crate) fn new(content: Content, schema: u32, time: &str, field_keys: &[String]) -> Self {
        Self {
            format: FORMAT.to_string(),
            content,
            version: String::from(env!("CARGO_PKG_VERSION")),
            schema,
            time: String::from(time),
            server: String::new(),
            field_keys: field_keys.to_vec(),
            files: Vec::new(),
        }
    }

    /// The manifest with the key of its server.
    pub(crate) fn of_server(self, server: String) -> Self {
        Self { server, ..self }
    }

    /// Reads and checks the manifest of a directory.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(MANIFEST);
        let shown = path.display();
        let opened = open_plain(&path)
            .with_context(|| format!("{shown} cannot be read: this is not a complete backup"))?;
        let opened =
            opened.with_context(|| format!("{shown} is not a file: this is not a backup"))?;
        let mut text = String::new();
        let read = opened.take(TEXT_MAX_BYTES + 1).read_to_string(&mut text);
        read.with_context(|| format!("{shown} cannot be read"))?;
        ensure!(text.len() as u64 <= TEXT_MAX_BYTES, "{shown} is too long: it is damaged");
        Self::parse(&text).map_err(|error| {
            let why = match error.is::<LaterFormat>() {
                true => "was written by a later version",
                false => "is damaged, or of another program",
            };
            error.context(format!("{shown} {why}"))
        })
    }

    fn parse(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text)?;
        let format = value.get("format").and_then(Value::as_str).unwrap_or_default();
        match FORMAT.compare(format) {
            FormatMatch::Known => {}
            FormatMatch::Later(later) => return Err(later.into()),
            FormatMatch::Foreign => {
                let known = FORMAT.to_string();
                bail!("its format is {format:?}, and this version reads {known:?}");
            }
        }
        let manifest: Self = serde_json::from_value(value)?;
        let time = &manifest.time;
        let is_plain = |byte: u8| byte.is_ascii_digit() || b"-:.TZ".contains(&byte);
        ensure!(time.bytes().all(is_plain), "its time is {time:?}, and not one in UTC");
        let mut names = BTreeSet::new();
        for file in &manifest.files {
            ensure!(is_name(&file.name), "it has the file name {:?}", file.name);
            ensure!(names.insert(&file.name), "it has the file {:?} twice", file.name);
        }
        Ok(manifest)
    }

    pub(crate) fn to_text(&self) -> Result<String> {
        Ok(format!("{}\n", serde_json::to_string_pretty(self)?))
    }

    /// The sum of the sizes of its files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes))
    }
}

/// Whether a name stays inside of the directory.
fn is_name(name: &str) -> bool {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    !name.is_empty()
        && name != MANIFEST
        && !name.contains(|letter: char| letter.is_control() || letter == '\\')
        && !name.ends_with('/')
        && !name.contains("//")
        && !name.split('/').any(|part| part == ".")
        && Path::new(name).components().all(is_plain)
        && Path::new(name).components().count() <= 2
}

/// Computes a SHA-256 digest.
pub(crate) struct Digest(Hasher);

impl Digest {
    pub(crate) fn new() -> Self {
        Self(Hasher::new(&SHA256))
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest in hexadecimal digits.
    pub(crate) fn finish(self) -> String {
        let mut text = String::with_capacity(64);
        for byte in self.0.finish().as_ref() {
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_that_leads_out_of_the_directory_is_rejected() {
        for (name, expect) in [
            ("portcullis.db", true),
            ("log/security.log", true),
            ("log/security-20261128T214500Z-7.log.gz", true),
            ("", false),
            ("/etc/passwd", false),
            ("../portcullis.db", false),
            ("log/../../x", false),
            ("log/./x", false),
            ("log//x", false),
            ("log/", false),
            ("a/b/c", false),
            ("manifest.json", false),
            ("a\\b", false),
            ("a\nb", false),
            ("a\u{1b}[2Jb", false),
        ] {
            assert_eq!(is_name(name), expect, "{name:?}");
            let file = ManifestFile {
                name: String::from(name),
                bytes: 1,
                sha256: String::new(),
                source: None,
            };
            let mut manifest = Manifest::new(Content::Data, 9, "2026-11-30T02:00:00Z", &[]);
            manifest.files.push(file);
            let read = Manifest::parse(&manifest.to_text().unwrap());
            assert_eq!(read.is_ok(), expect, "{name:?}");
        }
    }

    #[test]
    fn manifest_of_another_format_is_named() {
        let text = Manifest::new(Content::Keys, 9, "", &[]).to_text().unwrap();
        for (text, expect) in [
            (text.replace("backup 1", "backup 2"), "format 2, this version reads 1: install"),
            (text.replace("backup 1", "backup x"), "this version reads"),
            (text.replace("schema", "shema"), "shema"),
            (String::from("{}"), "its format is"),
            (String::from("letters"), "expected value"),
        ] {
            let error = Manifest::parse(&text).unwrap_err().to_string();
            assert!(error.contains(expect), "{error}");
        }
    }

    #[test]
    fn digest_is_sha_256() {
        let mut digest = Digest::new();
        digest.update(b"a");
        digest.update(b"bc");
        let expect = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.finish(), expect, "FIPS 180-4, the message abc");
    }
}
