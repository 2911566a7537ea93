//! The ClientHello of a TLS handshake, and the TLS session that it resumes.
//! Never: the identity of a user; a session shows only that the same client has returned.

use portcullis_model::Denial;
use rustls::ServerConnection;
use rustls::server::Acceptor;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::listen::receive_rate::{ReceiveRate, ReceiveTimeout, in_time};
use crate::listen::stream::TlsSession;
use crate::shard::state::Shard;

/// A longer ClientHello is left to the handshake itself.
const HELLO_MAX_BYTES: usize = 16 * 1024 + 5;

/// Reads until the ClientHello is complete; the handshake finds and answers its errors.
pub(crate) async fn read_hello(
    shard: &Shard,
    socket: &mut TcpStream,
    start: &[u8],
    rate: &mut ReceiveRate,
) -> Result<Vec<u8>, Denial> {
    let mut hello = start.to_vec();
    let mut acceptor = Acceptor::default();
    let mut parsed = 0;
    loop {
        if is_complete(&mut acceptor, &hello, &mut parsed) || hello.len() >= HELLO_MAX_BYTES {
            return Ok(hello);
        }
        let (wait, late) = rate.wait(hello.len().max(1), shard.now());
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

/// Whether the ClientHello is complete or invalid. `parsed` counts the bytes that were parsed.
fn is_complete(acceptor: &mut Acceptor, hello: &[u8], parsed: &mut usize) -> bool {
    while let Some(mut rest) = hello.get(*parsed..).filter(|rest| !rest.is_empty()) {
        match acceptor.read_tls(&mut rest) {
            Ok(count) if count > 0 => *parsed += count,
            Ok(_) | Err(_) => return true,
        }
        match acceptor.accept() {
            Ok(None) => {}
            Ok(Some(_)) | Err(_) => return true,
        }
    }
    false
}

/// Continues the session that the client resumes, or starts a new one. The tickets of the session
/// carry its name.
pub(crate) fn name_session(connection: &mut ServerConnection, new: TlsSession) -> TlsSession {
    let resumed = connection.received_resumption_data();
    let name = resumed.and_then(|name| TlsSession::try_from(name).ok()).unwrap_or(new);
    if connection.is_handshaking() {
        connection.set_resumption_data(&name);
    }
    name
}
