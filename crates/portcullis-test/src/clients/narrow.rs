//! A socket through which next to nothing fits: small segments, a small window.
//! Never: reads by itself; bytes that a test does not read stay on the server's side.

use std::net::{SocketAddr, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::deadline::WAIT;
use crate::servers::server::TestServer;

/// Segments as small as may be, so that the server's kernel buffers little for this peer.
const SEGMENT_BYTES: u32 = 536;
const WINDOW_BYTES: usize = 2_048;

/// Connects without TLS; a server that writes a few times ten kilobytes has to wait for reads.
#[must_use]
pub fn narrow(server: &TestServer) -> TcpStream {
    narrow_to(server.public)
}

/// The same to any address.
#[must_use]
pub fn narrow_to(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    // Before connecting: both are announced in the handshake.
    socket.set_tcp_mss(SEGMENT_BYTES).unwrap();
    socket.set_recv_buffer_size(WINDOW_BYTES).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream.set_write_timeout(Some(WAIT)).unwrap();
    stream
}
