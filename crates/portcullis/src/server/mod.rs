//! The library's server: built from few settings, with or without chat.
//! Never: the command line or the configuration file.

pub(crate) mod builder; // builder and server of an application
pub(crate) mod running; // a running server
pub(crate) mod error; // why a server is not built or started
pub(crate) mod danger_record; // records of dangerous settings
pub(crate) mod new_user; // users of issuers that connect for the first time
pub(crate) mod stop_signal; // SIGTERM and SIGINT
pub(crate) mod tls_files; // certificate chain and key in PEM
#[cfg(feature = "chat")]
pub(crate) mod chat_server; // accounts, rooms and chat for an application
pub(crate) mod field_keys; // keys that seal fields of events
