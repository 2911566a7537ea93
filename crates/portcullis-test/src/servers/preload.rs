//! A library in C that is loaded before a server and stands for a part of its machine.
//! Never: part of the product, or of a server without it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::servers::config::Config;

/// A compiled library, and the file of 64-bit numbers through which a test controls it.
///
/// It needs a C compiler, as the siege does.
pub(crate) struct Preload {
    directory: tempfile::TempDir,
    file: File,
}

impl Preload {
    /// Compiles `NAME.c` of this folder for the server of a configuration. The variable has the
    /// path of the file, which holds the numbers.
    ///
    /// # Panics
    /// If the library cannot be compiled, or the server has another one.
    pub(crate) fn install(
        config: &mut Config,
        name: &str,
        variable: &str,
        numbers: &[i64],
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join(name).with_extension("so");
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/servers"));
        let source = folder.join(name).with_extension("c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library);
        assert!(compiler.arg(&source).status().unwrap().success(), "{source:?}");
        let path = directory.path().join("numbers");
        let preload = Self { file: File::create_new(&path).unwrap(), directory };
        preload.set(numbers);
        let environment = &mut config.process.environment;
        assert!(environment.iter().all(|(name, _)| name != "LD_PRELOAD"), "one library at most");
        let set = |name: &str, path: PathBuf| (name.to_owned(), path.display().to_string());
        environment.extend([set("LD_PRELOAD", library), set(variable, path)]);
        preload
    }

    /// Changes the numbers.
    pub(crate) fn set(&self, numbers: &[i64]) {
        for (index, number) in (0_u64..).zip(numbers) {
            self.file.write_all_at(&number.to_ne_bytes(), index * 8).unwrap();
        }
    }

    /// A folder that exists as long as the library.
    pub(crate) fn folder(&self) -> &Path {
        self.directory.path()
    }
}
