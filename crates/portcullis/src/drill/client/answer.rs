//! The answer of the target: a response, the end of the connection, or silence.
//! Never: a body or a header beyond the bounds of a connection.

use super::connection::{Connection, READ_MAX_BYTES, ReadOutcome, WHOLE_TIMEOUT};
use super::obstacle::Obstacle;

/// Most headers that are read.
const HEADERS_MAX: usize = 100;

/// A response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names are in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// The result of a request.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    Response(Response),
    /// The connection ended without a response.
    Closed,
    /// Nothing arrived in time.
    Silent,
    /// As many bytes as are read, and no response.
    TooLong,
    /// Bytes arrived, but the answer was not complete in its time.
    Late,
}

impl Response {
    /// The first value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// All values of a header, separated by commas; `None` without the header.
    pub(crate) fn headers(&self, name: &str) -> Option<String> {
        let named = self.headers.iter().filter(|(own, _)| own == name);
        let values: Vec<&str> = named.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }

    /// Whether a header or the body contains a text.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.headers.iter().any(|(_, value)| value.contains(text)) || self.body_contains(text)
    }

    pub(crate) fn body_contains(&self, text: &str) -> bool {
        memchr::memmem::find(&self.body, text.as_bytes()).is_some()
    }
}

impl Answer {
    /// Reads the answer to a request.
    pub(crate) fn read(connection: &mut Connection) -> Self {
        match Self::read_head(connection) {
            Self::Response(response) => read_body(response, connection),
            answer => answer,
        }
    }

    /// Reads the head of the answer to a request.
    pub(crate) fn read_head(connection: &mut Connection) -> Self {
        connection.start_answer();
        loop {
            if let Some((response, length)) = parse_head(&connection.buffer) {
                connection.buffer.drain(..length);
                return Self::Response(response);
            }
            match connection.read() {
                ReadOutcome::Bytes => {}
                ReadOutcome::End => return Self::Closed,
                ReadOutcome::Limit => return Self::TooLong,
                ReadOutcome::Silence => return Self::Silent,
                ReadOutcome::Late => return Self::Late,
            }
        }
    }

    /// The answer, unless it was not complete in its time: nothing is known about such a target.
    pub(crate) fn in_time(self) -> Result<Self, Obstacle> {
        match self {
            Self::Late => Err(Obstacle::Other(format!("not checked: {}", self.words()))),
            answer => Ok(answer),
        }
    }

    /// The status; 0 without a response.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Response(response) => response.status,
            Self::Closed | Self::Silent | Self::TooLong | Self::Late => 0,
        }
    }

    pub(crate) fn response(&self) -> Option<&Response> {
        match self {
            Self::Response(response) => Some(response),
            Self::Closed | Self::Silent | Self::TooLong | Self::Late => None,
        }
    }

    /// Whether the request was served: a status below 400.
    pub(crate) fn is_served(&self) -> bool {
        (100..400).contains(&self.status())
    }

    /// A few words for the report.
    pub(crate) fn words(&self) -> String {
        match self {
            Self::Response(response) => format!("status {}", response.status),
            Self::Closed => String::from("the connection was closed"),
            Self::Silent => String::from("no answer in 3 s"),
            Self::TooLong => format!("no response in {} KiB", READ_MAX_BYTES / 1_024),
            Self::Late => format!("the answer was not complete in {} s", WHOLE_TIMEOUT.as_secs()),
        }
    }
}

/// A head and its length; `None` until it is complete.
fn parse_head(bytes: &[u8]) -> Option<(Response, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) | Err(_) => return None,
    };
    let status = response.code?;
    let text = |value: &[u8]| String::from_utf8_lossy(value).trim().to_owned();
    let headers = response.headers.iter();
    let headers = headers.map(|header| (header.name.to_ascii_lowercase(), text(header.value)));
    Some((Response { status, headers: headers.collect(), body: Vec::new() }, length))
}

/// Reads the body, as far as the target sends it.
fn read_body(mut response: Response, connection: &mut Connection) -> Answer {
    if response.status == 101 {
        return Answer::Response(response);
    }
    let is_chunked = response.header("transfer-encoding").is_some();
    let length = response.header("content-length").and_then(|length| length.parse().ok());
    let is_complete = |buffer: &[u8]| match length {
        Some(length) if !is_chunked => buffer.len() >= length,
        _ => is_chunked && buffer.ends_with(b"0\r\n\r\n"),
    };
    while !is_complete(&connection.buffer) {
        match connection.read() {
            ReadOutcome::Bytes => {}
            ReadOutcome::End | ReadOutcome::Limit | ReadOutcome::Silence => break,
            ReadOutcome::Late => return Answer::Late,
        }
    }
    let mut body = std::mem::take(&mut connection.buffer);
    match length {
        _ if is_chunked => body = decode_chunks(&body),
        Some(length) => body.truncate(length),
        None => {}
    }
    response.body = body;
    Answer::Response(response)
}

/// The content of chunks (RFC 9112 section 7.1), as far as they are complete.
fn decode_chunks(mut bytes: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    while let Some(end) = memchr::memmem::find(bytes, b"\r\n") {
        let line = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
        let size = line.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else { break };
        let rest = bytes.get(end + 2..).unwrap_or_default();
        let Some(chunk) = rest.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        content.extend_from_slice(chunk);
        bytes = rest.get(size + 2..).unwrap_or_default();
    }
    content
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::drill::client::connection::tests::{connect, drip};

    #[test]
    fn answer_that_drips_is_late_in_its_head_and_in_its_body() {
        for first in [
            b"".as_slice(),
            b"HTTP/1.1 200 OK\r\nX: ",
            b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n",
            b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n3e7\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
        ] {
            let (mut connection, target) = connect(move |socket| drip(socket, first, b'x'));
            connection.wait_at_most(Duration::from_millis(60));
            let answer = Answer::read(&mut connection);
            assert!(matches!(answer, Answer::Late), "{first:?}: {answer:?}");
            let Err(Obstacle::Other(why)) = answer.in_time() else { panic!("{first:?}") };
            assert_eq!(why, "not checked: the answer was not complete in 10 s");
            drop(connection);
            target.join().unwrap();
        }
    }

    #[test]
    fn head_is_read_when_it_is_complete() {
        let head = b"HTTP/1.1 403 Forbidden\r\nX-A:  b \r\nx-a: c\r\n\r\n";
        let (response, length) = parse_head(head).unwrap();
        assert_eq!((response.status, length), (403, head.len()));
        assert_eq!(response.header("x-a"), Some("b"));
        assert_eq!(response.headers("x-a").as_deref(), Some("b, c"));
        assert_eq!(response.headers("x-b"), None);
        assert!(response.contains("c") && !response.contains("d"));
        for partial in [&head[..10], b"".as_slice(), b"SSH-2.0-x\r\n"] {
            assert!(parse_head(partial).is_none());
        }
    }

    #[test]
    fn chunks_are_decoded_as_far_as_they_are_complete() {
        for (bytes, expect) in [
            (b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n".as_slice(), b"abcde".as_slice()),
            (b"3\r\nabc\r\n9\r\nde", b"abc"),
            (b"x\r\nabc", b""),
            (b"", b""),
        ] {
            assert_eq!(decode_chunks(bytes), expect);
        }
    }
}
