//! From a message to its receiver.
//! Never: an attempt that waits without a bound.

pub(crate) mod admin_sockets; // the event `alert` of the namespace `/admin`
pub(crate) mod webhook; // posts JSON
pub(crate) mod signature; // signatures of webhooks
pub(crate) mod command; // runs a program
pub(crate) mod program_runner; // the process that ends all that a program started
pub(crate) mod mail; // sends mails: addresses, login, one dialogue
pub(crate) mod mail_message; // a mail with its headers
pub(crate) mod mail_stream; // from a connection to TLS, before the dialogue of mail
