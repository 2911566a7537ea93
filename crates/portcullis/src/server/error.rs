//! Why a server of an application is not built or does not start.
//! Never: a variant name in an error that `main` returns.

use std::net::SocketAddr;

use portcullis_audit::AuditError;
use portcullis_guard::GateError;
use portcullis_seal::KeyringError;
use portcullis_server::ServerError;

#[cfg(feature = "chat")]
use crate::server::chat_server::ChatServerError;

/// Why a server is not built or does not start.
///
/// Its `Debug` is a sentence, so a `main` that returns it ends with one: `Error: event "say" is
/// declared twice`.
#[derive(thiserror::Error)]
pub enum Error {
    /// A rule, a name or a limit is invalid.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// An address cannot be used, or a thread does not start.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The security log cannot be opened.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// TLS cannot use the given chain and key.
    #[error("cannot set up TLS: {0}: pass a certificate chain and its key in PEM")]
    Tls(String),
    /// Tokens and messages would cross the network in plain text.
    #[error(
        "{0} is not a loopback address and TLS is off: call tls_pem; behind a proxy, \
         danger_plain_text"
    )]
    PlainText(SocketAddr),
    /// The keyring of field keys cannot be used.
    #[error(transparent)]
    FieldKeys(#[from] KeyringError),
    /// Accounts and chat cannot be opened or installed.
    #[cfg(feature = "chat")]
    #[error(transparent)]
    Chat(#[from] ChatServerError),
    /// Another system call failed.
    #[error("cannot {what}: {source}")]
    System {
        /// The operation that failed.
        what: &'static str,
        /// The error of the system.
        source: std::io::Error,
    },
}

portcullis_model::debug_as_sentence!(Error);
