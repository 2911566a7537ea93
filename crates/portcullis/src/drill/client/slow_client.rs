//! A slow client of a drill: it stops at a stage of its connection, or sends a byte now and then.
//! Never: more than four bytes a second; a wait beyond its limit.

use std::thread;
use std::time::Duration;

use portcullis_model::Moment;

use super::answer::Answer;
use super::connection::{Connection, READ_MAX_BYTES, ReadOutcome};
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
    /// Unknown: the target sent more bytes than a drill reads.
    TooLong,
}

impl SlowEnd {
    /// A few words for the report.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Status(status) => format!("status {status}"),
            Self::Socket(end) => end.words(),
            Self::Closed => String::from("the connection was closed"),
            Self::Open => String::from("the connection stays open"),
            Self::TooLong => {
                let sent = READ_MAX_BYTES / 1_024;
                format!("the target sent {sent} KiB, the most that a drill reads")
            }
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
    pub(crate) fn below_http(mut connection: Connection, bytes: Vec<u8>) -> Self {
        connection.wait_at_most(PAUSE);
        Self { reader: Reader::Bytes(connection), bytes: bytes.into_iter() }
    }

    /// A client of HTTP, which sends these bytes one by one.
    pub(crate) fn of_http(mut connection: Connection, bytes: Vec<u8>) -> Self {
        connection.wait_at_most(PAUSE);
        Self { reader: Reader::Responses(connection), bytes: bytes.into_iter() }
    }

    /// A WebSocket on which nothing is sent.
    pub(crate) fn silent_socket(mut socket: WebSocket) -> Self {
        socket.0.wait_at_most(PAUSE);
        Self { reader: Reader::Frames(socket), bytes: Vec::new().into_iter() }
    }

    /// Sends the bytes until the target ends the connection, or until the limit.
    pub(crate) fn run(mut self, limit: Duration) -> SlowRun {
        let started = Moment::now();
        loop {
            let turn = Moment::now();
            if let Some(byte) = self.bytes.next() {
                self.connection().send(&[byte]);
            }
            let end = self.read();
            let time = Moment::now().since(started);
            if end != SlowEnd::Open || time >= limit {
                return SlowRun { end, time };
            }
            // Many frames end a read before its time.
            thread::sleep(PAUSE.saturating_sub(Moment::now().since(turn)));
        }
    }

    fn connection(&mut self) -> &mut Connection {
        match &mut self.reader {
            Reader::Bytes(connection) | Reader::Responses(connection) => connection,
            Reader::Frames(socket) => &mut socket.0,
        }
    }

    /// Reads for the time of a pause at most.
    fn read(&mut self) -> SlowEnd {
        match &mut self.reader {
            Reader::Bytes(connection) => match connection.read_all() {
                ReadOutcome::End => SlowEnd::Closed,
                ReadOutcome::Limit => SlowEnd::TooLong,
                ReadOutcome::Bytes | ReadOutcome::Silence | ReadOutcome::Late => SlowEnd::Open,
            },
            Reader::Responses(connection) => match Answer::read_head(connection) {
                Answer::Response(response) => SlowEnd::Status(response.status),
                Answer::Closed => SlowEnd::Closed,
                Answer::Silent | Answer::Late => SlowEnd::Open,
                Answer::TooLong => SlowEnd::TooLong,
            },
            Reader::Frames(socket) => match socket.end() {
                SocketEnd::Open => SlowEnd::Open,
                end @ (SocketEnd::Code(_) | SocketEnd::Closed) => SlowEnd::Socket(end),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::drill::client::connection::tests::{connect, drip};

    #[test]
    fn target_that_streams_is_not_a_closed_connection() {
        type Open = fn(Connection, Vec<u8>) -> SlowClient;
        let streamed = READ_MAX_BYTES + 4_096;
        for (open, bytes, expect) in [
            (SlowClient::below_http as Open, streamed, SlowEnd::TooLong),
            (SlowClient::of_http, streamed, SlowEnd::TooLong),
            (SlowClient::below_http, 10_000, SlowEnd::Closed),
            (SlowClient::of_http, 10_000, SlowEnd::Closed),
        ] {
            let (connection, target) = connect(move |mut socket| {
                // The client closes the connection when it has read enough.
                let _closed = socket.write_all(&vec![b'x'; bytes]);
            });
            let client = open(connection, Vec::new());
            assert_eq!(client.run(Duration::from_secs(60)).end, expect, "{bytes}");
            target.join().unwrap();
        }
    }

    #[test]
    fn bytes_are_sent_with_pauses_whatever_the_target_sends() {
        let (connection, target) = connect(|mut socket| {
            let (mut received, mut part) = (0, [0; 64]);
            while let Ok(count @ 1..) = socket.read(&mut part) {
                received += count;
                let _closed = socket.write_all(&[b'x'; 64]);
            }
            received
        });
        let client = SlowClient::below_http(connection, vec![b'a'; 1_000]);
        let run = client.run(PAUSE);
        assert_eq!(run.end, SlowEnd::Open);
        assert!(run.time >= PAUSE, "{run:?}");
        let received = target.join().unwrap();
        assert!(received <= 2, "{received}");
    }

    #[test]
    fn target_that_drips_is_an_open_connection() {
        type Open = fn(Connection) -> SlowClient;
        let opens: [Open; 3] = [
            |connection| SlowClient::below_http(connection, Vec::new()),
            |connection| SlowClient::of_http(connection, Vec::new()),
            |connection| SlowClient::silent_socket(WebSocket(connection)),
        ];
        for open in opens {
            let (connection, target) = connect(|socket| drip(socket, b"x", b'x'));
            assert_eq!(open(connection).run(PAUSE).end, SlowEnd::Open);
            target.join().unwrap();
        }
        let head = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 999\r\n\r\n";
        let (connection, target) = connect(|socket| drip(socket, head, b'x'));
        let run = SlowClient::of_http(connection, Vec::new()).run(PAUSE);
        assert_eq!(run.end, SlowEnd::Status(408), "the body is not waited for");
        target.join().unwrap();
    }
}
