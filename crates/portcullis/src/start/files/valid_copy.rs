//! A copy of the configuration file in force, for commands beside the server.
//! Never: read by the server; a secret, because the configuration contains none.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use portcullis_seal::private_file;
use portcullis_server::random_id;

use crate::config::{ConfigError, ConfigurationFile, Settings, Sources};
use crate::start::files::output_files::VALID_COPY;

/// Writes the copy. Without it, commands only work while the configuration file is valid.
pub(crate) fn keep(settings: &Settings) {
    let copy = settings.storage.data.join(VALID_COPY);
    let kept = match &settings.file {
        Some(file) => random_id::<8>().map_err(|error| error.to_string()).and_then(|suffix| {
            let written = private_file::replace(&copy, file.text.as_bytes(), &suffix);
            written.map_err(|error| error.to_string())
        }),
        None => private_file::remove(&copy).map_err(|error| error.to_string()),
    };
    if let Err(error) = kept {
        tracing::warn!(error, copy = %copy.display(), "cannot copy the configuration file");
    }
}

/// Reads the copy in place of an invalid file; `None` without a copy, or if the file is missing:
/// then its name is probably wrong.
pub(crate) fn find(sources: &Sources, fault: &ConfigError) -> Option<(PathBuf, Settings)> {
    if let ConfigError::Unreadable { cause, .. } = fault
        && cause.kind() == ErrorKind::NotFound
    {
        return None;
    }
    let (copy, settings) = read(sources)?;
    let file = settings.file.map(|file| ConfigurationFile { path: sources.file().into(), ..file });
    Some((copy, Settings { file, ..settings }))
}

/// Reads the copy; `None` without a valid one.
pub(crate) fn read(sources: &Sources) -> Option<(PathBuf, Settings)> {
    let data = sources.data.as_deref().unwrap_or(Path::new(Settings::DATA));
    let copy = data.join(VALID_COPY);
    // A link or pipe is none: this server has not written it.
    if !std::fs::symlink_metadata(&copy).is_ok_and(|facts| facts.is_file()) {
        return None;
    }
    let of_copy = Sources { config: Some(copy.clone()), ..sources.clone() };
    let settings = Settings::read(&of_copy).ok()?;
    Some((copy, settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_replaces_an_invalid_file_and_no_missing_one() {
        let folder = tempfile::tempdir().unwrap();
        let (file, data) = (folder.path().join("portcullis.toml"), folder.path().join("data"));
        std::fs::create_dir(&data).unwrap();
        let sources =
            Sources { config: Some(file.clone()), data: Some(data.clone()), ..Sources::default() };
        let port = |settings: &Settings| settings.server.public.port();
        std::fs::write(&file, "[listen]\npublic = \"127.0.0.1:4001\"\n").unwrap();
        let read = Settings::read(&sources).unwrap();
        // The server has not read this text.
        std::fs::write(&file, "[listen]\npublic = \"127.0.0.1:4002\"\n").unwrap();
        keep(&read);
        let found = || find(&sources, &Settings::read(&sources).err()?);
        assert!(found().is_none(), "the file is valid");
        for broken in [&b"[listen"[..], b"[listen]\nport = 1\n", b"\xff\xfe["] {
            std::fs::write(&file, broken).unwrap();
            let (copy, settings) = found().unwrap();
            assert_eq!((copy, port(&settings)), (data.join(VALID_COPY), 4001));
            assert_eq!(settings.file.as_ref().map(|found| &found.path), Some(&file));
            assert_eq!(settings.file.unwrap().text, read.file.as_ref().unwrap().text);
        }
        std::fs::remove_file(&file).unwrap();
        assert!(found().is_none(), "--config names another file");
        std::fs::write(&file, "[listen").unwrap();
        std::fs::remove_file(data.join(VALID_COPY)).unwrap();
        assert!(found().is_none(), "no server was started with this data directory");
    }
}
