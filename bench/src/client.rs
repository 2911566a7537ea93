//! A raw Socket.IO client over one socket: as little work as a client can do.
//! Never: measured itself.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The secret of the issuer that benchmarks sign with; at least 256 bits.
pub(crate) const SECRET: &[u8] = b"mq8Zt4-K1vXw0Rj7Ye3Lc9Ub6Ds2Hf5NaGp";
/// Its name.
pub(crate) const ISSUER: &str = "https://bench.example";

/// A token of the benchmark's issuer for user number `user`.
pub(crate) fn token(user: usize, now_s: i64) -> String {
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"HS256","typ":"JWT"}"#);
    let claims = format!(
        r#"{{"iss":"{ISSUER}","aud":"portcullis","sub":"user-{user}","iat":{now_s},"exp":{}}}"#,
        now_s + 3600
    );
    let body = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET);
    let tag = hmac::sign(&key, body.as_bytes());
    format!("{body}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// A connected client.
pub(crate) struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
    start: usize,
}

impl Client {
    /// Connects and upgrades; nothing is signed in yet.
    pub(crate) async fn upgrade(address: SocketAddr) -> Result<Self> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let request = format!(
            "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {address}\r\n\
             Origin: http://{address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut client = Self { stream, buffer: Vec::new(), start: 0 };
        let end = loop {
            if let Some(at) = client.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            client.fill().await?;
        };
        if !client.buffer.starts_with(b"HTTP/1.1 101") {
            bail!("refused: {}", String::from_utf8_lossy(&client.buffer));
        }
        client.start = end;
        Ok(client)
    }

    /// Connects, upgrades and signs in.
    pub(crate) async fn connect(address: SocketAddr, token: &str) -> Result<Self> {
        let mut client = Self::upgrade(address).await?;
        client.send(&format!(r#"40{{"token":"{token}"}}"#)).await?;
        let answer = client.until("40").await?;
        if !answer.contains("sid") {
            bail!("not connected: {answer}");
        }
        Ok(client)
    }

    /// Sends one text frame; the mask is zero, which is allowed and free.
    pub(crate) async fn send(&mut self, text: &str) -> Result<()> {
        let mut frame = Vec::with_capacity(text.len() + 8);
        push_frame(&mut frame, text);
        self.stream.write_all(&frame).await?;
        Ok(())
    }

    /// Sends many text frames in one write.
    pub(crate) async fn send_many(&mut self, texts: &[String]) -> Result<()> {
        let mut frames = Vec::new();
        for text in texts {
            push_frame(&mut frames, text);
        }
        self.stream.write_all(&frames).await?;
        Ok(())
    }

    /// Reads frames until one starts with `prefix`, and gives it.
    pub(crate) async fn until(&mut self, prefix: &str) -> Result<String> {
        loop {
            while let Some(range) = self.frame()? {
                let payload = self.buffer.get(range).unwrap_or_default();
                if payload.starts_with(prefix.as_bytes()) {
                    return Ok(String::from_utf8_lossy(payload).into_owned());
                }
            }
            self.fill().await?;
        }
    }

    /// Reads what there is, at least one frame that starts with `prefix`; gives how many.
    pub(crate) async fn count(&mut self, prefix: &[u8]) -> Result<usize> {
        let mut counted = 0;
        loop {
            while let Some(range) = self.frame()? {
                let payload = self.buffer.get(range).unwrap_or_default();
                counted += usize::from(payload.starts_with(prefix));
            }
            if counted > 0 {
                return Ok(counted);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<()> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }

    /// Takes the next whole frame's payload.
    fn frame(&mut self) -> Result<Option<std::ops::Range<usize>>> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let (Some(first), Some(second)) = (rest.first(), rest.get(1)) else {
            return Ok(None);
        };
        if first & 0x0f == 8 {
            bail!("closed by the server: {:?}", rest.get(2..));
        }
        let (head, length) = match second & 0x7f {
            126 => match (rest.get(2), rest.get(3)) {
                (Some(high), Some(low)) => (4, usize::from(*high) << 8 | usize::from(*low)),
                _ => return Ok(None),
            },
            127 => bail!("a frame of 64 KiB or more"),
            short => (2, usize::from(short)),
        };
        if rest.len() < head + length {
            return Ok(None);
        }
        let from = self.start + head;
        self.start = from + length;
        Ok(Some(from..from + length))
    }
}

fn push_frame(frames: &mut Vec<u8>, text: &str) {
    frames.push(0x81);
    match u8::try_from(text.len()) {
        Ok(short) if short < 126 => frames.push(0x80 | short),
        _ => {
            frames.push(0x80 | 126);
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            frames.extend_from_slice(&length.to_be_bytes());
        }
    }
    frames.extend_from_slice(&[0; 4]);
    frames.extend_from_slice(text.as_bytes());
}

/// Seconds since 1970, for tokens.
pub(crate) fn unix_s() -> Result<i64> {
    use portcullis_model::Clock;
    let now = portcullis_model::SystemClock::start().now();
    Some(now.unix_s()).context("no clock")
}
