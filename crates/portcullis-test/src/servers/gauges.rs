//! Gauges of a server under test: its own metrics, and its process as the machine reports it.
//! Never: decides by one sample of a state that changes later.

use std::time::Duration;

use crate::clients::http::Request;
use crate::deadline::{Deadline, WAIT};
use crate::servers::server::TestServer;
use crate::wait::pause;

/// The gauges of connections on the private listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gauges {
    /// Connections in the real-time stage.
    pub open: u64,
    /// Slots of those that have not signed in.
    pub pre_auth: u64,
    /// Slots of those that have.
    pub authenticated: u64,
}

impl Gauges {
    /// Reads them once.
    #[must_use]
    pub fn read(server: &TestServer) -> Self {
        let text = metrics(server);
        let of = |name: &str| value_of(&text, name).expect("a gauge");
        Self {
            open: of("portcullis_connections_open"),
            pre_auth: of("portcullis_slots_pre_auth"),
            authenticated: of("portcullis_slots_authenticated"),
        }
    }

    /// Waits until they are as given.
    ///
    /// # Panics
    /// When they are not in time; the message shows what they are.
    pub fn wait_for(self, server: &TestServer) {
        self.wait_within(WAIT, server);
    }

    /// The same with another deadline.
    ///
    /// # Panics
    /// When they are not in time; the message shows what they are.
    pub fn wait_within(self, wait: Duration, server: &TestServer) {
        let deadline = Deadline::after(wait);
        loop {
            let now = Self::read(server);
            if now == self {
                return;
            }
            assert!(deadline.left().is_some(), "the gauges stay at {now:?}, not {self:?}");
            pause();
        }
    }
}

/// A counter or gauge by its name, labels included; 0 while there is none.
#[must_use]
pub fn counter(server: &TestServer, name: &str) -> u64 {
    value_of(&metrics(server), name).unwrap_or(0)
}

/// Files the process has open, sockets included.
#[must_use]
pub fn open_files(server: &TestServer) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count()
}

/// Processor time the process has used, in milliseconds.
#[must_use]
pub fn processor_ms(server: &TestServer) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
    // The name is in parentheses and can contain spaces; user and system time are the 12th and
    // 13th word behind it, in ticks of 10 ms.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    let words: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |index: usize| words[index].parse::<u64>().unwrap();
    (ticks(11) + ticks(12)) * 10
}

fn metrics(server: &TestServer) -> String {
    let answer = Request::get(server, "/metrics").ask_private(server);
    assert_eq!(answer.status, 200, "metrics");
    String::from_utf8(answer.body).unwrap()
}

fn value_of(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
    lines.find_map(|rest| rest.strip_prefix(' ')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_whole_name() {
        let text = "# HELP a_open x\na_open_more 3\na_open 2\nb_total{rule=\"x\"} 7\n";
        assert_eq!(value_of(text, "a_open"), Some(2));
        assert_eq!(value_of(text, "b_total{rule=\"x\"}"), Some(7));
        assert_eq!(value_of(text, "c"), None);
    }
}
