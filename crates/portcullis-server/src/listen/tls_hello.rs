//! The ClientHello of a TLS handshake, and the TLS session that it resumes.
//! Never: the identity of a user; a session shows only that the same client has returned.

use rustls::ServerConnection;
use rustls::server::Acceptor;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use portcullis_model::Denial;

use crate::listen::receive_rate::{ReceiveRate, ReceiveTimeout, in_time};
use crate::listen::stream::TlsSession;
use crate::shard::state::Shard;

/// A longer ClientHello is left to the handshake itself.
const HELLO_MAX_BYTES: usize = 16 * 1024 + 5;

impl Shard {
    /// Reads until the ClientHello is complete; the handshake finds and answers its errors.
    pub(crate) async fn read_hello(
        &self,
        socket: &mut TcpStream,
        start: &[u8],
        pace: &mut ReceiveRate,
    ) -> Result<Vec<u8>, Denial> {
        let mut hello = start.to_vec();
        let mut acceptor = Acceptor::default();
        let mut looked_at = 0;
        loop {
            if is_whole(&mut acceptor, &hello, &mut looked_at) || hello.len() >= HELLO_MAX_BYTES {
                return Ok(hello);
            }
            let (wait, late) = pace.wait(hello.len().max(1), self.now());
            let space = HELLO_MAX_BYTES.saturating_sub(hello.len()) as u64;
            let mut bounded = (&mut *socket).take(space);
            match (in_time(wait, bounded.read_buf(&mut hello)).await, late) {
                (Some(Ok(count)), _) if count > 0 => {}
                // The handshake handles the end or the error.
                (Some(_), _) => return Ok(hello),
                (None, ReceiveTimeout::Deadline) => return Err(Denial::TlsFailed),
                (None, ReceiveTimeout::Slow) => return Err(Denial::TlsSlow),
            }
        }
    }
}

/// Whether the ClientHello is complete or invalid.
fn is_whole(acceptor: &mut Acceptor, hello: &[u8], looked_at: &mut usize) -> bool {
    while let Some(mut rest) = hello.get(*looked_at..).filter(|rest| !rest.is_empty()) {
        match acceptor.read_tls(&mut rest) {
            Ok(count) if count > 0 => *looked_at += count,
            Ok(_) | Err(_) => return true,
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return true,
        }
    }
    false
}

/// Continues the session that the client resumes, or starts a new one; its tickets have the name.
pub(crate) fn name_session(connection: &mut ServerConnection, new: TlsSession) -> TlsSession {
    let resumed = connection.received_resumption_data();
    let name = resumed.and_then(|name| TlsSession::try_from(name).ok()).unwrap_or(new);
    if connection.is_handshaking() {
        connection.set_resumption_data(&name);
    }
    name
}
