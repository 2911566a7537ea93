//! Reads the configuration: file, environment, private files, errors.
//! Never: a default value.

pub(crate) mod file; // the file with all sections
pub(crate) mod configuration_file; // the text of the file
pub(crate) mod environment; // PORTCULLIS__SECTION__KEY over the file
pub(crate) mod number; // numbers within bounds
pub(crate) mod secret_file; // files that only their owner can read
pub(crate) mod suggest; // the most similar known key
pub(crate) mod error; // configuration errors
pub(crate) mod input_files; // files that the configuration names
pub(crate) mod table; // sections as tables
