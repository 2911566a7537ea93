//! What can be configured, and what it comes to: a file, the environment over it, a profile below.
//! Never: a key that is not known, a rule that is skipped because it cannot be read.

mod environment; // PORTCULLIS__SECTION__KEY over the file
mod error; // what was seen, why it is refused, how to mend it
mod file; // the file's sections, as they stand there
mod issuer; // tokens of other issuers
mod origin; // origins and host names
mod rate; // "10/60s"
mod settings; // everything in force, as plain options

pub(crate) use error::ConfigError;
pub(crate) use settings::{Profile, Settings, Sources, TlsSettings};
