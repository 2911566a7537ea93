//! Why a server of one's own is not built or does not start.
//! Never: the name of a variant where a person reads a sentence.

use std::net::SocketAddr;

use portcullis_audit::AuditError;
use portcullis_guard::GateError;
use portcullis_seal::RingError;
use portcullis_server::ServerError;

#[cfg(feature = "chat")]
use crate::server::chat_server::ChatServerError;

/// Why a server is not built or does not start.
///
/// Its `Debug` is a sentence, so a `main` that returns it ends with one: `Error: event "say" is
/// declared twice`.
#[derive(thiserror::Error)]
pub enum Error {
    /// A rule, a name or a limit is not sound.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// An address or a thread cannot be had.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The security log cannot be opened.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// TLS cannot be spoken with what was given.
    #[error("tls: {0}; give a chain and its key in PEM")]
    Tls(String),
    /// Tokens and messages would cross the network in the clear.
    #[error(
        "{0} is not this machine and tls is off: call tls_pem, or danger_plain_text behind a proxy"
    )]
    PlainText(SocketAddr),
    /// The keyring of field keys cannot be used.
    #[error(transparent)]
    FieldKeys(#[from] RingError),
    /// Accounts and chat cannot be opened or installed.
    #[cfg(feature = "chat")]
    #[error(transparent)]
    Chat(#[from] ChatServerError),
    /// The system refuses something else.
    #[error("cannot {what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

portcullis_model::debug_as_sentence!(Error);
