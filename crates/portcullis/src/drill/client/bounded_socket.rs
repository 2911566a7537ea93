//! A TCP socket whose reads and writes end at a deadline, however few bytes move at a time.
//! Never: a read or write without a deadline.

use std::io::{self, Error, ErrorKind, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use portcullis_model::Moment;

/// How long the other side has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimits {
    /// For each read and write.
    pub(crate) each: Duration,
    /// For a whole handshake, request or answer.
    pub(crate) whole: Duration,
}

/// A socket with a deadline.
#[derive(Debug)]
pub(crate) struct BoundedSocket {
    socket: TcpStream,
    pub(crate) limits: TimeLimits,
    until: Moment,
}

impl BoundedSocket {
    /// Waits for the first handshake, request or answer.
    pub(crate) fn new(socket: TcpStream, limits: TimeLimits) -> Self {
        Self { socket, limits, until: Moment::now().plus(limits.whole) }
    }

    /// Gives the next handshake, request or answer the whole time.
    pub(crate) fn restart(&mut self) {
        self.until = Moment::now().plus(self.limits.whole);
    }

    pub(crate) fn is_over(&self) -> bool {
        Moment::now() >= self.until
    }

    /// The address of this machine, as far as the system knows it.
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        self.socket.local_addr().ok().map(|address| address.ip().to_canonical())
    }

    /// The time for the next read or write.
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.since(Moment::now()).min(self.limits.each);
        if left.is_zero() {
            let seconds = self.limits.whole.as_secs();
            return Err(Error::new(ErrorKind::TimedOut, format!("not complete in {seconds} s")));
        }
        Ok(left)
    }
}

impl Read for BoundedSocket {
    fn read(&mut self, part: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(Some(self.left()?))?;
        self.socket.read(part)
    }
}

impl Write for BoundedSocket {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(Some(self.left()?))?;
        self.socket.write(part)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}
