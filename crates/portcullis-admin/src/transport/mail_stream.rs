//! The encrypted connection to a mail server: TLS from its first byte, or STARTTLS (RFC 3207).
//! Never: a mail or a password without TLS; an answer from before TLS that counts after it;
//! answers without an end.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use portcullis_outbound::{Client, OutboundError, Target, TlsStream};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

/// The start of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailEncryption {
    /// With the connection.
    Tls,
    /// After the command STARTTLS.
    StartTls,
}

/// The reason why an encrypted connection failed.
#[derive(Debug, Error)]
pub(crate) enum MailStreamError {
    #[error("{0}")]
    Outbound(#[from] OutboundError),
    #[error("the connection to the mail server failed: {0}")]
    Io(#[from] io::Error),
    #[error("the mail server does not offer STARTTLS; mails are not sent without TLS")]
    NoTls,
    #[error("the mail server answered {0} before TLS")]
    Answer(u16),
    #[error("the mail server sent data between STARTTLS and TLS, as an attacker could")]
    Injected,
    #[error("the answer of the mail server is not SMTP")]
    NotSmtp,
}

/// Largest answer before TLS.
const ANSWER_MAX_BYTES: usize = 4 * 1024;
/// Most bytes of all answers after that: sixteen receivers need less. An answer of many lines is
/// read anew with each line, so this also bounds the computing time.
const ANSWERS_MAX_BYTES: usize = 16 * 1024;
/// The greeting of the dialogue after STARTTLS: the server has sent its own before TLS.
const GREETING: &[u8] = b"220 TLS\r\n";

/// An encrypted connection on which the dialogue begins with a greeting.
pub(crate) struct MailStream<S = TlsStream<TcpStream>> {
    greeting: &'static [u8],
    inner: S,
    left: usize,
}

impl MailStream {
    /// Connects, and starts TLS.
    pub(crate) async fn open(
        client: &Client,
        target: &Target,
        encryption: MailEncryption,
        hello: &str,
    ) -> Result<Self, MailStreamError> {
        let mut stream = client.connect(target).await?;
        let greeting: &[u8] = match encryption {
            MailEncryption::Tls => &[],
            MailEncryption::StartTls => {
                request_tls(&mut stream, hello).await?;
                GREETING
            }
        };
        Ok(Self::new(greeting, client.start_tls(target, stream).await?))
    }
}

impl<S> MailStream<S> {
    /// A connection on which `greeting` is read first.
    pub(crate) fn new(greeting: &'static [u8], inner: S) -> Self {
        Self { greeting, inner, left: ANSWERS_MAX_BYTES }
    }
}

/// The commands before TLS.
async fn request_tls(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    hello: &str,
) -> Result<(), MailStreamError> {
    expect(read_answer(stream).await?, 220)?;
    stream.write_all(format!("EHLO {hello}\r\n").as_bytes()).await?;
    let features = expect(read_answer(stream).await?, 250)?;
    let is_offered =
        |line: &str| line.get(4..).is_some_and(|it| it.eq_ignore_ascii_case("STARTTLS"));
    if !features.lines().any(is_offered) {
        return Err(MailStreamError::NoTls);
    }
    stream.write_all(b"STARTTLS\r\n").await?;
    expect(read_answer(stream).await?, 220).map(drop)
}

fn expect((code, text): (u16, String), expected: u16) -> Result<String, MailStreamError> {
    if code == expected { Ok(text) } else { Err(MailStreamError::Answer(code)) }
}

/// Reads one answer (RFC 5321 section 4.2). Bytes after it are an error: no command was sent.
async fn read_answer(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<(u16, String), MailStreamError> {
    let mut bytes = Vec::new();
    loop {
        let start = bytes.len();
        if start >= ANSWER_MAX_BYTES {
            return Err(MailStreamError::NotSmtp);
        }
        let mut part = [0; 512];
        let count = stream.read(&mut part).await?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        bytes.extend_from_slice(part.get(..count).unwrap_or_default());
        let text = std::str::from_utf8(&bytes).map_err(|_| MailStreamError::NotSmtp)?;
        let mut end = 0;
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            end += line.len();
            let code = line.get(..3).and_then(|code| code.parse().ok());
            match (code, line.as_bytes().get(3)) {
                (Some(_), Some(b'-')) => {}
                (Some(_), Some(b' ' | b'\r' | b'\n')) if end < text.len() => {
                    return Err(MailStreamError::Injected);
                }
                (Some(code), Some(b' ' | b'\r' | b'\n')) => {
                    return Ok((code, text.replace("\r\n", "\n")));
                }
                _ => return Err(MailStreamError::NotSmtp),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for MailStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let (now, later) = self.greeting.split_at(self.greeting.len().min(buffer.remaining()));
            buffer.put_slice(now);
            self.greeting = later;
            return Poll::Ready(Ok(()));
        }
        if self.left == 0 {
            let why = format!("its answers are longer than {} KiB", ANSWERS_MAX_BYTES / 1024);
            return Poll::Ready(Err(io::Error::other(why)));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.left = self.left.saturating_sub(buffer.filled().len().saturating_sub(before));
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MailStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for MailStream<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        // The dialogue does not need it.
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl<S> fmt::Debug for MailStream<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MailStream").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The outcome with a server that sends this, each answer after a command. It ends the
    /// connection when it has no other answer, or in the middle of a line.
    fn outcome(answers: &[&str]) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut ours, mut theirs) = tokio::io::duplex(8 * 1024);
            let server = async move {
                for answer in answers {
                    theirs.write_all(answer.as_bytes()).await.unwrap();
                    if !answer.ends_with('\n') {
                        break;
                    }
                    let mut command = [0; 512];
                    let _count = theirs.read(&mut command).await;
                }
            };
            let client = async move { request_tls(&mut ours, "portcullis.example").await };
            let (outcome, ()) = tokio::join!(client, server);
            outcome.map_or_else(|error| error.to_string(), |()| String::from("TLS"))
        })
    }

    #[test]
    fn t400_nothing_goes_on_without_tls() {
        let (hello, offers) = ("220 mail\r\n", "250-mail\r\n250-starttls\r\n250 SIZE 9\r\n");
        assert_eq!(outcome(&[hello, offers, "220 go\r\n"]), "TLS");
        for (answers, expect) in [
            (&[hello, "250-mail\r\n250 SIZE 9\r\n"][..], "does not offer STARTTLS"),
            (&[hello, "250-mail\r\n250 XSTARTTLS\r\n"], "does not offer STARTTLS"),
            (&[hello, offers, "454 no\r\n"], "answered 454 before TLS"),
            (&["554 go away\r\n"], "answered 554 before TLS"),
            (&[hello, offers, "220 go\r\n250 forged\r\n"], "between STARTTLS and TLS"),
            (&[hello, offers, "220 go\r\n2"], "between STARTTLS and TLS"),
            (&["220 mail\r\n250 starttls\r\n"], "between STARTTLS and TLS"),
            (&["SSH-2.0\r\n"], "is not SMTP"),
            (&["220\0mail\r\n"], "is not SMTP"),
            (&[], "failed: unexpected end of file"),
            (&["220 ma"], "failed: unexpected end of file"),
            (&[hello], "failed: unexpected end of file"),
            (&[hello, offers, "220-go\r\n22"], "failed: unexpected end of file"),
        ] {
            let outcome = outcome(answers);
            assert!(outcome.contains(expect), "{answers:?}: {outcome}");
        }
    }

    #[test]
    fn answer_without_an_end_is_rejected() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for bytes in ["250-x\r\n".repeat(1_000), "2".repeat(8_000)] {
            let outcome = runtime.block_on(read_answer(&mut bytes.as_bytes()));
            assert!(matches!(outcome, Err(MailStreamError::NotSmtp)), "{outcome:?}");
        }
    }
}
