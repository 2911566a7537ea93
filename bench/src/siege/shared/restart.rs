//! D-13: the server is killed and started again, and all users behind one address come back.
//! Never: a client that is more patient, or more eager, than the stock one.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use portcullis_model::{Clock, SystemClock};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::clients::client::{Door, Visit};
use crate::clients::token::{Signer, unix_s};
use crate::siege::experiment::Size;
use crate::siege::figures::line::Verdict;
use crate::siege::server::defence::{Defence, Needs};
use crate::siege::server::target::Target;
use crate::siege::shared::outcome::{ADDRESS, Counts, MEMBERS, SharedOutcome, count};
use crate::siege::users::client_group::{create_room, enter};
use crate::siege::users::polling::Connection;
use crate::siege::users::stock::{Backoff, Stock, Transports, cause, tries_again};

/// All have to be back by then.
const LINE_S: u64 = 60;
/// A run ends then, whether or not all are back.
pub(super) const LONGEST_S: u64 = 75;
/// The time for which returned users stay connected, to notice a later end.
const STAY: Duration = Duration::from_secs(2);
/// One user in so many has an admission.
const WITH_ADMISSION: usize = 4;

pub(super) const COLUMNS: &[&str] =
    &["down", "back after 10 s", "30 s", "60 s", "last one back", "attempts", "lost again"];

fn users(size: Size) -> usize {
    match size {
        Size::Full => 200,
        Size::Quick => 40,
    }
}

pub(super) fn course(size: Size) -> Vec<String> {
    vec![
        format!("{} users behind one address, in rooms of {MEMBERS}", users(size)),
        String::from(
            "half of them with the default transports, long-polling first and then a WebSocket; \
             the others with a WebSocket only",
        ),
        format!(
            "stock reconnection: after 1 s, then doubling up to 5 s, plus or minus half; the token \
             in CONNECT only, and an admission for one user in {WITH_ADMISSION}"
        ),
        String::from("the server is killed, and started at once with the same data"),
    ]
}

/// A user who is signed in.
struct User {
    number: usize,
    transports: Transports,
    visit: Visit,
    room: String,
    connection: Connection,
}

/// The counts since the server was killed.
#[derive(Default)]
struct Tally {
    /// The times at which users reconnected, in milliseconds.
    back_ms: Vec<u64>,
    /// Users whose client gave up.
    gave_up: usize,
    attempts: u64,
    lost_again: u64,
    failures: Counts,
}

struct Course {
    door: Door,
    clock: SystemClock,
    killed_ms: u64,
    tally: RefCell<Tally>,
    changed: Notify,
}

pub(super) async fn run(defence: Defence, size: Size) -> Result<SharedOutcome> {
    let mut target = Target::start(defence, Needs::NOTHING)?;
    let users = sign_in(&target, users(size)).await?;
    let all = users.len();
    let clock = SystemClock::start();
    let course = Rc::new(Course {
        door: target.admission_limit(),
        killed_ms: clock.now().monotonic_ms,
        clock,
        tally: RefCell::default(),
        changed: Notify::new(),
    });
    let mut tasks = JoinSet::new();
    for user in users {
        tasks.spawn_local(user.come_back(Rc::clone(&course)));
    }
    let restarted = tokio::task::spawn_blocking(move || target.restart().map(|()| target)).await?;
    let target = restarted?;
    let down_ms = course.since_ms();
    course.until_settled(all).await;
    sleep(STAY).await;
    tasks.abort_all();
    while tasks.join_next().await.is_some() {}
    let rejections = target.rejections().await?;
    let tally = course.tally.take();
    let back = |within_s: u64| {
        tally.back_ms.iter().filter(|back_ms| **back_ms <= within_s * 1_000).count()
    };
    let last_ms = tally.back_ms.iter().max().copied().unwrap_or_default();
    let last = match tally.back_ms.len() {
        back if back == all => format!("after {:.1} s", last_ms as f64 / 1_000.0),
        back => format!("{} of {all} are not back after {LONGEST_S} s", all - back),
    };
    let [ten, thirty, sixty] = [10, 30, LINE_S].map(back);
    let line =
        format!("{sixty} of {all} users are connected again within {LINE_S} s (all); last: {last}");
    let stays = format!("{} of them lost their connection again (0)", tally.lost_again);
    Ok(SharedOutcome {
        defence,
        figures: vec![
            format!("{down_ms} ms"),
            ten.to_string(),
            thirty.to_string(),
            sixty.to_string(),
            last,
            tally.attempts.to_string(),
            tally.lost_again.to_string(),
        ],
        rejections,
        failures: tally.failures,
        verdicts: vec![
            (Verdict::of(sixty == all), line),
            (Verdict::of(tally.lost_again == 0), stays),
        ],
    })
}

/// Signs in all users. Socket.IO would not admit so many from one address, so each of its users
/// connects from a separate address at first.
async fn sign_in(target: &Target, users: usize) -> Result<Vec<User>> {
    let mut all = Vec::with_capacity(users);
    let mut rooms = Vec::new();
    for number in 0..users {
        let token = Some(Signer::Hs256.token(number, unix_s()?));
        let mut visit = Visit { source: Some(ADDRESS), token, ..Visit::default() };
        let is_default = number % 2 == 0 && target.defence != Defence::SocketIo;
        let transports = if is_default { Transports::Default } else { Transports::WebSocketOnly };
        let first = match target.defence {
            Defence::SocketIo => {
                let [.., high, low] = number.to_be_bytes();
                Visit { source: Some(Ipv4Addr::new(127, 51, high, low)), ..visit.clone() }
            }
            Defence::Priorities | Defence::Flat | Defence::Unguarded => visit.clone(),
        };
        let Stock { mut connection, .. } = Stock::sign_in(&target.door, &first, transports).await?;
        if number % MEMBERS == 0 {
            rooms.push(create_room(&mut connection).await?);
        }
        let room = rooms.last().context("a room")?.clone();
        if number % MEMBERS != 0 {
            enter(&mut connection, &room).await?;
        }
        // The transports alternate, so that both kinds have some with an admission.
        if target.defence != Defence::SocketIo && number / 2 % WITH_ADMISSION == 0 {
            visit.admission = Some(target.admission(&visit).await?);
        }
        all.push(User { number, transports, visit, room, connection });
    }
    Ok(all)
}

impl User {
    async fn come_back(mut self, course: Rc<Course>) {
        stay(&mut self.connection).await;
        let mut backoff = Backoff::new(self.number as u64);
        let mut stock = loop {
            sleep(backoff.next()).await;
            course.tally.borrow_mut().attempts += 1;
            match self.attempt(&course.door).await {
                Ok(stock) => break stock,
                Err(error) => {
                    let mut tally = course.tally.borrow_mut();
                    count(&mut tally.failures, cause(&error));
                    if !tries_again(&error) {
                        tally.gave_up += 1;
                        course.changed.notify_one();
                        return;
                    }
                }
            }
        };
        course.tally.borrow_mut().back_ms.push(course.since_ms());
        course.changed.notify_one();
        stay(&mut stock.connection).await;
        course.tally.borrow_mut().lost_again += 1;
    }

    async fn attempt(&self, door: &Door) -> Result<Stock> {
        let mut stock = Stock::sign_in(door, &self.visit, self.transports).await?;
        enter(&mut stock.connection, &self.room).await?;
        Ok(stock)
    }
}

/// Answers pings until the connection is lost.
async fn stay(connection: &mut Connection) {
    while let Ok(packet) = connection.until(b"").await {
        if packet == "2" && connection.send("3").await.is_err() {
            return;
        }
    }
}

impl Course {
    fn since_ms(&self) -> u64 {
        self.clock.now().monotonic_ms.saturating_sub(self.killed_ms)
    }

    /// Waits until all are back or have given up, or it has taken too long.
    async fn until_settled(&self, all: usize) {
        let settled = async {
            loop {
                let changed = self.changed.notified();
                let settled = {
                    let tally = self.tally.borrow();
                    tally.back_ms.len() + tally.gave_up
                };
                if settled >= all {
                    return;
                }
                changed.await;
            }
        };
        let left_ms = (LONGEST_S * 1_000).saturating_sub(self.since_ms());
        let _too_long = timeout(Duration::from_millis(left_ms), settled).await;
    }
}
