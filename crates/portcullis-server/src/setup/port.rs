//! A port fixed before the server starts, because origins and hosts name it.
//! Never: another program's port taken over.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};

/// A port that is ours until this is dropped; to be kept until the server listens.
#[derive(Debug)]
pub struct ReservedPort {
    _held: Socket,
}

/// Fixes the port when it is 0, and refuses one that is taken.
///
/// The shards share the port by `SO_REUSEPORT`; so would another server of this user, and each
/// would get half of the connections.
///
/// # Errors
/// What the system says of the address.
pub fn reserve_port(address: SocketAddr) -> io::Result<(SocketAddr, ReservedPort)> {
    refuse_taken(address)?;
    let shared = socket(address)?;
    shared.set_reuse_port(true)?;
    shared.bind(&address.into())?;
    let bound = shared.local_addr()?.as_socket().unwrap_or(address);
    Ok((bound, ReservedPort { _held: shared }))
}

/// Tries an address as a listener would have it, and leaves it; port 0 is any free one.
///
/// # Errors
/// What the system says of the address.
pub fn try_bind(address: SocketAddr) -> io::Result<()> {
    socket(address).and_then(|alone| alone.bind(&address.into()))
}

/// Refuses an address somebody listens on, although they would share it with us.
///
/// # Errors
/// What the system says of the address.
pub fn refuse_taken(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    socket(address).and_then(|alone| alone.bind(&address.into()))
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
    fn a_port_is_fixed_once_and_never_shared_with_a_stranger() {
        let (address, reserved) = reserve_port("127.0.0.1:0".parse().unwrap()).unwrap();
        assert_ne!(address.port(), 0);
        reserved._held.listen(1).unwrap();
        assert!(reserve_port(address).is_err());
    }
}
