//! What attackers do, each at its rate, from addresses of its own.
//! Never: as fast as possible; an attack is so and so many a second, whatever the answers are.

use std::cell::Cell;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::{Result, bail};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use super::crowd::{create_room, sign_in};
use super::target::{ask, ballast_file};
use super::timeline::Timeline;
use crate::client::{Client, Door, Visit, open};
use crate::token::{Signer, unix_s};

/// Longest an attacker waits for one thing.
const PATIENCE: Duration = Duration::from_secs(5);
/// What the generator has on its hands at a time, at most, of one flood.
const HANDS: u32 = 3_000;
/// How much less than others the attackers' thread runs, as `nice` counts.
const GIVES_WAY: i32 = 19;
/// Where the server keeps its data, below its directory.
const DATABASE: &str = "data/portcullis.db";
/// How long it takes until all of the ballast is there, in milliseconds.
const RAMP_MS: u64 = 10_000;
/// How often a flood looks at its watch.
const TICK_MS: u64 = 5;

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
    /// Signed-in users who listen to the busiest room and never read.
    SlowReaders { users: u32 },
    /// Requests whose heads never end.
    Drip { connections: u32 },
    /// Polls of sessions that do not exist.
    Polls { a_second: u32 },
    /// Another process holds the database.
    Stall,
    /// Memory that something in the server's own process takes, in MiB, over ten seconds.
    Ballast { mib: u32 },
}

/// Where attackers come from: two thousand addresses.
fn lair(number: u32) -> Ipv4Addr {
    let [.., high, low] = (number % 2_000).to_be_bytes();
    Ipv4Addr::new(127, 66, high, low)
}

fn from(number: u32) -> Visit {
    Visit { source: Some(lair(number)), ..Visit::default() }
}

/// What an attack needs to know.
#[derive(Clone)]
pub(crate) struct Siege {
    pub(crate) door: Door,
    pub(crate) directory: PathBuf,
    pub(crate) timeline: Arc<Timeline>,
    pub(crate) from_ms: u64,
    pub(crate) end_ms: u64,
    pub(crate) busy_room: String,
}

/// Runs floods on a thread of their own, which gives way to the honest: how late those are must not
/// come from here.
pub(crate) fn begin(floods: Vec<Flood>, siege: Siege) -> JoinHandle<Result<()>> {
    std::thread::spawn(move || {
        rustix::process::setpriority_process(None, GIVES_WAY)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let mut tasks = JoinSet::new();
            for flood in floods {
                tasks.spawn_local(flood.run(siege.clone()));
            }
            while tasks.join_next().await.is_some() {}
        });
        Ok(())
    })
}

impl Flood {
    /// In a few words.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Idle { sockets } => format!("{sockets} sockets that never sign in"),
            Self::BadTokens { a_second } => format!("{a_second} sockets a second with bad tokens"),
            Self::Tls { a_second } => format!("{a_second} TLS handshakes a second"),
            Self::Logins { a_second } => format!("{a_second} log-ins a second"),
            Self::Messages { users, a_second } => {
                format!("{users} users who send {a_second} messages a second each")
            }
            Self::SlowReaders { users } => format!("{users} users in a busy room who never read"),
            Self::Drip { connections } => format!("{connections} requests that never end"),
            Self::Stall => String::from("the database held by another process"),
            Self::Polls { a_second } => format!("{a_second} polls a second of no session"),
            Self::Ballast { mib } => format!("{mib} MiB that the process holds for nothing"),
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
            Self::Stall | Self::Ballast { .. } => self,
        }
    }

    /// Attacks until it is over.
    pub(crate) async fn run(self, siege: Siege) {
        match self {
            Self::Idle { sockets } => {
                siege.hold(sockets, |siege, number| async move { siege.sit(number).await }).await;
            }
            Self::BadTokens { a_second } => {
                siege
                    .every(a_second, |siege, number| async move { siege.bad_token(number).await })
                    .await;
            }
            Self::Tls { a_second } => {
                siege
                    .every(a_second, |siege, number| async move {
                        open(&siege.door, &from(number)).await.map(drop)
                    })
                    .await;
            }
            Self::Logins { a_second } => {
                siege
                    .every(a_second, |siege, number| async move { siege.log_in(number).await })
                    .await;
            }
            Self::Messages { users, a_second } => {
                let each =
                    move |siege: Siege, number| async move { siege.talk(number, a_second).await };
                siege.hold(users, each).await;
            }
            Self::SlowReaders { users } => {
                siege.hold(users, |siege, number| async move { siege.listen(number).await }).await;
            }
            Self::Drip { connections } => {
                siege
                    .hold(connections, |siege, number| async move { siege.drip(number).await })
                    .await;
            }
            Self::Stall => drop(siege.stall().await),
            Self::Ballast { mib } => drop(siege.weigh_down(mib).await),
            Self::Polls { a_second } => {
                siege
                    .every(a_second, |siege, number| async move { siege.poll(number).await })
                    .await;
            }
        }
    }
}

impl Siege {
    /// Starts so many a second, whether the ones before are done or not.
    async fn every<F>(&self, a_second: u32, act: impl Fn(Self, u32) -> F)
    where
        F: Future<Output = Result<()>> + 'static,
    {
        let mut tasks = JoinSet::new();
        let busy = Rc::new(Cell::new(0));
        let (mut number, mut at_ms) = (0_u32, self.from_ms);
        while at_ms < self.end_ms {
            self.timeline.wait(at_ms).await;
            let due = (at_ms - self.from_ms) * u64::from(a_second) / 1_000;
            while u64::from(number) < due {
                number += 1;
                self.timeline.note(at_ms, |second| second.offered += 1);
                if busy.get() >= HANDS {
                    self.timeline.note(at_ms, |second| second.held_back += 1);
                    continue;
                }
                busy.set(busy.get() + 1);
                let (attempt, busy) = (act(self.clone(), number), Rc::clone(&busy));
                let timeline = Arc::clone(&self.timeline);
                tasks.spawn_local(async move {
                    if matches!(timeout(PATIENCE, attempt).await, Ok(Ok(()))) {
                        timeline.note(at_ms, |second| second.let_in += 1);
                    }
                    busy.set(busy.get() - 1);
                });
            }
            while tasks.try_join_next().is_some() {}
            at_ms += TICK_MS;
        }
        tasks.abort_all();
    }

    /// Keeps so many at it: who is thrown out comes back a second later.
    async fn hold<F, A>(&self, many: u32, act: A)
    where
        F: Future<Output = Result<()>> + 'static,
        A: Fn(Self, u32) -> F + Clone + 'static,
    {
        let mut tasks = JoinSet::new();
        // All of them come within two seconds.
        for number in 0..many {
            let begin_ms = self.from_ms + u64::from(number) * 2_000 / u64::from(many);
            self.timeline.wait(begin_ms).await;
            let (siege, act) = (self.clone(), act.clone());
            tasks.spawn_local(async move {
                while siege.timeline.now_ms() < siege.end_ms {
                    siege.timeline.note(siege.timeline.now_ms(), |second| second.offered += 1);
                    let _thrown_out = act(siege.clone(), number).await;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            });
        }
        self.timeline.wait(self.end_ms).await;
        tasks.abort_all();
    }

    fn let_in(&self) {
        self.timeline.note(self.timeline.now_ms(), |second| second.let_in += 1);
    }

    async fn sit(&self, number: u32) -> Result<()> {
        let visit = from(number);
        let mut client = timeout(PATIENCE, Client::upgrade(&self.door, &visit)).await??;
        self.let_in();
        loop {
            client.until(b"").await?;
        }
    }

    async fn bad_token(&self, number: u32) -> Result<()> {
        let visit = Visit { token: Some(String::from("e30.e30.AAAA")), ..from(number) };
        sign_in(&self.door, &visit).await.map(drop)
    }

    async fn log_in(&self, number: u32) -> Result<()> {
        let address = self.door.address;
        let body = format!(r#"{{"username":"victim{}","password":"wrong horse"}}"#, number % 500);
        let request = format!(
            "POST /auth/login HTTP/1.1\r\nHost: {address}\r\nOrigin: https://{address}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = ask(&self.door, &from(number), &request).await?;
        // What costs a hash was let in, right or wrong.
        if answer.starts_with("HTTP/1.1 401") { Ok(()) } else { bail!("refused") }
    }

    /// A user of their own, with a room of their own.
    async fn talk(&self, number: u32, a_second: u32) -> Result<()> {
        let mut client = self.enter(number, 0).await?;
        let room = create_room(&mut client).await?;
        let packet = format!(r#"429["chat:send",{{"roomId":"{room}","message":"flood"}}]"#);
        let burst = vec![packet; (a_second / 20).max(1) as usize];
        let mut at_ms = self.timeline.now_ms();
        loop {
            let until = Duration::from_millis(at_ms.saturating_sub(self.timeline.now_ms()));
            match timeout(until, client.until(b"439")).await {
                Ok(Ok(answer)) if answer.contains("\"ok\":true") => self.let_in(),
                Ok(Ok(_refused)) => {}
                Ok(Err(lost)) => return Err(lost),
                Err(_due) => {
                    let many = u32::try_from(burst.len()).unwrap_or(u32::MAX);
                    self.timeline.note(at_ms, |second| second.offered += many);
                    timeout(PATIENCE, client.send_many(&burst)).await??;
                    at_ms += 50;
                }
            }
        }
    }

    async fn listen(&self, number: u32) -> Result<()> {
        let mut client = self.enter(number, 4_096).await?;
        let join = format!(r#"{{"roomId":"{}"}}"#, self.busy_room);
        super::crowd::ask(&mut client, "room:join", &join).await?;
        self.let_in();
        self.timeline.wait(self.end_ms).await;
        Ok(())
    }

    async fn enter(&self, number: u32, receive_bytes: u32) -> Result<Client> {
        let user = 1_000_000 + number as usize;
        let token = Some(Signer::Hs256.token(user, unix_s()?));
        let visit = Visit { token, receive_bytes, ..from(number) };
        timeout(PATIENCE, sign_in(&self.door, &visit)).await?
    }

    async fn drip(&self, number: u32) -> Result<()> {
        let mut stream = timeout(PATIENCE, open(&self.door, &from(number))).await??;
        stream.write_all(b"GET / HTTP/1.1\r\n").await?;
        self.let_in();
        loop {
            stream.write_all(b"X").await?;
            stream.flush().await?;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Holds the database, as a backup or a broken disk would.
    async fn stall(&self) -> Result<()> {
        self.timeline.wait(self.from_ms).await;
        let connection = rusqlite::Connection::open(self.directory.join(DATABASE))?;
        connection.busy_timeout(Duration::ZERO)?;
        while connection.execute_batch("BEGIN EXCLUSIVE").is_err() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.let_in();
        self.timeline.wait(self.end_ms).await;
        Ok(connection.execute_batch("ROLLBACK")?)
    }

    async fn weigh_down(&self, mib: u32) -> Result<()> {
        let file = ballast_file(&self.directory);
        let mut at_ms = self.from_ms;
        while at_ms < self.end_ms {
            self.timeline.wait(at_ms).await;
            let part = (at_ms - self.from_ms + TICK_MS).min(RAMP_MS);
            std::fs::write(&file, (u64::from(mib) * part / RAMP_MS).to_string())?;
            at_ms += RAMP_MS / 50;
        }
        self.timeline.wait(self.end_ms).await;
        Ok(std::fs::write(&file, "0")?)
    }

    async fn poll(&self, number: u32) -> Result<()> {
        let address = self.door.address;
        let request = format!(
            "GET /socket.io/?EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAAAAAA HTTP/1.1\r\n\
             Host: {address}\r\nOrigin: https://{address}\r\nConnection: close\r\n\r\n"
        );
        let answer = ask(&self.door, &from(number), &request).await?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { bail!("refused") }
    }
}
