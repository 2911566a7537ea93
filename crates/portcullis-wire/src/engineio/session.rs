//! Heartbeat and CONNECT deadline of one Engine.IO session: a pure state machine.
//! Never: reads a clock; every call gets the time.

use super::packet::EnginePacket;

/// Times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct SessionOptions {
    /// Time between two pings.
    pub ping_interval_ms: u64,
    /// Time from a ping until a missing pong ends the session.
    pub ping_timeout_ms: u64,
    /// Time from the start to the first accepted CONNECT.
    pub connect_timeout_ms: u64,
    /// Pongs without a ping that the peer may send in one minute.
    pub unsolicited_pongs_per_minute: u32,
}

/// How late a ping may be before the deadline of its pong moves, in milliseconds.
const LATE_MAX_MS: u64 = 20;

/// The result of checking the deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing is due yet.
    Nothing {
        /// When to check again.
        next_ms: u64,
    },
    /// A ping has to be sent now.
    Ping {
        /// When to check again.
        next_ms: u64,
    },
    /// The session has ended.
    Expired(Expiry),
}

/// The deadline that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// No pong.
    Ping,
    /// No CONNECT.
    Connect,
}

/// The meaning of a packet for the layer above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEvent<'a> {
    /// A message for that layer.
    Message(&'a str),
    /// The peer ended the session.
    Closed,
    /// Nothing.
    Nothing,
}

/// Why a packet ends the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionFault {
    /// A client may not send this packet, or not in this state.
    Packet(&'static str),
    /// Too many pongs without a ping.
    PongFlood,
}

/// One session: 40 bytes.
#[derive(Debug)]
pub struct Session {
    next_ping_ms: u64,
    /// When a missing pong ends the session; 0 if no ping waits for an answer.
    pong_due_ms: u64,
    /// When a missing CONNECT ends the session; 0 after a CONNECT.
    connect_due_ms: u64,
    pongs_since_ms: u64,
    pongs: u32,
}

impl Session {
    /// A session that starts now.
    #[must_use]
    pub fn open(now_ms: u64, options: &SessionOptions) -> Self {
        Self {
            next_ping_ms: now_ms.saturating_add(options.ping_interval_ms),
            pong_due_ms: 0,
            connect_due_ms: now_ms.saturating_add(options.connect_timeout_ms).max(1),
            pongs_since_ms: now_ms,
            pongs: 0,
        }
    }

    /// Processes a packet of the client.
    ///
    /// # Errors
    /// [`SessionFault`] ends the session.
    pub fn receive<'a>(
        &mut self,
        packet: EnginePacket<'a>,
        now_ms: u64,
        options: &SessionOptions,
    ) -> Result<SessionEvent<'a>, SessionFault> {
        match packet {
            EnginePacket::Message(text) => Ok(SessionEvent::Message(text)),
            EnginePacket::Close => Ok(SessionEvent::Closed),
            EnginePacket::Pong("") => self.pong(now_ms, options),
            EnginePacket::Pong(_) => Err(SessionFault::Packet("pong_data")),
            EnginePacket::Ping(_) => Err(SessionFault::Packet("ping_from_client")),
            EnginePacket::Open => Err(SessionFault::Packet("open_from_client")),
            EnginePacket::Upgrade => Err(SessionFault::Packet("upgrade")),
            EnginePacket::Noop => Err(SessionFault::Packet("noop_from_client")),
        }
    }

    /// Records that a namespace accepted the client, which meets the CONNECT deadline.
    pub fn connected(&mut self) {
        self.connect_due_ms = 0;
    }

    /// Records that the client left its last namespace: the CONNECT deadline starts again.
    pub fn disconnected(&mut self, now_ms: u64, options: &SessionOptions) {
        self.connect_due_ms = now_ms.saturating_add(options.connect_timeout_ms).max(1);
    }

    /// Moves the deadline of the pong, because the server has not read the client's packets.
    pub fn excuse_pong(&mut self, now_ms: u64, options: &SessionOptions) {
        if self.pong_due_ms != 0 {
            self.pong_due_ms = now_ms.saturating_add(options.ping_timeout_ms).max(1);
        }
    }

    /// Checks the deadlines.
    pub fn due(&mut self, now_ms: u64, options: &SessionOptions) -> Due {
        if self.connect_due_ms != 0 && now_ms >= self.connect_due_ms {
            return Due::Expired(Expiry::Connect);
        }
        if self.pong_due_ms != 0 && now_ms >= self.pong_due_ms {
            return Due::Expired(Expiry::Ping);
        }
        if self.pong_due_ms == 0 && now_ms >= self.next_ping_ms {
            // A timer that is slightly late does not move the deadline.
            let since_ms = now_ms.saturating_sub(LATE_MAX_MS).max(self.next_ping_ms);
            self.pong_due_ms = since_ms.saturating_add(options.ping_timeout_ms).max(1);
            return Due::Ping { next_ms: self.next_ms() };
        }
        Due::Nothing { next_ms: self.next_ms() }
    }

    /// When the deadlines have to be checked, at the latest.
    #[must_use]
    pub fn next_ms(&self) -> u64 {
        let heartbeat = if self.pong_due_ms == 0 { self.next_ping_ms } else { self.pong_due_ms };
        if self.connect_due_ms == 0 { heartbeat } else { heartbeat.min(self.connect_due_ms) }
    }

    /// The pong of a ping starts the next interval. Any other pong is only counted, so that pongs
    /// cannot delay pings (T-181).
    fn pong<'a>(
        &mut self,
        now_ms: u64,
        options: &SessionOptions,
    ) -> Result<SessionEvent<'a>, SessionFault> {
        if self.pong_due_ms != 0 {
            self.pong_due_ms = 0;
            self.next_ping_ms = now_ms.saturating_add(options.ping_interval_ms);
            return Ok(SessionEvent::Nothing);
        }
        if now_ms.saturating_sub(self.pongs_since_ms) >= 60_000 {
            self.pongs_since_ms = now_ms;
            self.pongs = 0;
        }
        self.pongs = self.pongs.saturating_add(1);
        if self.pongs > options.unsolicited_pongs_per_minute {
            return Err(SessionFault::PongFlood);
        }
        Ok(SessionEvent::Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: SessionOptions = SessionOptions {
        ping_interval_ms: 25_000,
        ping_timeout_ms: 20_000,
        connect_timeout_ms: 10_000,
        unsolicited_pongs_per_minute: 60,
    };

    #[test]
    fn t190_session_without_connect_expires() {
        let mut session = Session::open(0, &OPTIONS);
        assert_eq!(session.due(9_999, &OPTIONS), Due::Nothing { next_ms: 10_000 });
        assert_eq!(session.due(10_000, &OPTIONS), Due::Expired(Expiry::Connect));
    }

    #[test]
    fn session_that_answers_pings_continues() {
        let mut session = Session::open(0, &OPTIONS);
        session.connected();
        let mut now_ms = 0;
        for _ in 0..10 {
            now_ms += 25_000;
            assert_eq!(session.due(now_ms, &OPTIONS), Due::Ping { next_ms: now_ms + 20_000 });
            let event = session.receive(EnginePacket::Pong(""), now_ms, &OPTIONS);
            assert_eq!(event, Ok(SessionEvent::Nothing));
        }
    }

    #[test]
    fn t181_silence_or_pong_flood_ends_the_session() {
        let mut session = Session::open(0, &OPTIONS);
        session.connected();
        session.due(25_000, &OPTIONS);
        assert_eq!(session.due(44_999, &OPTIONS), Due::Nothing { next_ms: 45_000 });
        assert_eq!(session.due(45_000, &OPTIONS), Due::Expired(Expiry::Ping));

        let mut session = Session::open(0, &OPTIONS);
        session.connected();
        let pongs = (0..61).map(|_| session.receive(EnginePacket::Pong(""), 5, &OPTIONS));
        assert_eq!(pongs.last(), Some(Err(SessionFault::PongFlood)));
        assert_eq!(session.due(25_000, &OPTIONS), Due::Ping { next_ms: 45_000 });
    }

    #[test]
    fn slightly_late_ping_does_not_move_the_deadline_of_its_pong() {
        for (ping_ms, expires_ms) in [(25_000, 45_000), (25_020, 45_000), (25_100, 45_080)] {
            let mut session = Session::open(0, &OPTIONS);
            session.connected();
            assert_eq!(session.due(ping_ms, &OPTIONS), Due::Ping { next_ms: expires_ms });
            let before = session.due(expires_ms - 1, &OPTIONS);
            assert_eq!(before, Due::Nothing { next_ms: expires_ms });
            assert_eq!(session.due(expires_ms, &OPTIONS), Due::Expired(Expiry::Ping));
        }
    }

    #[test]
    fn t182_packet_that_only_a_server_sends_is_rejected() {
        for packet in [
            EnginePacket::Open,
            EnginePacket::Ping(""),
            EnginePacket::Upgrade,
            EnginePacket::Noop,
            EnginePacket::Pong("probe"),
        ] {
            let mut session = Session::open(0, &OPTIONS);
            let event = session.receive(packet, 1, &OPTIONS);
            assert!(matches!(event, Err(SessionFault::Packet(_))), "{packet:?}");
        }
    }

    #[test]
    fn session_has_the_documented_size() {
        assert_eq!(size_of::<Session>(), 40);
    }

    #[test]
    fn message_and_close_before_connect_are_accepted() {
        let mut session = Session::open(0, &OPTIONS);
        let event = session.receive(EnginePacket::Message("0"), 1, &OPTIONS);
        assert_eq!(event, Ok(SessionEvent::Message("0")));
        assert_eq!(session.receive(EnginePacket::Close, 1, &OPTIONS), Ok(SessionEvent::Closed));
    }

    #[test]
    fn t181_pong_count_restarts_each_minute() {
        let mut session = Session::open(0, &OPTIONS);
        for now_ms in [0, 60_000, 120_000] {
            for _ in 0..60 {
                let event = session.receive(EnginePacket::Pong(""), now_ms, &OPTIONS);
                assert_eq!(event, Ok(SessionEvent::Nothing));
            }
        }
        let event = session.receive(EnginePacket::Pong(""), 120_001, &OPTIONS);
        assert_eq!(event, Err(SessionFault::PongFlood));
    }

    proptest::proptest! {
        /// For every pattern of packets: a session without CONNECT ends in time, and a silent peer
        /// is disconnected within one interval and one timeout after its last ping.
        #[test]
        fn t181_t190_no_pattern_of_packets_exceeds_the_deadlines(
            steps in proptest::collection::vec((0_u64..30_000, 0_u8..3), 1..60),
        ) {
            let mut session = Session::open(0, &OPTIONS);
            let (mut now_ms, mut last_pong_ms, mut connected) = (0, 0, false);
            for (wait_ms, act) in steps {
                now_ms += wait_ms;
                match session.due(now_ms, &OPTIONS) {
                    Due::Expired(Expiry::Connect) => {
                        proptest::prop_assert!(!connected && now_ms >= 10_000);
                        return Ok(());
                    }
                    Due::Expired(Expiry::Ping) => {
                        proptest::prop_assert!(now_ms >= last_pong_ms + 20_000);
                        return Ok(());
                    }
                    Due::Ping { next_ms } | Due::Nothing { next_ms } => {
                        proptest::prop_assert!(next_ms > now_ms && next_ms <= now_ms + 25_000);
                        proptest::prop_assert!(connected || now_ms < 10_000);
                    }
                }
                match act {
                    0 => {}
                    1 => {
                        session.connected();
                        connected = true;
                    }
                    _ => {
                        last_pong_ms = now_ms;
                        let _event = session.receive(EnginePacket::Pong(""), now_ms, &OPTIONS);
                    }
                }
            }
        }

        #[test]
        fn extreme_times_do_not_overflow(now_ms: u64, interval_ms: u64, timeout_ms: u64) {
            let options = SessionOptions {
                ping_interval_ms: interval_ms,
                ping_timeout_ms: timeout_ms,
                connect_timeout_ms: timeout_ms,
                unsolicited_pongs_per_minute: u32::MAX,
            };
            let mut session = Session::open(now_ms, &options);
            let _due = session.due(u64::MAX, &options);
            session.connected();
            let _due = session.due(u64::MAX, &options);
            let _event = session.receive(EnginePacket::Pong(""), u64::MAX, &options);
            let _event = session.receive(EnginePacket::Pong(""), 0, &options);
        }
    }
}
