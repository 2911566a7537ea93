//! What can be configured, and what it comes to: a file, the environment over it, a profile below.
//! Never: a key that is not known, a rule that is skipped because it cannot be read.

mod settings; // everything in force, as plain options
mod file; // the file as a whole
mod environment; // PORTCULLIS__SECTION__KEY over the file
mod profile; // where defaults come from, and what is refused
mod listen; // [listen]
mod hsts; // [hsts]
mod overload; // [overload]
mod tls; // [tls]
mod transport; // [transport]
mod origin; // [origin]
mod token; // [token]
mod token_rules; // which tokens of an issuer are accepted
mod capacity; // [capacity]
mod rate; // [rate]
mod message; // [message]
mod spam; // [spam]
mod store; // [store]
mod accounts; // [accounts]
mod passwords; // which new passwords are rejected
mod session; // [session]
mod roles; // [[role]], [access], [replay]
mod audit; // [audit]
mod danger; // [danger]
mod development; // what the development profile rejects
mod warning; // what is allowed and likely a mistake
mod weakening; // values in force that are weaker than the profile's default
mod weakening_table; // every key, and which of its values are weaker
mod weakening_judges; // decisions that need more than one value
mod number; // numbers within bounds
mod secret_file; // files only their owner may read
mod suggest; // the key that was probably meant
mod summary; // what is in force, for people
mod input_files; // the files that it names for reading
mod error; // what was seen, why it is refused, how to mend it
#[cfg(test)]
mod tests; // whole files, good and bad
#[cfg(test)]
mod issuer_tests; // whole files with issuers
#[cfg(test)]
mod weakening_tests; // every key is classified, every weakening is named

pub(crate) use error::ConfigError;
pub(crate) use profile::Profile;
pub(crate) use secret_file::read_private;
pub(crate) use settings::{Settings, Sources};
pub(crate) use tls::{TlsFiles, TlsSettings};
pub(crate) use warning::Warning;
