//! The configuration: the file, the environment over it, and the defaults of a profile.
//! Never: an unknown key, or a rule that is skipped because it cannot be read.

mod settings; // all settings in force, as plain options
mod read; // file, environment, private files, errors
mod profile; // profiles, and their defaults
mod network; // [listen], [tls], [hsts], [origin], [transport]
mod limits; // [rate], [capacity], [message], [overload], [spam]
mod identity; // [token], [accounts], [session], [[role]]
mod store; // [store]
mod audit; // [audit]
mod alert; // [alert]
mod channel; // [[alert.channel]]
mod admin; // [admin]
mod doctor; // [doctor]
mod danger; // [danger]
mod development; // settings that the development profile rejects
mod warning; // settings that are allowed and probably a mistake
mod weakening; // settings weaker than the default of the profile
mod summary; // all settings in force, as text
mod definition; // what each key means, as a schema, an example file and a page
#[cfg(test)]
mod tests; // whole files, valid and invalid

pub(crate) use admin::{AdminSettings, DashboardPage};
pub(crate) use audit::AuditSettings;
pub(crate) use channel::Receiver;
pub(crate) use definition::{example, reference, schema};
pub(crate) use identity::passwords::password_policy;
pub(crate) use network::acme::{AcmeChallenge, AcmeSettings};
pub(crate) use network::tls::{TlsFiles, TlsSettings};
pub(crate) use profile::Profile;
pub(crate) use read::configuration_file::ConfigurationFile;
pub(crate) use read::error::ConfigError;
pub(crate) use read::input_files::input_files;
pub(crate) use read::secret_file::read_private;
pub(crate) use settings::{Settings, Sources, StorageSettings};
pub(crate) use summary::{summary, table as summary_table};
pub(crate) use warning::Warning;
pub(crate) use weakening::check::{mistakes, weakenings};
