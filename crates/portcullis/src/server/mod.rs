//! The library's server: built from few settings, with or without chat.
//! Never: the command line or the configuration file.

pub(crate) mod builder; // a server of one's own, from few words
pub(crate) mod running; // one that runs
pub(crate) mod error; // why there is none
pub(crate) mod danger_record; // what weakens it, recorded
pub(crate) mod new_user; // a user who is seen for the first time
pub(crate) mod stop_signal; // when a process is asked to end
pub(crate) mod tls_files; // certificates for it
#[cfg(feature = "chat")]
pub(crate) mod chat_server; // accounts, rooms and chat beside an application's own events
pub(crate) mod field_keys; // the keys that seal fields of events
