//! How the configuration is read: file, environment, private files, errors.
//! Never: a default value.

pub(crate) mod file; // the file as a whole
pub(crate) mod environment; // PORTCULLIS__SECTION__KEY over the file
pub(crate) mod number; // numbers within bounds
pub(crate) mod secret_file; // files only their owner may read
pub(crate) mod suggest; // the key that was probably meant
pub(crate) mod error; // what was seen, why it is refused, how to mend it
pub(crate) mod input_files; // the files that it names for reading
