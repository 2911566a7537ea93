//! A library in C that is loaded before a server and stands for a part of its machine.
//! Never: part of the product, or of a server without it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::servers::config::Config;

/// The name of the file with the numbers.
const NUMBERS: &str = "numbers";

/// A compiled library, and the file of 64-bit numbers through which a test controls it.
///
/// It needs a C compiler, as the siege does.
pub(crate) struct Preload {
    directory: tempfile::TempDir,
    library: PathBuf,
    variable: &'static str,
    file: File,
}

impl Preload {
    /// Compiles a library for the server of a configuration, as [`Preload::compile`] does.
    ///
    /// # Panics
    /// If the library cannot be compiled, or the server has another one.
    pub(crate) fn install(
        config: &mut Config,
        name: &str,
        variable: &'static str,
        numbers: &[i64],
    ) -> Self {
        let preload = Self::compile(name, variable, numbers);
        let environment = &mut config.process.environment;
        assert!(environment.iter().all(|(name, _)| name != "LD_PRELOAD"), "one library at most");
        environment.extend(preload.environment());
        preload
    }

    /// Compiles `NAME.c` of this folder. The variable has the path of the file with the numbers.
    ///
    /// # Panics
    /// If the library cannot be compiled.
    pub(crate) fn compile(name: &str, variable: &'static str, numbers: &[i64]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join(name).with_extension("so");
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/servers"));
        let source = folder.join(name).with_extension("c");
        let mut compiler = Command::new("cc");
        compiler.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&library);
        assert!(compiler.arg(&source).status().unwrap().success(), "{source:?}");
        let path = directory.path().join(NUMBERS);
        let file = File::options().read(true).write(true).create_new(true).open(path).unwrap();
        let preload = Self { directory, library, variable, file };
        preload.set(numbers);
        preload
    }

    /// The variables with which a process loads the library.
    pub(crate) fn environment(&self) -> [(String, String); 2] {
        let set = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
        let numbers = self.directory.path().join(NUMBERS);
        [set("LD_PRELOAD", &self.library), set(self.variable, &numbers)]
    }

    /// Changes the numbers.
    pub(crate) fn set(&self, numbers: &[i64]) {
        for (index, number) in (0_u64..).zip(numbers) {
            self.file.write_all_at(&number.to_ne_bytes(), index * 8).unwrap();
        }
    }

    /// A number, which the library can change.
    pub(crate) fn number(&self, index: u64) -> i64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, index * 8).unwrap();
        i64::from_ne_bytes(bytes)
    }

    /// A folder that exists as long as the library.
    pub(crate) fn folder(&self) -> &Path {
        self.directory.path()
    }
}
