//! `[audit]`: where security records go.
//! Never: nowhere; the file always gets them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// `[audit]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AuditSection {
    /// The file records are appended to; `security.log` in the data directory.
    file: Option<PathBuf>,
    /// Whether records also go to standard output; true.
    stdout: Option<bool>,
    /// A file for everything that limits count, for `portcullis limits simulate`; none.
    access_file: Option<PathBuf>,
}

/// Where security records go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditSettings {
    pub(crate) file: PathBuf,
    pub(crate) stdout: bool,
    pub(crate) access_file: Option<PathBuf>,
}

impl AuditSection {
    pub(super) fn read(self, data: &Path) -> AuditSettings {
        AuditSettings {
            file: self.file.unwrap_or_else(|| data.join("security.log")),
            stdout: self.stdout.unwrap_or(true),
            access_file: self.access_file,
        }
    }
}
