//! A slow client of a drill: it stops at a stage of its connection, or sends a byte now and then.
//! Never: more than four bytes a second; a wait beyond its limit.

use std::io;
use std::time::Duration;

use portcullis_model::Moment;

use super::answer::Answer;
use super::connection::{Connection, ReadOutcome};
use super::websocket::{SocketEnd, WebSocket};

/// The pause after each byte, and the time of each read.
const PAUSE: Duration = Duration::from_millis(250);

/// The stage of a connection that a slow client does not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlowStage {
    /// No byte is sent.
    Connection,
    /// The ClientHello is sent byte by byte.
    Hello,
    /// The ClientHello is sent, and nothing after it.
    Handshake,
    /// No request is sent after the TLS handshake.
    Request,
    /// The head of a request is sent byte by byte.
    Head,
    /// The head of a request is sent, and its body byte by byte.
    Body,
    /// A WebSocket is opened, and no CONNECT is sent.
    Connect,
}

impl SlowStage {
    /// All stages, in the order of a connection.
    pub(crate) const ALL: [Self; 7] = [
        Self::Connection,
        Self::Hello,
        Self::Handshake,
        Self::Request,
        Self::Head,
        Self::Body,
        Self::Connect,
    ];
}

/// How the target ended a slow client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SlowEnd {
    /// With a response of this status.
    Status(u16),
    /// With a close frame and its code, or by the end of a WebSocket.
    Socket(SocketEnd),
    /// By the end of the connection.
    Closed,
    /// The connection is still open.
    Open,
}

impl SlowEnd {
    /// A few words for the report.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Status(status) => format!("status {status}"),
            Self::Socket(end) => end.words(),
            Self::Closed => String::from("the connection was closed"),
            Self::Open => String::from("the connection stays open"),
        }
    }
}

/// A slow client, from its start to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SlowRun {
    pub(crate) end: SlowEnd,
    /// The time from the start to the end, or to the limit.
    pub(crate) time: Duration,
}

/// What ends a slow client beside the end of its connection.
enum Reader {
    /// Nothing: bytes of a TLS handshake are not an answer.
    Bytes(Connection),
    /// A response.
    Responses(Connection),
    /// A close frame.
    Frames(WebSocket),
}

/// A slow client on an open connection.
pub(crate) struct SlowClient {
    reader: Reader,
    /// The bytes that are still sent, one by one.
    bytes: std::vec::IntoIter<u8>,
}

impl SlowClient {
    /// A client below HTTP, which sends these bytes one by one.
    pub(crate) fn below_http(connection: Connection, bytes: Vec<u8>) -> io::Result<Self> {
        connection.wait_at_most(PAUSE)?;
        Ok(Self { reader: Reader::Bytes(connection), bytes: bytes.into_iter() })
    }

    /// A client of HTTP, which sends these bytes one by one.
    pub(crate) fn of_http(connection: Connection, bytes: Vec<u8>) -> io::Result<Self> {
        connection.wait_at_most(PAUSE)?;
        Ok(Self { reader: Reader::Responses(connection), bytes: bytes.into_iter() })
    }

    /// A WebSocket on which nothing is sent.
    pub(crate) fn silent_socket(socket: WebSocket) -> io::Result<Self> {
        socket.0.wait_at_most(PAUSE)?;
        Ok(Self { reader: Reader::Frames(socket), bytes: Vec::new().into_iter() })
    }

    /// Sends the bytes until the target ends the connection, or until the limit.
    pub(crate) fn run(mut self, limit: Duration) -> SlowRun {
        let started = Moment::now();
        loop {
            if let Some(byte) = self.bytes.next() {
                self.connection().send(&[byte]);
            }
            let end = self.read();
            let time = Moment::now().since(started);
            if end != SlowEnd::Open || time >= limit {
                return SlowRun { end, time };
            }
        }
    }

    fn connection(&mut self) -> &mut Connection {
        match &mut self.reader {
            Reader::Bytes(connection) | Reader::Responses(connection) => connection,
            Reader::Frames(socket) => &mut socket.0,
        }
    }

    /// Reads for the time of a pause.
    fn read(&mut self) -> SlowEnd {
        match &mut self.reader {
            Reader::Bytes(connection) => match connection.read() {
                ReadOutcome::End => SlowEnd::Closed,
                ReadOutcome::Bytes | ReadOutcome::Silence => SlowEnd::Open,
            },
            Reader::Responses(connection) => match Answer::read(connection) {
                Answer::Response(response) => SlowEnd::Status(response.status),
                Answer::Closed => SlowEnd::Closed,
                Answer::Silent => SlowEnd::Open,
            },
            Reader::Frames(socket) => match socket.end() {
                SocketEnd::Open => SlowEnd::Open,
                end @ (SocketEnd::Code(_) | SocketEnd::Closed) => SlowEnd::Socket(end),
            },
        }
    }
}
