//! The honest: people who talk in rooms, and people who come in while the server is besieged.
//! Never: a message sent when its time has passed and counted from then.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Duration, timeout};

use super::target::Target;
use super::timeline::{ARRIVED_MS, Timeline};
use crate::client::{Client, Door, Visit};
use crate::token::{Signer, unix_s};

/// People in one room.
const MEMBERS: usize = 10;
/// Who comes back now and then, of those who have been here.
const RETURNING: usize = 50;
/// Between two of them, in milliseconds.
const RETURN_EVERY_MS: u64 = 200;
/// Between two messages of one person.
const SPEAK_EVERY_MS: u64 = 1_000;
/// How many sign in at a time before the run.
const AT_A_TIME: usize = 20;

/// Somebody who talks.
struct Person {
    client: Client,
    room: String,
    visit: Visit,
}

/// Everybody, signed in and in their rooms.
pub(crate) struct Crowd {
    people: Vec<Person>,
    returning: Vec<Visit>,
    /// The first room, for those who come to listen and never read.
    pub(crate) busy_room: String,
}

/// Where a person lives: each has an address, nobody else uses it.
fn home(person: usize) -> Ipv4Addr {
    let [.., high, low] = (person + 1).to_be_bytes();
    Ipv4Addr::new(127, 10, high, low)
}

fn visit(person: usize) -> Result<Visit> {
    let token = Some(Signer::Hs256.token(person, unix_s()?));
    Ok(Visit { source: Some(home(person)), token, ..Visit::default() })
}

/// Connects and signs in.
pub(crate) async fn sign_in(door: &Door, visit: &Visit) -> Result<Client> {
    let mut client = Client::upgrade(door, visit).await?;
    client.sign_in(visit).await?;
    Ok(client)
}

/// Emits an event and gives the acknowledgement's first argument.
pub(crate) async fn ask(client: &mut Client, event: &str, payload: &str) -> Result<Value> {
    client.send(&format!(r#"421["{event}",{payload}]"#)).await?;
    let answer = client.until(b"431").await?;
    let value: Value = serde_json::from_str(answer.get(3..).unwrap_or_default())?;
    let first = value.get(0).cloned().context("no argument")?;
    if first.get("ok") != Some(&Value::Bool(true)) {
        bail!("{event}: {answer}");
    }
    Ok(first)
}

/// A room of one's own.
pub(crate) async fn create_room(client: &mut Client) -> Result<String> {
    let created = ask(client, "room:create", r#"{"name":"siege","visibility":"public"}"#).await?;
    let id = created.pointer("/room/id").and_then(Value::as_str).context("no id")?;
    Ok(String::from(id))
}

impl Crowd {
    /// Everybody signs in, in rooms of ten; some of them will come back during the run.
    pub(crate) async fn gather(target: &Target, people: usize) -> Result<Self> {
        let mut all = Vec::with_capacity(people);
        let mut rooms = Vec::new();
        for first in (0..people).step_by(AT_A_TIME) {
            for person in first..(first + AT_A_TIME).min(people) {
                let visit = visit(person)?;
                let mut client = sign_in(&target.door, &visit).await?;
                if person % MEMBERS == 0 {
                    rooms.push(create_room(&mut client).await?);
                }
                let room = rooms.last().context("a room")?.clone();
                if person % MEMBERS != 0 {
                    ask(&mut client, "room:join", &format!(r#"{{"roomId":"{room}"}}"#)).await?;
                }
                all.push(Person { client, room, visit });
            }
        }
        let mut returning = Vec::new();
        for person in all.iter().take(RETURNING) {
            let admission = match target.defence {
                super::target::Defence::SocketIo => None,
                _ => Some(target.admission(&person.visit).await?),
            };
            returning.push(Visit { admission, ..person.visit.clone() });
        }
        let busy_room = rooms.first().context("a room")?.clone();
        Ok(Self { people: all, returning, busy_room })
    }

    /// Starts what everybody does until `end_ms`; a second's worth is spread over the second.
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
            tasks.spawn_local(person.talk(target, timeline, first_ms, end_ms, text));
        }
        let (timeline, target) = (Arc::clone(timeline), Rc::clone(target));
        tasks.spawn_local(come_back(self.returning, target, timeline, end_ms));
        tasks
    }
}

impl Person {
    /// Says something every second; comes back when the connection is lost.
    async fn talk(
        mut self,
        target: Rc<Target>,
        timeline: Arc<Timeline>,
        mut due_ms: u64,
        end_ms: u64,
        text: &'static str,
    ) {
        let mut asked = HashMap::new();
        let mut number = 10_u32;
        while due_ms < end_ms {
            let until = Duration::from_millis(due_ms.saturating_sub(timeline.now_ms()));
            match timeout(until, self.client.until(b"")).await {
                Ok(Ok(frame)) if frame == "2" => drop(self.client.send("3").await),
                Ok(Ok(frame)) => {
                    let id = frame.strip_prefix("43").and_then(|rest| rest.split('[').next());
                    let due_ms = id.and_then(|id| asked.remove(&id.parse::<u32>().ok()?));
                    if let Some(due_ms) = due_ms {
                        timeline.acknowledged(due_ms, frame.contains("\"ok\":true"));
                    }
                }
                Ok(Err(_lost)) => {
                    // What falls due meanwhile is due, and not good.
                    timeline.note(timeline.now_ms(), |second| second.lost += 1);
                    timeline.note(due_ms, |second| second.due += 1);
                    due_ms += SPEAK_EVERY_MS;
                    timeline.until(due_ms).await;
                    let again = self.come_back(&target);
                    let patience = Duration::from_millis(ARRIVED_MS);
                    if let Ok(Ok(client)) = timeout(patience, again).await {
                        self.client = client;
                    }
                }
                Err(_due) => {
                    timeline.until(due_ms).await;
                    timeline.note(due_ms, |second| second.due += 1);
                    number += 1;
                    asked.insert(number, due_ms);
                    let room = &self.room;
                    let said = format!(r#"{{"roomId":"{room}","message":"{text} {number}"}}"#);
                    let packet = format!(r#"42{number}["chat:send",{said}]"#);
                    let _lost = self.client.send(&packet).await;
                    due_ms += SPEAK_EVERY_MS;
                }
            }
        }
        // The last answers are still on their way.
        let last = Duration::from_millis(500);
        while let Ok(Ok(frame)) = timeout(last, self.client.until(b"43")).await {
            let id = frame.strip_prefix("43").and_then(|rest| rest.split('[').next());
            if let Some(due_ms) = id.and_then(|id| asked.remove(&id.parse::<u32>().ok()?)) {
                timeline.acknowledged(due_ms, frame.contains("\"ok\":true"));
            }
        }
    }

    async fn come_back(&self, target: &Target) -> Result<Client> {
        let mut client = sign_in(&target.door, &self.visit).await?;
        let join = format!(r#"{{"roomId":"{}"}}"#, self.room);
        ask(&mut client, "room:join", &join).await?;
        Ok(client)
    }
}

/// One after the other comes in once more, and leaves again.
async fn come_back(
    returning: Vec<Visit>,
    target: Rc<Target>,
    timeline: Arc<Timeline>,
    end_ms: u64,
) {
    let mut tasks = JoinSet::new();
    for (visit, due_ms) in returning.iter().cycle().zip((0..).step_by(RETURN_EVERY_MS as usize)) {
        // Whoever wants in too late to be counted does not.
        if due_ms + ARRIVED_MS >= end_ms {
            break;
        }
        timeline.until(due_ms).await;
        timeline.note(due_ms, |second| second.wanted_in += 1);
        let (visit, target, timeline) = (visit.clone(), Rc::clone(&target), Arc::clone(&timeline));
        tasks.spawn_local(async move {
            let patience = Duration::from_millis(ARRIVED_MS);
            let came = timeout(patience, sign_in(&target.door, &visit)).await;
            let in_time = timeline.now_ms().saturating_sub(due_ms) <= ARRIVED_MS;
            if in_time && matches!(came, Ok(Ok(_))) {
                timeline.note(due_ms, |second| second.came_in += 1);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}
