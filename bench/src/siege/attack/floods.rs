//! The kinds of attack, and the code that runs them.
//! Never: an attack that continues after its end.

use std::thread::JoinHandle;

use anyhow::Result;
use tokio::task::JoinSet;

use crate::siege::attack::rejections::SOURCES;
use crate::siege::attack::schedule::Siege;
use crate::siege::attack::speaker::LONG_CHARS;
use crate::siege::attack::speaker::{CONNECTIONS_EACH, Packets, Speech};
use crate::siege::users::polling::Way;

/// The `nice` value of the attackers' thread: the lowest priority.
const GIVES_WAY: i32 = 19;

/// One kind of attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flood {
    /// Sockets that are opened and never sign in, so many at a time.
    Idle { sockets: u32 },
    /// Sockets opened with a token that is none, so many a second.
    BadTokens { a_second: u32 },
    /// TLS handshakes and nothing more.
    Tls { a_second: u32 },
    /// Log-ins with wrong passwords.
    Logins { a_second: u32 },
    /// Signed-in users who each send so many messages a second.
    Messages { users: u32, a_second: u32 },
    /// Signed-in users who each send so many long messages a second to the busiest room.
    Speakers { users: u32, a_second: u32 },
    /// Signed-in users who send so many CONNECT packets, or halves of pairs, a second on each of
    /// [`CONNECTIONS_EACH`] connections.
    Connects { users: u32, a_second: u32, packets: Packets, way: Way },
    /// Signed-in users who listen to the busiest room and never read.
    SlowReaders { users: u32 },
    /// Requests whose heads never end.
    Drip { connections: u32 },
    /// Requests and sockets that are rejected for every kind of reason, from many addresses.
    Rejections { a_second: u32 },
    /// Polls of sessions that do not exist.
    Polls { a_second: u32 },
    /// Long-polling sessions of unauthenticated clients, each posted to and polled twice.
    PollingSessions { a_second: u32 },
    /// Returning clients with forged, expired or revoked tokens.
    Intruders { a_second: u32 },
    /// Another process holds the database.
    Stall,
    /// Memory that something in the server's own process takes, in MiB, over ten seconds.
    MemoryPressure { mib: u32 },
}

/// Runs floods on a thread of their own, which gives way to the honest: how late those are must not
/// come from here. Gives how long after its time the attack was over, in milliseconds.
pub(crate) fn begin(floods: Vec<Flood>, siege: Siege) -> JoinHandle<Result<u64>> {
    std::thread::spawn(move || {
        rustix::process::setpriority_process(None, GIVES_WAY)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        let ran = local.block_on(&runtime, async {
            let mut tasks = JoinSet::new();
            for (index, flood) in floods.into_iter().enumerate() {
                tasks.spawn_local(flood.run(Siege { flood: index, ..siege.clone() }));
            }
            let mut ran = Ok(());
            while let Some(ended) = tasks.join_next().await {
                ran = ran.and(ended.map_err(anyhow::Error::from).and_then(|ended| ended));
            }
            ran
        });
        // The sockets that are still open are closed here.
        drop((local, runtime));
        ran.map(|()| siege.timeline.now_ms().saturating_sub(siege.end_ms))
    })
}

/// A short description of a flood of CONNECT packets.
fn connects_title(users: u32, a_second: u32, packets: Packets, way: Way) -> String {
    let what = match packets {
        Packets::Admin => "`40/admin,{\"token\":…}`",
        Packets::Pairs => "`41` and `40{\"token\":…}` in turn",
    };
    let way = match way {
        Way::Socket => "a WebSocket",
        Way::Polling => "long-polling",
    };
    let users = if users == 1 { String::from("1 user") } else { format!("{users} users") };
    format!(
        "{users}, {CONNECTIONS_EACH} connections each over {way}, {a_second} packets a second on \
         each connection: {what}"
    )
}

impl Flood {
    /// In a few words.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Idle { sockets } => format!("{sockets} sockets that never sign in"),
            Self::BadTokens { a_second } => format!("{a_second} sockets a second with bad tokens"),
            Self::Tls { a_second } => format!("{a_second} TLS handshakes a second"),
            Self::Logins { a_second } => format!("{a_second} logins a second"),
            Self::Messages { users, a_second } => {
                format!("{users} users who send {a_second} messages a second each")
            }
            Self::Speakers { users, a_second } => format!(
                "{users} users who send {LONG_CHARS} characters {a_second} times a second each"
            ),
            Self::Connects { users, a_second, packets, way } => {
                connects_title(users, a_second, packets, way)
            }
            Self::SlowReaders { users } => format!("{users} slow consumers in that room"),
            Self::Drip { connections } => format!("{connections} requests that never end"),
            Self::Stall => String::from("the database locked by another process"),
            Self::Rejections { a_second } => format!(
                "{a_second} connections a second from {SOURCES} addresses, rejected for every kind \
                 of reason"
            ),
            Self::Polls { a_second } => format!("{a_second} polls a second of no session"),
            Self::PollingSessions { a_second } => {
                format!("{a_second} polling sessions a second, each posted to and polled twice")
            }
            Self::Intruders { a_second } => {
                format!(
                    "{a_second} returning users a second with forged, expired or revoked tokens"
                )
            }
            Self::MemoryPressure { mib } => format!("{mib} MiB of memory pressure in the process"),
        }
    }

    /// The name of one operation.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Idle { .. } | Self::BadTokens { .. } | Self::Intruders { .. } => "sockets",
            Self::Tls { .. } => "handshakes",
            Self::Logins { .. } => "logins",
            Self::Messages { .. } | Self::Speakers { .. } => "messages",
            Self::Connects { packets: Packets::Admin, .. } => "packets, `/admin`",
            Self::Connects { packets: Packets::Pairs, .. } => "packets, pairs",
            Self::SlowReaders { .. } => "readers",
            Self::Drip { .. } => "requests",
            Self::Polls { .. } => "polls",
            Self::Rejections { .. } => "connections",
            Self::PollingSessions { .. } => "sessions",
            Self::Stall => "stall",
            Self::MemoryPressure { .. } => "memory pressure",
        }
    }

    /// So much of it.
    pub(crate) fn part(self, of: u32) -> Self {
        let part = |many: u32| (many / of).max(1);
        match self {
            Self::Idle { sockets } => Self::Idle { sockets: part(sockets) },
            Self::BadTokens { a_second } => Self::BadTokens { a_second: part(a_second) },
            Self::Tls { a_second } => Self::Tls { a_second: part(a_second) },
            Self::Logins { a_second } => Self::Logins { a_second: part(a_second) },
            Self::Messages { users, a_second } => Self::Messages { users: part(users), a_second },
            Self::SlowReaders { users } => Self::SlowReaders { users: part(users) },
            Self::Drip { connections } => Self::Drip { connections: part(connections) },
            Self::Polls { a_second } => Self::Polls { a_second: part(a_second) },
            // With less of it a few seconds would not use the budget of records up.
            Self::Rejections { a_second } => {
                Self::Rejections { a_second: part(a_second * 2).min(a_second) }
            }
            Self::PollingSessions { a_second } => {
                Self::PollingSessions { a_second: part(a_second) }
            }
            Self::Connects { users, a_second, packets, way } => {
                Self::Connects { users, a_second: part(a_second), packets, way }
            }
            // With less of it, no consumer falls behind, and nothing is tested.
            Self::Speakers { .. } | Self::Intruders { .. } => self,
            Self::Stall | Self::MemoryPressure { .. } => self,
        }
    }

    /// Attacks until it is over.
    async fn run(self, siege: Siege) -> Result<()> {
        match self {
            Self::Idle { sockets } => drop(siege.hold(sockets, Siege::sit).await),
            Self::Drip { connections } => drop(siege.hold(connections, Siege::drip).await),
            Self::BadTokens { a_second } => siege.every(a_second, Siege::bad_token).await,
            Self::Tls { a_second } => siege.every(a_second, Siege::shake_hands).await,
            Self::Logins { a_second } => siege.every(a_second, Siege::log_in).await,
            Self::Polls { a_second } => siege.every(a_second, Siege::poll).await,
            Self::Rejections { a_second } => siege.every(a_second, Siege::be_rejected).await,
            Self::PollingSessions { a_second } => siege.every(a_second, Siege::poll_session).await,
            Self::Intruders { a_second } => siege.every(a_second, Siege::intrude).await,
            Self::Messages { users, a_second } => {
                siege.talk(users, a_second, Speech::Messages { room: None }).await;
            }
            Self::Speakers { users, a_second } => {
                let room = Some(siege.busy_room.clone());
                siege.talk(users, a_second, Speech::Messages { room }).await;
            }
            Self::Connects { users, a_second, packets, way } => {
                let connections = users * CONNECTIONS_EACH;
                siege.talk(connections, a_second, Speech::Connects { packets, way }).await;
            }
            Self::SlowReaders { users } => {
                let readers = siege.hold(users, Siege::listen).await;
                // Counted while the readers are still connected.
                siege.count_disconnected(users)?;
                drop(readers);
            }
            Self::Stall => siege.stall().await?,
            Self::MemoryPressure { mib } => siege.weigh_down(mib).await?,
        }
        Ok(())
    }
}
