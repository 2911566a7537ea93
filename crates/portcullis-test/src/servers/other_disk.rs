//! A folder that is another file system for commands, and has no space when a test wants.
//! Never: a need of rights to mount one; a write of the test itself that fails.

use std::path::Path;

use crate::servers::preload::Preload;

/// The folder, as commands of [`TestServer::operate_on`](crate::TestServer::operate_on) see it.
pub struct OtherDisk {
    preload: Preload,
    folder: String,
}

impl OtherDisk {
    /// Lets a folder be another file system, which has space at first.
    ///
    /// # Panics
    /// If the library cannot be compiled, or the folder does not exist.
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        let folder = folder.canonicalize().unwrap().to_str().unwrap().to_owned();
        Self { preload: Preload::compile("other_disk", "OTHER_DISK", &[0; 3]), folder }
    }

    /// Fills the disk: writes to its files are rejected from now on.
    pub fn fill(&self) {
        self.preload.set(&[1]);
    }

    /// Frees space again.
    pub fn free(&self) {
        self.preload.set(&[0]);
    }

    /// Writes that were rejected.
    #[must_use]
    pub fn rejected_writes(&self) -> i64 {
        self.preload.number(1)
    }

    /// Renames that were rejected, because one name is on the disk and the other is not.
    #[must_use]
    pub fn rejected_renames(&self) -> i64 {
        self.preload.number(2)
    }

    pub(crate) fn environment(&self) -> impl Iterator<Item = (String, String)> {
        let folder = (String::from("OTHER_DISK_FOLDER"), self.folder.clone());
        self.preload.environment().into_iter().chain([folder])
    }
}
