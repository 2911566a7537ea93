//! Signed-in attackers that send packets by a schedule.
//! Never: a packet before its planned time.

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use crate::clients::client::Visit;
use crate::clients::token::{KEYS_ISSUER, unix_s};
use crate::siege::attack::attackers::{ATTACKERS_FROM, from, user};
use crate::siege::attack::schedule::{AGAIN_MS, COME_MS, FIRST_MS, Siege, TIMEOUT};
use crate::siege::users::client_group::{create_room, enter};
use crate::siege::users::polling::{Connection, Way};

/// The messages of an honest-looking flood, which also fill the outbox of a slow consumer.
pub(crate) const LONG_CHARS: usize = 1_000;
/// Speakers have other addresses than readers, because readers are counted by address.
const SPEAKERS_FROM: u32 = 1_000;
const SPEAKERS_A_FLOOD: u32 = 200;
/// Connections of a user who floods with CONNECT packets: as many as a user may have.
pub(crate) const CONNECTIONS_EACH: u32 = 5;
/// The factor for CONNECT packets of a WebSocket in the first seconds.
pub(crate) const TIMES_AT_FIRST: u32 = 5;

/// A signed-in attacker who sends packets by a schedule.
pub(crate) struct Speaker {
    pub(crate) siege: Siege,
    pub(crate) number: u32,
    pub(crate) speech: Speech,
}

/// The packets that such an attacker sends.
#[derive(Debug, Clone)]
pub(crate) enum Speech {
    /// Messages to a room; without one, to a room of their own.
    Messages { room: Option<String> },
    /// Packets that connect to namespaces.
    Connects { packets: Packets, way: Way },
}

impl Speech {
    /// The interval between batches of packets, in milliseconds.
    ///
    /// A long-polling user may make ten requests a second on all connections together.
    pub(crate) fn every_ms(&self) -> u64 {
        match self {
            Self::Messages { .. } | Self::Connects { way: Way::Socket, .. } => 50,
            Self::Connects { way: Way::Polling, .. } => 1_250,
        }
    }

    /// The factor for packets in the first seconds.
    ///
    /// The limits of bytes admit so many at once.
    pub(crate) fn times_at_first(&self) -> u32 {
        match self {
            Self::Connects { way: Way::Socket, .. } => TIMES_AT_FIRST,
            Self::Messages { .. } | Self::Connects { way: Way::Polling, .. } => 1,
        }
    }
}

/// The CONNECT packets that an attacker repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packets {
    /// `40/admin,{"token":…}`: a namespace that rejects ordinary users.
    Admin,
    /// `41`, then `40{"token":…}`: the default namespace is left and entered again.
    Pairs,
}

impl Speaker {
    /// Connects; returns the packets that are sent at a time.
    pub(crate) async fn enter(&self, many: u32) -> Result<(Connection, Vec<String>)> {
        // Floods of one experiment have users and addresses of their own.
        let flood = u32::try_from(self.siege.flood).unwrap_or_default();
        let first = SPEAKERS_FROM + flood * SPEAKERS_A_FLOOD;
        let visit = match self.speech {
            Speech::Messages { .. } => user(first + self.number)?,
            Speech::Connects { .. } => {
                let user = first + self.number / CONNECTIONS_EACH;
                let number = ATTACKERS_FROM + user as usize;
                let token = self.siege.signer.token_of(KEYS_ISSUER, number, unix_s()?);
                Visit { token: Some(token), ..from(user) }
            }
        };
        let way = match self.speech {
            Speech::Messages { .. } => Way::Socket,
            Speech::Connects { way, .. } => way,
        };
        let mut connection = Connection::sign_in(&self.siege.door, &visit, way).await?;
        let (room, text) = match &self.speech {
            Speech::Connects { packets, .. } => {
                return Ok((connection, packets.burst(&visit, many)));
            }
            Speech::Messages { room: Some(room) } => {
                enter(&mut connection, room).await?;
                (room.clone(), "long-".repeat(LONG_CHARS / 5))
            }
            Speech::Messages { room: None } => {
                (create_room(&mut connection).await?, String::from("flood"))
            }
        };
        let packet = format!(r#"429["chat:send",{{"roomId":"{room}","message":"{text}"}}]"#);
        Ok((connection, vec![packet; many as usize]))
    }

    /// Whether an answer says that something was done for the attacker, or judged in full.
    fn is_admitted(&self, packet: &str) -> bool {
        match self.speech {
            Speech::Messages { .. } => packet.starts_with("439") && packet.contains("\"ok\":true"),
            Speech::Connects { .. } => {
                packet.starts_with("40")
                    || (packet.starts_with("44") && !packet.contains("rate_limited"))
            }
        }
    }

    /// Reads until then, as clients do; an error when they are thrown out.
    pub(crate) async fn receives_until(
        &self,
        connection: &mut Connection,
        at_ms: u64,
    ) -> Result<()> {
        loop {
            let left_ms = at_ms.saturating_sub(self.siege.timeline.now_ms());
            match timeout(Duration::from_millis(left_ms), connection.until(b"")).await {
                Ok(packet) => {
                    let packet = packet?;
                    if self.is_admitted(&packet) {
                        self.siege.admitted();
                    } else if packet == "2" {
                        connection.send("3").await?;
                    }
                    // A client that receives without end still has to send.
                    if left_ms == 0 {
                        return Ok(());
                    }
                }
                Err(_due) => return Ok(()),
            }
        }
    }
}

impl Packets {
    /// So many packets, with the token of an attacker.
    fn burst(self, visit: &Visit, many: u32) -> Vec<String> {
        let token = visit.token.as_deref().unwrap_or_default();
        let packet = |number: u32| match (self, number % 2) {
            (Self::Admin, _) => format!(r#"40/admin,{{"token":"{token}"}}"#),
            (Self::Pairs, 0) => String::from("41"),
            (Self::Pairs, _) => format!(r#"40{{"token":"{token}"}}"#),
        };
        (0..many).map(packet).collect()
    }
}

impl Siege {
    /// Has a number of users send a number of packets a second each.
    pub(crate) async fn talk(&self, users: u32, a_second: u32, speech: Speech) {
        let mut tasks = JoinSet::new();
        for number in 0..users {
            let (siege, speech) = (self.clone(), speech.clone());
            let enter_ms = self.from_ms + u64::from(number) * COME_MS / u64::from(users);
            // A blocked user cannot sign in again: every connection opens before the flood begins.
            let first_ms = match speech {
                Speech::Messages { .. } => enter_ms,
                Speech::Connects { .. } => self.from_ms + COME_MS,
            };
            let speaker = Speaker { siege, number, speech };
            tasks.spawn_local(speak(speaker, a_second, enter_ms, first_ms));
        }
        self.timeline.wait(self.end_ms).await;
    }
}

/// One user's schedule goes on while they are thrown out or come back: what falls due then is due,
/// and not sent.
async fn speak(speaker: Speaker, a_second: u32, enter_ms: u64, first_ms: u64) {
    let siege = &speaker.siege;
    let every_ms = speaker.speech.every_ms().max(1_000 / u64::from(a_second.max(1)));
    let many = u32::try_from(u64::from(a_second) * every_ms / 1_000).unwrap_or(u32::MAX);
    let (mut at_ms, mut here_ms) = (first_ms, first_ms);
    let mut here: Option<(Connection, Vec<String>)> = None;
    if enter_ms < first_ms {
        siege.timeline.wait(enter_ms).await;
        here = timeout(TIMEOUT, speaker.enter(many)).await.ok().and_then(Result::ok);
    }
    while at_ms < siege.end_ms {
        let received = match &mut here {
            Some((connection, _)) => speaker.receives_until(connection, at_ms).await,
            None => {
                siege.timeline.wait(at_ms).await;
                Ok(())
            }
        };
        if received.is_err() {
            here = None;
            here_ms = siege.timeline.now_ms() + AGAIN_MS;
        }
        if here.is_none() && siege.timeline.now_ms() >= here_ms {
            here = timeout(TIMEOUT, speaker.enter(many)).await.ok().and_then(Result::ok);
            here_ms = siege.timeline.now_ms();
            here_ms += if here.is_some() { 0 } else { AGAIN_MS };
        }
        let times = match at_ms < first_ms + FIRST_MS {
            true => speaker.speech.times_at_first(),
            false => 1,
        };
        siege.note(at_ms, |tally| tally.due += many * times);
        // Messages that were due while the user was disconnected count against the server.
        if let Some((connection, burst)) = &mut here
            && at_ms + every_ms > here_ms
            && siege.sends(at_ms, many * times)
        {
            let packets = vec![burst.as_slice(); times as usize].concat();
            let sent = timeout(TIMEOUT, connection.send_many(&packets)).await;
            if !matches!(sent, Ok(Ok(()))) {
                here = None;
                here_ms = siege.timeline.now_ms() + AGAIN_MS;
            }
        }
        at_ms += every_ms;
    }
    // Answers to the last of it still count.
    if let Some((connection, _)) = &mut here {
        let _lost = speaker.receives_until(connection, siege.end_ms).await;
    }
}
