//! A disk of the security log that hangs for as long as a test wants.
//! Never: the disk of the database.

use std::path::PathBuf;

use crate::servers::config::Config;
use crate::servers::preload::Preload;

/// The disk with the security log of one server.
pub struct StalledDisk {
    preload: Preload,
}

impl StalledDisk {
    /// Puts the security log of a server on such a disk; it works at first.
    ///
    /// # Panics
    /// If the library cannot be compiled.
    #[must_use]
    pub fn install(config: &mut Config) -> Self {
        let preload = Preload::install(config, "stalled_disk", "STALLED_DISK", &[0]);
        let disk = Self { preload };
        let folder = disk.preload.folder().display().to_string();
        config.process.environment.push((String::from("STALLED_DISK_FOLDER"), folder));
        config.more.push_str(&format!("[audit]\nfile = {:?}\n", disk.log()));
        disk
    }

    /// The open file of the log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.preload.folder().join("security.log")
    }

    /// Lets writes and syncs wait from now on.
    pub fn stall(&self) {
        self.preload.set(&[1]);
    }

    /// Lets them continue.
    pub fn release(&self) {
        self.preload.set(&[0]);
    }
}
