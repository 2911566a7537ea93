//! The TLS handshake of a socket: complete in time, or rejected.
//! Never: a handshake of a peer that sends too slowly.

use std::net::IpAddr;

use portcullis_guard::ClientClass;
use portcullis_model::Denial;
use rustls::ServerConnection;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::listen::receive_rate::{ReceiveRate, ReceiveTimeout, in_time};
use crate::listen::stream::{Stream, Tcp};
use crate::listen::tls_hello::{name_session, read_hello};
use crate::random::random_bytes;
use crate::shard::state::Shard;

/// Does the TLS handshake. `start` has the bytes of it that were read before.
///
/// `unchecked` is a client whose block was not checked because it may be a certificate authority.
/// Its validation ends with the handshake, and returns `None` (RFC 8737 section 3): it never
/// reaches HTTP.
///
/// # Errors
/// [`Denial::TlsFailed`], [`Denial::TlsSlow`], [`Denial::NetworkBlocked`].
pub(crate) async fn handshake_tls(
    shard: &Shard,
    mut socket: TcpStream,
    acceptor: &TlsAcceptor,
    start: &[u8],
    unchecked: Option<IpAddr>,
) -> Result<Option<Stream>, Denial> {
    let mut rate = shard.rate_from_first_byte();
    let hello = read_hello(shard, &mut socket, start, &mut rate).await?;
    if let Some(config) = shard.server.options.challenges.tls_config(&hello) {
        let acceptor = TlsAcceptor::from(config);
        let accepting = accept_after(&acceptor, socket, &hello, |_| {});
        let stream = complete_handshake(shard, accepting, rate).await?;
        Stream::Tls(Box::new(stream)).end().await;
        return Ok(None);
    }
    if let Some(client) = unchecked {
        let blocks = shard.server.gate.directory().blocks();
        blocks.check(client, ClientClass::Returning, shard.now())?;
    }
    let mut session = None;
    let accepting = accept_after(acceptor, socket, &hello, |connection| {
        session = random_bytes().ok().map(|new| name_session(connection, new));
    });
    let mut stream = complete_handshake(shard, accepting, rate).await?;
    stream.get_mut().0.enter(session);
    Ok(Some(Stream::Tls(Box::new(stream))))
}

/// Starts a handshake whose ClientHello was read before. `then` runs unless that is invalid.
fn accept_after(
    acceptor: &TlsAcceptor,
    socket: TcpStream,
    mut hello: &[u8],
    then: impl FnOnce(&mut ServerConnection),
) -> Accept<Tcp> {
    acceptor.accept_with(Tcp::here(socket, hello.len()), |connection| {
        while !hello.is_empty() {
            // The handshake itself finds and answers errors.
            let read = connection.read_tls(&mut hello);
            if read.is_err() || connection.process_new_packets().is_err() {
                return;
            }
        }
        then(connection);
    })
}

/// Completes a handshake, as long as the peer sends fast enough.
async fn complete_handshake(
    shard: &Shard,
    mut accepting: Accept<Tcp>,
    mut rate: ReceiveRate,
) -> Result<TlsStream<Tcp>, Denial> {
    loop {
        // The first byte has arrived, even if it is unread.
        let received = received_bytes(&accepting).max(1);
        let (wait, late) = rate.wait(received, shard.now());
        if let Some(outcome) = in_time(wait, &mut accepting).await {
            return outcome.map_err(|_| Denial::TlsFailed);
        }
        match late {
            ReceiveTimeout::Deadline => return Err(Denial::TlsFailed),
            // The bytes that arrived meanwhile may be enough.
            ReceiveTimeout::Slow if received_bytes(&accepting) > received => {}
            ReceiveTimeout::Slow => return Err(Denial::TlsSlow),
        }
    }
}

fn received_bytes(accepting: &Accept<Tcp>) -> usize {
    accepting.get_ref().map_or(0, Tcp::received_bytes)
}
