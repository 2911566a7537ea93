//! D-14: the users of an office log in behind one address, and work.
//! Never: time that runs faster than a clock's, which would need other limits.

use std::cell::{Cell, RefCell};
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use portcullis_model::{Clock, SystemClock};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::clients::client::{Door, Visit};
use crate::siege::experiment::Size;
use crate::siege::figures::line::Verdict;
use crate::siege::server::defence::{Defence, Needs};
use crate::siege::server::target::Target;
use crate::siege::shared::browser::{Browser, Login};
use crate::siege::shared::outcome::{ADDRESS, Counts, MEMBERS, SharedOutcome, count, total};
use crate::siege::users::client_group::{ask, create_room, enter};
use crate::siege::users::stock::{Random, Stock, Transports, cause};

pub(super) const COLUMNS: &[&str] = &[
    "logged in before",
    "logged in meanwhile",
    "logins renewed",
    "messages sent",
    "stored",
    "rejected requests, connections and messages",
    "failed attempts",
    "connections lost",
];

/// The time between the last login and the end of the run, in milliseconds.
const LAST_LOGIN_MS: u64 = 4_000;
/// The timeout for the last answers.
const LAST: Duration = Duration::from_secs(5);
/// The longest time for the registration of all users.
#[cfg(test)]
const REGISTRATION_S: u64 = 60;

/// The figures of a run.
#[derive(Debug, Clone, Copy)]
struct Plan {
    /// Users who log in before, and how far apart.
    before: usize,
    before_every_ms: u64,
    /// Users who log in meanwhile, as many on average in half an hour.
    in_half_an_hour: u64,
    length_ms: u64,
    /// Between two messages of one user.
    send_every_ms: u64,
}

fn plan(size: Size) -> Plan {
    match size {
        Size::Full => Plan {
            before: 400,
            before_every_ms: 333,
            in_half_an_hour: 500,
            length_ms: 360_000,
            send_every_ms: 30_000,
        },
        // As many messages of the address as in a full run.
        Size::Quick => Plan {
            before: 20,
            before_every_ms: 0,
            in_half_an_hour: 900,
            length_ms: 10_000,
            send_every_ms: 1_500,
        },
    }
}

impl Plan {
    /// The times of logins during the run: a Poisson process, the same in each run.
    fn arrivals_ms(&self) -> Vec<u64> {
        const HALF_AN_HOUR_MS: f64 = 1_800_000.0;
        let mean_ms = HALF_AN_HOUR_MS / self.in_half_an_hour as f64;
        let mut random = Random::new(14);
        let mut at_ms = 0.0;
        let mut all = Vec::new();
        loop {
            at_ms -= mean_ms * (1.0 - random.part()).ln();
            let arrival_ms = at_ms as u64;
            if arrival_ms + LAST_LOGIN_MS > self.length_ms {
                return all;
            }
            all.push(arrival_ms);
        }
    }
}

/// The longest duration of a run, in seconds.
#[cfg(test)]
pub(super) fn longest_s(size: Size) -> u64 {
    let Plan { before, before_every_ms, length_ms, .. } = plan(size);
    (before as u64 * before_every_ms + length_ms) / 1_000 + REGISTRATION_S
}

pub(super) fn course(size: Size) -> Vec<String> {
    let Plan { before, before_every_ms, in_half_an_hour, length_ms, send_every_ms } = plan(size);
    let minute = |every_ms: u64| 60_000 / every_ms.max(1);
    vec![
        format!("{before} users behind one address log in, {} a minute", minute(before_every_ms)),
        format!(
            "then, for {} s, as many more as would be {in_half_an_hour} in 30 minutes, at random \
             times",
            length_ms / 1_000
        ),
        String::from(
            "each loads the page, logs in with a password, connects (half of them with the \
             default transports of the stock client, half with a WebSocket only; half of each \
             show the admission), lists the rooms, joins one and reads its history",
        ),
        format!(
            "each sends {} messages a minute to a room of {MEMBERS}, and renews the login once",
            minute(send_every_ms)
        ),
    ]
}

/// The counts of a run.
#[derive(Default)]
struct Tally {
    logged_in: usize,
    renewed: usize,
    sent: u64,
    stored: u64,
    lost: u64,
    failures: Counts,
}

struct Office {
    door: Door,
    plan: Plan,
    clock: SystemClock,
    /// The end of all users' work.
    end_ms: Cell<u64>,
    /// The files that the page loads.
    assets: Vec<String>,
    rooms: RefCell<Vec<String>>,
    tally: RefCell<Tally>,
}

pub(super) async fn run(defence: Defence, size: Size) -> Result<SharedOutcome> {
    let target = Target::start(defence, Needs::NOTHING)?;
    let plan = plan(size);
    let arrivals_ms = plan.arrivals_ms();
    let assets = Browser::open(&target.door, &from(0)).await?.assets().await?;
    for number in 0..plan.before + arrivals_ms.len() {
        Browser::open(&target.door, &from(number)).await?.register(number).await?;
    }
    let rejected_before = target.rejections().await?;
    let office = Rc::new(Office {
        door: target.door.clone(),
        plan,
        clock: SystemClock::start(),
        end_ms: Cell::new(u64::MAX),
        assets,
        rooms: RefCell::default(),
        tally: RefCell::default(),
    });
    let mut tasks = JoinSet::new();
    for number in 0..plan.before {
        office.until(number as u64 * plan.before_every_ms).await;
        office.come(number, &mut tasks).await;
    }
    let before = office.tally.borrow().logged_in;
    let from_ms = office.now_ms();
    office.end_ms.set(from_ms + plan.length_ms);
    let mut coming = JoinSet::new();
    for (number, arrival_ms) in (plan.before..).zip(&arrivals_ms) {
        office.until(from_ms + arrival_ms).await;
        let office = Rc::clone(&office);
        coming.spawn_local(async move { office.work(number).await });
    }
    while coming.join_next().await.is_some() {}
    while tasks.join_next().await.is_some() {}
    let mut rejections = target.rejections().await?;
    for (rule, many) in rejected_before {
        rejections.entry(rule).and_modify(|all| *all -= many);
    }
    rejections.retain(|_, many| *many > 0);
    let tally = office.tally.take();
    Ok(outcome(defence, tally, rejections, before, plan.before + arrivals_ms.len()))
}

fn outcome(
    defence: Defence,
    tally: Tally,
    rejections: Counts,
    before: usize,
    users: usize,
) -> SharedOutcome {
    let Tally { logged_in, renewed, sent, stored, lost, failures } = tally;
    let (rejected, failed) = (total(&rejections), total(&failures));
    let verdicts = vec![
        (
            Verdict::of(rejected == 0),
            format!("{rejected} requests, connections or messages rejected (0)"),
        ),
        (
            Verdict::of(logged_in == users && failed == 0 && lost == 0),
            format!(
                "{logged_in} of {users} users logged in (all); {failed} attempts failed (0), \
                 {lost} connections were lost (0)"
            ),
        ),
        (
            Verdict::of(stored == sent && sent > 0),
            format!("{stored} of {sent} messages stored (all)"),
        ),
    ];
    SharedOutcome {
        defence,
        figures: [before as u64, (logged_in - before) as u64, renewed as u64, sent, stored]
            .into_iter()
            .chain([rejected, failed, lost])
            .map(|figure| figure.to_string())
            .collect(),
        rejections,
        failures,
        verdicts,
    }
}

/// The address from which a user signs up: the user's home.
fn from(number: usize) -> Visit {
    let [.., high, low] = number.to_be_bytes();
    Visit { source: Some(Ipv4Addr::new(127, 52, high, low)), ..Visit::default() }
}

/// A user at work.
struct User {
    number: usize,
    visit: Visit,
    login: Login,
    room: String,
    stock: Stock,
}

impl Office {
    fn now_ms(&self) -> u64 {
        self.clock.now().monotonic_ms
    }

    async fn until(&self, at_ms: u64) {
        sleep(Duration::from_millis(at_ms.saturating_sub(self.now_ms()))).await;
    }

    /// Lets a user log in, who then works beside the next ones.
    async fn come(self: &Rc<Self>, number: usize, tasks: &mut JoinSet<()>) {
        if let Some(user) = self.log_in(number).await {
            let office = Rc::clone(self);
            tasks.spawn_local(async move { office.send(user).await });
        }
    }

    async fn work(&self, number: usize) {
        if let Some(user) = self.log_in(number).await {
            self.send(user).await;
        }
    }

    async fn log_in(&self, number: usize) -> Option<User> {
        match self.try_to_log_in(number).await {
            Ok(user) => {
                self.tally.borrow_mut().logged_in += 1;
                Some(user)
            }
            Err(error) => {
                self.failed(&error);
                None
            }
        }
    }

    fn failed(&self, error: &anyhow::Error) {
        count(&mut self.tally.borrow_mut().failures, cause(error));
    }

    async fn try_to_log_in(&self, number: usize) -> Result<User> {
        let mut visit = Visit { source: Some(ADDRESS), ..Visit::default() };
        let mut browser = Browser::open(&self.door, &visit).await?;
        browser.load(&self.assets).await?;
        let login = browser.log_in(number).await?;
        visit.token = Some(login.token.clone());
        visit.admission = (number % 4 < 2).then(|| login.admission.clone());
        let transports =
            if number.is_multiple_of(2) { Transports::Default } else { Transports::WebSocketOnly };
        let mut stock = Stock::sign_in(&self.door, &visit, transports).await?;
        let connection = &mut stock.connection;
        ask(connection, "room:list", "{}").await?;
        let first = number.is_multiple_of(MEMBERS) && number < self.plan.before;
        let room = if first {
            let room = create_room(connection).await?;
            self.rooms.borrow_mut().push(room.clone());
            room
        } else {
            let room = {
                let rooms = self.rooms.borrow();
                let own = if number < self.plan.before {
                    rooms.last()
                } else {
                    rooms.get(number % rooms.len())
                };
                own.context("a room")?.clone()
            };
            enter(connection, &room).await?;
            room
        };
        let history = format!(r#"{{"roomId":"{room}","limit":50}}"#);
        ask(connection, "chat:history", &history).await?;
        Ok(User { number, visit, login, room, stock })
    }

    /// Sends messages until the run ends, and renews the login once.
    async fn send(&self, mut user: User) {
        let every_ms = self.plan.send_every_ms;
        let mut random = Random::new(user.number as u64);
        let mut due_ms = self.now_ms() + random.below(every_ms);
        let mut renew_ms = self.now_ms() + random.below(self.plan.length_ms);
        let mut waiting = 0_u64;
        let mut sent = 0_u64;
        while due_ms < self.end_ms.get() {
            let wait = Duration::from_millis(due_ms.saturating_sub(self.now_ms()));
            match timeout(wait, self.receive(&mut user, &mut waiting)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return self.lost(&error),
                Err(_due) => {
                    sent += 1;
                    waiting += 1;
                    self.tally.borrow_mut().sent += 1;
                    let room = &user.room;
                    let posted =
                        format!(r#"{{"roomId":"{room}","message":"message number {sent}"}}"#);
                    let packet = format!(r#"42{}["chat:send",{posted}]"#, 100 + sent);
                    if let Err(error) = user.stock.connection.send(&packet).await {
                        return self.lost(&error);
                    }
                    due_ms += every_ms;
                    if renew_ms < due_ms {
                        renew_ms = u64::MAX;
                        self.renew(&mut user).await;
                    }
                }
            }
        }
        let last =
            async { while waiting > 0 && self.receive(&mut user, &mut waiting).await.is_ok() {} };
        let _given_up = timeout(LAST, last).await;
    }

    /// One packet of the server.
    async fn receive(&self, user: &mut User, waiting: &mut u64) -> Result<()> {
        let packet = user.stock.connection.until(b"").await?;
        if packet == "2" {
            user.stock.connection.send("3").await?;
        }
        if packet.starts_with("431") {
            *waiting = waiting.saturating_sub(1);
            self.tally.borrow_mut().stored += u64::from(packet.contains("\"ok\":true"));
        }
        Ok(())
    }

    fn lost(&self, error: &anyhow::Error) {
        self.tally.borrow_mut().lost += 1;
        self.failed(error);
    }

    /// A newer token over HTTPS, as the page fetches it before the old one ends.
    async fn renew(&self, user: &mut User) {
        let renewed = async {
            let mut browser = Browser::open(&self.door, &user.visit).await?;
            browser.renew(&user.login).await
        };
        match renewed.await {
            Ok(login) => {
                user.login = login;
                self.tally.borrow_mut().renewed += 1;
            }
            Err(error) => self.failed(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_plan_has_the_arrival_rate_of_500_in_30_minutes() {
        let arrivals = plan(Size::Full).arrivals_ms().len();
        assert!((80..120).contains(&arrivals), "{arrivals}");
        assert!(plan(Size::Quick).arrivals_ms().len() >= 2);
    }
}
