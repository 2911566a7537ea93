//! Honest users: they talk in rooms, over WebSockets and a few by long-polling.
//! Never: a message sent when its time has passed and counted from then.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use crate::clients::client::{Door, Visit};
use crate::clients::token::{Signer, unix_s};
use crate::siege::figures::timeline::{ARRIVED_MS, Arrival, LAST_MS, Timeline};
use crate::siege::server::defence::Defence;
use crate::siege::server::target::Target;
use crate::siege::users::arrivals::Arrivals;
use crate::siege::users::polling::{Connection, Way};

/// People in one room; the last of them polls.
const MEMBERS: usize = 10;
/// The returning clients that connect again now and then.
const RETURNING: usize = 50;
/// Between two messages of one person.
const SPEAK_EVERY_MS: u64 = 1_000;

/// A user who sends messages.
struct Person {
    connection: Connection,
    way: Way,
    room: String,
    visit: Visit,
}

/// All honest users, signed in and in their rooms.
pub(crate) struct ClientGroup {
    people: Vec<Person>,
    /// Some of them, with the admissions they have.
    pub(crate) returning: Vec<Visit>,
    /// The first room, for listeners that never read.
    pub(crate) busy_room: String,
}

/// The address of a user; no other client uses it.
fn home(person: usize) -> Ipv4Addr {
    let [.., high, low] = (person + 1).to_be_bytes();
    Ipv4Addr::new(127, 10, high, low)
}

fn visit(person: usize) -> Result<Visit> {
    let token = Some(Signer::Hs256.token(person, unix_s()?));
    Ok(Visit { source: Some(home(person)), token, ..Visit::default() })
}

/// Emits an event and gives the acknowledgement's first argument.
pub(crate) async fn ask(connection: &mut Connection, event: &str, payload: &str) -> Result<Value> {
    connection.send(&format!(r#"421["{event}",{payload}]"#)).await?;
    let answer = connection.until(b"431").await?;
    let value: Value = serde_json::from_str(answer.get(3..).unwrap_or_default())?;
    let first = value.get(0).cloned().context("no argument")?;
    if first.get("ok") != Some(&Value::Bool(true)) {
        bail!("{event}: {answer}");
    }
    Ok(first)
}

/// A room of one's own.
pub(crate) async fn create_room(connection: &mut Connection) -> Result<String> {
    let room = r#"{"name":"siege","visibility":"public"}"#;
    let created = ask(connection, "room:create", room).await?;
    let id = created.pointer("/room/id").and_then(Value::as_str).context("no id")?;
    Ok(String::from(id))
}

/// The transport of a person: one of a room polls, if the server supports polling.
fn way(person: usize, defence: Defence) -> Way {
    match defence {
        Defence::SocketIo => Way::Socket,
        Defence::Priorities | Defence::Flat | Defence::Unguarded => match person % MEMBERS {
            last if last == MEMBERS - 1 => Way::Polling,
            _ => Way::Socket,
        },
    }
}

impl ClientGroup {
    /// Signs in all users, in rooms of ten; some of them connect again during the run.
    pub(crate) async fn collect(target: &Target, people: usize) -> Result<Self> {
        let mut all = Vec::with_capacity(people);
        let mut rooms = Vec::new();
        for person in 0..people {
            let (visit, way) = (visit(person)?, way(person, target.defence));
            let mut connection = Connection::sign_in(&target.door, &visit, way).await?;
            if person % MEMBERS == 0 {
                rooms.push(create_room(&mut connection).await?);
            }
            let room = rooms.last().context("a room")?.clone();
            if person % MEMBERS != 0 {
                enter(&mut connection, &room).await?;
            }
            all.push(Person { connection, way, room, visit });
        }
        let mut returning = Vec::new();
        for person in all.iter().take(RETURNING) {
            let admission = match target.defence {
                Defence::SocketIo => None,
                Defence::Priorities | Defence::Flat | Defence::Unguarded => {
                    Some(target.admission(&person.visit).await?)
                }
            };
            returning.push(Visit { admission, ..person.visit.clone() });
        }
        let busy_room = rooms.first().context("a room")?.clone();
        Ok(Self { people: all, returning, busy_room })
    }

    /// Starts the load of all users until `end_ms`, spread evenly over each second.
    pub(crate) fn go(
        self,
        target: &Rc<Target>,
        timeline: &Arc<Timeline>,
        end_ms: u64,
        text: &'static str,
    ) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        let count = self.people.len() as u64;
        for (index, person) in (0_u64..).zip(self.people) {
            let (timeline, target) = (Arc::clone(timeline), Rc::clone(target));
            let first_ms = index * SPEAK_EVERY_MS / count.max(1);
            let talk = Talk { target, timeline, end_ms, text };
            tasks.spawn_local(person.talk(talk, first_ms));
        }
        for arrival in Arrival::ALL {
            let (timeline, target) = (Arc::clone(timeline), Rc::clone(target));
            let people = self.returning.clone();
            tasks.spawn_local(Arrivals { people, target, timeline, end_ms }.come(arrival));
        }
        tasks
    }
}

/// Enters a room.
pub(crate) async fn enter(connection: &mut Connection, room: &str) -> Result<()> {
    ask(connection, "room:join", &format!(r#"{{"roomId":"{room}"}}"#)).await.map(drop)
}

/// The text, target and end of the messages.
struct Talk {
    target: Rc<Target>,
    timeline: Arc<Timeline>,
    end_ms: u64,
    text: &'static str,
}

impl Person {
    /// Sends a message every second; reconnects when the connection is lost.
    async fn talk(mut self, talk: Talk, mut due_ms: u64) {
        let Talk { target, timeline, end_ms, text } = talk;
        let mut request = HashMap::new();
        let mut number = 10_u32;
        let mut is_here = true;
        while due_ms < end_ms {
            let until = Duration::from_millis(due_ms.saturating_sub(timeline.now_ms()));
            match timeout(until, self.connection.until(b"")).await {
                Ok(Ok(frame)) if frame == "2" => drop(self.connection.send("3").await),
                Ok(Ok(frame)) => receive(&frame, &mut request, &timeline),
                Ok(Err(_lost)) => {
                    // What falls due meanwhile is due, and not good; what was asked stays so.
                    request.clear();
                    let lost = u32::from(std::mem::replace(&mut is_here, false));
                    timeline.note(timeline.now_ms(), |second| second.lost += lost);
                    timeline.note(due_ms, |second| second.due += 1);
                    due_ms += SPEAK_EVERY_MS;
                    timeline.until(due_ms).await;
                    let again = self.come_back(&target.door);
                    let limit = Duration::from_millis(ARRIVED_MS);
                    if let Ok(Ok(connection)) = timeout(limit, again).await {
                        self.connection = connection;
                        is_here = true;
                    }
                }
                Err(_due) => {
                    timeline.until(due_ms).await;
                    timeline.note(due_ms, |second| second.due += 1);
                    number += 1;
                    request.insert(number, due_ms);
                    let room = &self.room;
                    let payload = format!(r#"{{"roomId":"{room}","message":"{text} {number}"}}"#);
                    let packet = format!(r#"42{number}["chat:send",{payload}]"#);
                    let _lost = self.connection.send(&packet).await;
                    due_ms += SPEAK_EVERY_MS;
                }
            }
        }
        // The last answers are still on their way.
        let last = async {
            while let (false, Ok(frame)) = (request.is_empty(), self.connection.until(b"43").await)
            {
                receive(&frame, &mut request, &timeline);
            }
        };
        let _given_up = timeout(Duration::from_millis(LAST_MS), last).await;
    }

    async fn come_back(&self, door: &Door) -> Result<Connection> {
        let mut connection = Connection::sign_in(door, &self.visit, self.way).await?;
        enter(&mut connection, &self.room).await?;
        Ok(connection)
    }
}

/// Counts a packet if it is an acknowledgement.
fn receive(packet: &str, request: &mut HashMap<u32, u64>, timeline: &Timeline) {
    let number = packet.strip_prefix("43").and_then(|rest| rest.split('[').next());
    let due_ms = number.and_then(|number| request.remove(&number.parse::<u32>().ok()?));
    match due_ms {
        Some(due_ms) if packet.contains("\"ok\":true") => timeline.acknowledged(due_ms),
        Some(due_ms) => timeline.note(due_ms, |second| second.refused += 1),
        None => {}
    }
}
