//! A port that is reserved before the server starts, because origins and hosts name it.
//! Never: a port that another program uses.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// A reserved port. Keep it until the server listens; dropping it frees the port.
#[derive(Debug)]
pub struct ReservedPort {
    _socket: Socket,
}

/// Reserves a port; port 0 becomes a free one. A port in use is an error.
///
/// The shards share the port by `SO_REUSEPORT`. Another server of the same user could share it as
/// well, and each would get half of the connections.
///
/// # Errors
/// The error of the operating system for the address.
pub fn reserve_port(address: SocketAddr) -> io::Result<(SocketAddr, ReservedPort)> {
    reject_used_port(address)?;
    let shared = socket(address)?;
    shared.set_reuse_port(true)?;
    shared.bind(&address.into())?;
    let bound = shared.local_addr()?.as_socket().unwrap_or(address);
    Ok((bound, ReservedPort { _socket: shared }))
}

/// Binds an address without sharing it, and frees it again; port 0 is any free port.
///
/// # Errors
/// The error of the operating system for the address.
pub fn try_bind(address: SocketAddr) -> io::Result<()> {
    socket(address).and_then(|socket| socket.bind(&address.into()))
}

/// Rejects an address that another program listens on, even if that program shares it.
///
/// # Errors
/// The error of the operating system for the address.
pub fn reject_used_port(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    socket(address).and_then(|socket| socket.bind(&address.into()))
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_port_in_use_is_rejected() {
        let (address, reserved) = reserve_port("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(address.port(), 0);
        reserved._socket.listen(1).unwrap();
        assert!(reserve_port(address).is_err());
    }
}
