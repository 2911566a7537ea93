//! A listener who joins a room and never reads, with the smallest receive buffer of the kernel.
//! Never: a frame read after the room was joined.

use anyhow::{Result, bail, ensure};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::clients::client::{Door, Duplex, Visit, handshake};

/// The receive buffer of its kernel, in bytes.
const WINDOW_BYTES: u32 = 4_096;
/// The segment size for a peer on an Ethernet. Loopback's 64 KiB would make the server's
/// kernel set aside 2.5 MiB for each reader, which no peer beyond this machine gets.
const SEGMENT_BYTES: u32 = 1_460;
/// More than is posted before the room is joined.
const PRINTED_MAX_BYTES: usize = 256 * 1_024;

/// Connects, signs in and joins. Keep the returned connection, and never read it.
pub(crate) async fn join(door: &Door, visit: &Visit, room: &str) -> Result<Box<dyn Duplex>> {
    let mut stream = open(door, visit).await?;
    let mut received = String::new();
    stream.write_all(handshake(door.address, &door.origin()).as_bytes()).await?;
    receive(&mut stream, &mut received, "\r\n\r\n").await?;
    ensure!(received.starts_with("HTTP/1.1 101"), "refused: {received}");
    let token = visit.token.as_deref().unwrap_or_default();
    stream.write_all(&frame(&format!(r#"40{{"token":"{token}"}}"#))?).await?;
    receive(&mut stream, &mut received, "40{").await?;
    let join = format!(r#"421["room:join",{{"roomId":"{room}"}}]"#);
    stream.write_all(&frame(&join)?).await?;
    receive(&mut stream, &mut received, r#"431[{"ok":true"#).await?;
    Ok(stream)
}

/// The server gets both sizes when the connection opens, so they are set before.
async fn open(door: &Door, visit: &Visit) -> Result<Box<dyn Duplex>> {
    let socket = TcpSocket::new_v4()?;
    if let Some(source) = visit.source {
        socket.bind((source, 0).into())?;
    }
    socket.set_recv_buffer_size(WINDOW_BYTES)?;
    socket2::SockRef::from(&socket).set_tcp_mss(SEGMENT_BYTES)?;
    let stream = socket.connect(door.address).await?;
    Ok(match &door.tls {
        None => Box::new(stream),
        Some(connector) => {
            let name = ServerName::IpAddress(door.address.ip().into());
            Box::new(connector.connect(name, stream).await?)
        }
    })
}

/// Reads until something was posted.
async fn receive(stream: &mut Box<dyn Duplex>, received: &mut String, what: &str) -> Result<()> {
    stream.flush().await?;
    let mut bytes = Vec::new();
    while !received.contains(what) {
        bytes.clear();
        let read = stream.read_buf(&mut bytes).await?;
        received.push_str(&String::from_utf8_lossy(&bytes));
        if read == 0 || received.len() > PRINTED_MAX_BYTES {
            bail!("{what:?} is not posted: {received}");
        }
    }
    Ok(())
}

/// A text frame under a mask of zeros.
fn frame(text: &str) -> Result<Vec<u8>> {
    let length = u16::try_from(text.len())?;
    let mut frame = vec![0x81];
    match u8::try_from(length) {
        Ok(short) if short < 126 => frame.push(0x80 | short),
        _ => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(text.as_bytes());
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        assert_eq!(frame("40").unwrap(), [0x81, 0x82, 0, 0, 0, 0, b'4', b'0']);
        let long = frame(&"x".repeat(300)).unwrap();
        assert_eq!((&long[..4], long.len()), (&[0x81, 0xfe, 1, 44][..], 308));
    }
}
