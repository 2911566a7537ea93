//! Forwards the lines of the log to a syslog server over TLS (RFC 5424, RFC 5425).
//! Never: makes the log wait; the log's own files are the queue.

pub(crate) mod options; // the server, its authorities, the file with the position
pub(crate) mod message; // one line as a syslog message
pub(crate) mod position; // the last line that has arrived, and the file that keeps its number
pub(crate) mod connection; // one TLS connection
pub(crate) mod sender; // the thread that sends
pub(crate) mod status; // whether the server is connected, for metrics
