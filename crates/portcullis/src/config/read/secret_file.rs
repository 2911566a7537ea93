//! Private files that the configuration names. A group may read them, other users must not (T-271).
//! Never: the mode of one file and the content of another.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use portcullis_model::Secret;

use crate::config::read::error::ConfigError;
use crate::output::shell_path;

/// Largest private file that is read.
const SIZE_MAX_BYTES: u64 = 64 * 1024;
/// The mode bits that let other users read, write or run a file, and its group write it.
const OTHERS: u32 = 0o027;

/// Reads a file that holds a secret.
pub(crate) fn read_private(key: &str, path: &Path) -> Result<Secret<Vec<u8>>, ConfigError> {
    let unreadable = |error: std::io::Error| {
        let why = format!("it cannot be read ({error})");
        ConfigError::file(key, path, why, "name a file that this user can read")
    };
    let file = File::open(path).map_err(unreadable)?;
    let facts = file.metadata().map_err(unreadable)?;
    let mode = facts.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        let why = format!("other users can read or change it (mode {mode:o})");
        let mend = format!("run: chmod 600 {}", shell_path(path));
        return Err(ConfigError::file(key, path, why, &mend));
    }
    // Allocated at once, so that growing leaves no copies of the secret behind.
    let mut bytes = Vec::with_capacity(SIZE_MAX_BYTES as usize + 1);
    file.take(SIZE_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > SIZE_MAX_BYTES {
        let why = format!("it is larger than {SIZE_MAX_BYTES} bytes");
        return Err(ConfigError::file(key, path, why, "name the right file"));
    }
    Ok(Secret::new(bytes))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn t271_secret_file_that_other_users_can_read_is_rejected() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hs256.key");
        std::fs::write(&path, "content").unwrap();
        for (mode, expect) in [(0o600, true), (0o400, true), (0o640, true), (0o644, false)]
            .into_iter()
            .chain([(0o604, false), (0o660, false), (0o602, false), (0o777, false)])
        {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let read = read_private("key_file", &path);
            assert_eq!(read.is_ok(), expect, "{mode:o}");
            let error = read.err().map(|error| error.to_string()).unwrap_or_default();
            assert!(expect || error.contains("chmod 600"), "{error}");
            assert!(!error.contains("content"), "{error}");
        }
        let missing = read_private("key_file", &directory.path().join("missing"));
        assert!(missing.unwrap_err().to_string().contains("cannot be read"));
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, vec![0; 64 * 1024 + 1]).unwrap();
        assert!(read_private("key_file", &path).is_err());
    }
}
