//! A stock Socket.IO client: its transports, and the delay before its next attempt.
//! Never: waits longer or shorter than the stock client.

use std::time::Duration;

use anyhow::{Error, Result, bail};
use tokio::time::timeout;

use crate::clients::client::{Door, Visit};
use crate::siege::users::polling::{Connection, Poller, Way};

/// `reconnectionDelay`, `reconnectionDelayMax`, `randomizationFactor` and `timeout` of the client.
const DELAY_MS: u64 = 1_000;
const DELAY_MAX_MS: u64 = 5_000;
const RANDOM_PERCENT: u64 = 50;
const TIMEOUT: Duration = Duration::from_secs(20);

/// The transports a client is configured with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transports {
    /// Long-polling first, then a WebSocket that takes the session over.
    Default,
    WebSocketOnly,
}

/// A client that is connected.
pub(crate) struct Stock {
    pub(crate) connection: Connection,
    /// The HTTP connections that a browser keeps open after the upgrade.
    _kept: Option<Box<Poller>>,
}

impl Stock {
    /// Connects and signs in at `/`.
    pub(crate) async fn sign_in(
        door: &Door,
        visit: &Visit,
        transports: Transports,
    ) -> Result<Self> {
        match timeout(TIMEOUT, Self::connect(door, visit, transports)).await {
            Ok(connected) => connected,
            Err(_elapsed) => bail!("no answer in time"),
        }
    }

    async fn connect(door: &Door, visit: &Visit, transports: Transports) -> Result<Self> {
        match transports {
            Transports::WebSocketOnly => {
                let connection = Connection::sign_in(door, visit, Way::Socket).await?;
                Ok(Self { connection, _kept: None })
            }
            Transports::Default => {
                let mut poller = Box::new(Poller::open(door, visit).await?);
                let token = visit.token.as_deref().unwrap_or_default();
                let packet = format!(r#"40{{"token":"{token}"}}"#);
                Ok(match poller.sign_in_and_upgrade(door, visit, &packet).await? {
                    Ok(socket) => {
                        Self { connection: Connection::Socket(socket), _kept: Some(poller) }
                    }
                    Err(_stays) => Self { connection: Connection::Polling(poller), _kept: None },
                })
            }
        }
    }
}

/// The reason of a failed attempt, as its client sees it.
pub(crate) fn cause(error: &Error) -> String {
    let text = format!("{error:#}");
    let status = text.split_once("HTTP/1.1 ").and_then(|(_, rest)| rest.get(..3));
    if let Some(status) = status {
        return format!("HTTP {status}");
    }
    let known = ["not connected", "cannot connect", "TLS failed", "no answer in time"];
    let known = known.iter().find(|known| text.contains(*known));
    String::from(*known.unwrap_or(&"connection closed"))
}

/// Whether the stock client tries again by itself: it does not when the server has answered its
/// CONNECT with an error.
pub(crate) fn tries_again(error: &Error) -> bool {
    !format!("{error:#}").contains("not connected: 44")
}

/// The delay before the next attempt of a client.
pub(crate) struct Backoff {
    attempts: u32,
    random: Random,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { attempts: 0, random: Random::new(seed) }
    }

    /// Twice as long each time, up to a maximum, give or take a random part.
    pub(crate) fn next(&mut self) -> Duration {
        let doubled = DELAY_MS.saturating_mul(1 << self.attempts.min(10));
        self.attempts += 1;
        let part = doubled * RANDOM_PERCENT * self.random.below(1_000) / 100_000;
        let delay = if self.random.below(2) == 0 { doubled - part } else { doubled + part };
        Duration::from_millis(delay.min(DELAY_MAX_MS))
    }
}

/// A source of random numbers that gives the same ones for the same seed (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 up to, not including, `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    /// A number from 0 to 1.
    pub(crate) fn part(&mut self) -> f64 {
        self.below(1 << 53) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_maximum_and_vary_by_half() {
        let mut seen = vec![Vec::new(); 6];
        for seed in 0..200 {
            let mut backoff = Backoff::new(seed);
            for delays in &mut seen {
                delays.push(backoff.next().as_millis() as u64);
            }
        }
        let ranges = [(500, 1_500), (1_000, 3_000), (2_000, 5_000), (4_000, 5_000)];
        for (delays, (least, most)) in seen.iter().zip(ranges) {
            assert!(delays.iter().all(|delay| (least..=most).contains(delay)), "{delays:?}");
        }
        assert!(seen[5].iter().all(|delay| *delay == 5_000));
        let (least, most) = (seen[0].iter().min().unwrap(), seen[0].iter().max().unwrap());
        assert!(*least < 600 && *most > 1_400, "{least} to {most}");
    }

    #[test]
    fn causes_are_distinguished() {
        let cases = [
            ("refused: HTTP/1.1 429 Too Many Requests", "HTTP 429", true),
            ("not connected: 44{\"message\":\"a\"}", "not connected", false),
            ("cannot connect", "cannot connect", true),
            ("the server closed the connection", "connection closed", true),
        ];
        for (text, expect, again) in cases {
            let error = Error::msg(text);
            assert_eq!((cause(&error).as_str(), tries_again(&error)), (expect, again));
        }
    }
}
