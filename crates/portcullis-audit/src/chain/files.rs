//! The files of the chain: its state, which only the server reads, and its certificates.
//! Never: half of a state, or an old key that stays on the disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use portcullis_model::{LaterFormat, Secret};

use super::state::later_format;
use crate::files::path::{folder_of, with_suffix};

/// Longest state that is read; a longer one is not of this program.
const STATE_MAX_BYTES: u64 = 16 * 1024;

/// The paths of the files.
#[derive(Debug, Clone)]
pub(crate) struct ChainFiles {
    state: PathBuf,
    keys: PathBuf,
}

/// A new state, and the certificates that come with it.
#[derive(Debug)]
pub(crate) struct ChainUpdate {
    /// The epoch of the state.
    pub(crate) epoch: u64,
    pub(crate) state: Secret<String>,
    /// Lines for the file of certificates.
    pub(crate) certificates: String,
}

impl ChainUpdate {
    /// Follows an update that is not written yet: its certificates are kept.
    pub(crate) fn after(mut self, earlier: Option<Self>) -> Self {
        if let Some(earlier) = earlier {
            self.certificates.insert_str(0, &earlier.certificates);
        }
        self
    }
}

/// The format of the state file in a folder, if a later version wrote it.
///
/// # Errors
/// The error of the system if the file cannot be read.
pub fn later_chain_format(folder: &Path) -> io::Result<Option<LaterFormat>> {
    let text = ChainFiles::new(folder).read_state()?;
    Ok(text.and_then(|text| later_format(text.expose())))
}

impl ChainFiles {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { state: folder.join("audit-chain.state"), keys: folder.join("audit-chain.keys") }
    }

    /// The path of the state, for errors.
    pub(crate) fn state_path(&self) -> &Path {
        &self.state
    }

    /// The text of the state; `None` without a file.
    pub(crate) fn read_state(&self) -> io::Result<Option<Secret<String>>> {
        let file = match File::open(&self.state) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = Vec::with_capacity(STATE_MAX_BYTES as usize);
        file.take(STATE_MAX_BYTES).read_to_end(&mut bytes)?;
        // Bytes that are not text have another form than a state.
        let text = String::from_utf8(bytes).unwrap_or_default();
        Ok(Some(Secret::new(text)))
    }

    /// Whether certificates exist, so that there was a log with a chain.
    pub(crate) fn has_certificates(&self) -> bool {
        std::fs::metadata(&self.keys).is_ok_and(|metadata| metadata.len() > 0)
    }

    /// Writes the certificates, and then the state that needs them.
    pub(crate) fn write(&self, update: &ChainUpdate) -> io::Result<()> {
        if !update.certificates.is_empty() {
            self.append_certificates(&update.certificates)?;
        }
        self.write_state(&update.state)
    }

    /// Replaces the state as a whole, and overwrites the former one.
    fn write_state(&self, text: &Secret<String>) -> io::Result<()> {
        let new = with_suffix(&self.state, ".new");
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.expose().as_bytes())?;
        file.sync_all()?;
        let former = OpenOptions::new().write(true).open(&self.state).ok();
        std::fs::rename(&new, &self.state)?;
        sync_folder(&self.state)?;
        let Some(mut former) = former else { return Ok(()) };
        let length = usize::try_from(former.metadata()?.len()).unwrap_or_default();
        former.write_all(&vec![0; length.min(STATE_MAX_BYTES as usize)])?;
        former.sync_data()
    }

    fn append_certificates(&self, lines: &str) -> io::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o640).open(&self.keys)?;
        let is_new = file.metadata()?.len() == 0;
        let mut text = String::new();
        if !is_new {
            // A crash may have left a part of a line.
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                text.push('\n');
            }
        }
        text.push_str(lines);
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        if is_new { sync_folder(&self.keys) } else { Ok(()) }
    }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder_of(path))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn update(state: &str, certificates: &str) -> ChainUpdate {
        let state = Secret::new(String::from(state));
        ChainUpdate { epoch: 0, state, certificates: String::from(certificates) }
    }

    #[test]
    fn state_is_replaced_as_a_whole_and_certificates_are_appended() {
        let folder = tempfile::tempdir().unwrap();
        let files = ChainFiles::new(folder.path());
        assert!(files.read_state().unwrap().is_none() && !files.has_certificates());
        files.write(&update("one", "log a\n0 x\n")).unwrap();
        let former = File::open(files.state_path()).unwrap();
        let mut keys = OpenOptions::new().append(true).open(&files.keys).unwrap();
        keys.write_all(b"torn").unwrap();
        files.write(&update("second", "1 y\n").after(Some(update("lost", "1 x\n")))).unwrap();
        assert_eq!(files.read_state().unwrap().unwrap().expose(), "second");
        assert_eq!(io::read_to_string(former).unwrap(), "\0\0\0", "the former key is overwritten");
        let keys = std::fs::read_to_string(&files.keys).unwrap();
        assert_eq!(keys, "log a\n0 x\ntorn\n1 x\n1 y\n");
        let mode = std::fs::metadata(files.state_path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(folder.path().read_dir().unwrap().count(), 2);
    }
}
