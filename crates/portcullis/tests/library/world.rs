//! Many clients on two shards act at random: connect, upgrade, speak, die, come back.
//! Never: an act the model cannot judge; a failing seed is a test to keep.
//!
//! What must hold: a healthy member of a room gets every note of it exactly once and in order,
//! from its join to its leaving, through every recovery; and when all are gone nothing is left.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parking_lot::Mutex;
use portcullis::prelude::*;
use portcullis::{Clock, Delta, Frame, RecoveryOutcome, SystemClock};
use portcullis_test::{Connection, RawWebSocket, Request};
use serde_json::Value;

use crate::served::{ServedApp, credential};

const CLIENTS: usize = 14;
const ROOMS: [&str; 3] = ["red", "green", "blue"];
const STEPS: usize = 500;
/// Notes kept for recovery: few, so that some come back too late.
const KEPT: usize = 40;

/// `join {room}` and `leave {room}`, acknowledged with the number of the newest note.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {
    #[serde(deserialize_with = "field::room_id")]
    room: RoomId,
}

impl Event for Join {
    const NAME: &'static str = "join";
    const RULE: Rule = Rule::DEFAULT;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Leave {
    #[serde(deserialize_with = "field::room_id")]
    room: RoomId,
}

impl Event for Leave {
    const NAME: &'static str = "leave";
    const RULE: Rule = Rule::DEFAULT;
}

/// `note {room}`: all members of the room receive the next number.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Note {
    #[serde(deserialize_with = "field::room_id")]
    room: RoomId,
}

impl Event for Note {
    const NAME: &'static str = "note";
    const RULE: Rule = Rule::DEFAULT;
}

/// `sync {}`: its answer comes behind everything said before.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sync {}

impl Event for Sync {
    const NAME: &'static str = "sync";
    const RULE: Rule = Rule::DEFAULT;
}

#[derive(Default)]
struct Notes {
    newest: u64,
    kept: VecDeque<(u64, RoomId, Arc<Frame>)>,
}

fn served() -> ServedApp {
    let notes = Arc::new(Mutex::new(Notes::default()));
    ServedApp::start(move |server| {
        let hub = server.hub();
        let mut main = server.namespace("/")?;
        let shared = Arc::clone(&notes);
        main.on(move |permit: Permit<Join>, context: Context| {
            let notes = shared.lock();
            let joined = context.join(&permit.payload().room);
            let newest = notes.newest;
            async move { joined.map(|()| Reply::fields(&json!({"newest": newest}))) }
        })?;
        let shared = Arc::clone(&notes);
        main.on(move |permit: Permit<Leave>, context: Context| {
            let notes = shared.lock();
            let left = context.leave(&permit.payload().room);
            let newest = notes.newest;
            async move { left.map(|()| Reply::fields(&json!({"newest": newest}))) }
        })?;
        let shared = Arc::clone(&notes);
        main.on(move |permit: Permit<Note>, context: Context| {
            let room = permit.payload().room.clone();
            let mut notes = shared.lock();
            notes.newest += 1;
            let number = notes.newest;
            let payload = Payload::of(&json!({"room": room.as_str(), "number": number}));
            let frame = Frame::recoverable(Namespace::MAIN, "note", &payload, number);
            notes.kept.push_back((number, room.clone(), Arc::clone(&frame)));
            if notes.kept.len() > KEPT {
                notes.kept.pop_front();
            }
            let sent = context.as_server().to(&room).emit_frame(frame);
            async move { sent.map(|()| Reply::fields(&json!({"number": number}))) }
        })?;
        main.on(|_permit: Permit<Sync>, context: Context| async move {
            context.emit("synced", &Payload::of(&json!({})))?;
            Ok(Reply::ok())
        })?;
        let shared = Arc::clone(&notes);
        main.on_recover(move |recovering| {
            let notes = shared.lock();
            let oldest = notes.kept.front().map_or(0, |(number, _, _)| *number);
            let fresh = recovering.offset + 1 < oldest;
            let missed = notes
                .kept
                .iter()
                .filter(|(number, room, _)| {
                    *number > recovering.offset && recovering.rooms.contains(room)
                })
                .map(|(_, _, frame)| Arc::clone(frame))
                .collect();
            let (connection, rooms) = (recovering.connection, recovering.rooms.clone());
            let resumed =
                !fresh && hub.try_deliver(Delta::Resume { connection, rooms, missed }).is_ok();
            let outcome = if resumed { RecoveryOutcome::Resumed } else { RecoveryOutcome::Fresh };
            async move { Ok(outcome) }
        });
        Ok(())
    })
}

/// A small generator whose whole state is one number (SplitMix64).
struct Random(u64);

impl Random {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).unwrap()
    }
}

/// One person: the connection, if there is one, and what it has to have heard.
struct Person {
    name: String,
    socket: Option<RawWebSocket>,
    pid: String,
    offset: u64,
    /// The same as the server tells it.
    reply: String,
    /// Its rooms, each with the number of the newest note at its join.
    rooms: BTreeMap<String, u64>,
    received: Vec<(String, u64)>,
    /// What it must have heard of rooms it has left.
    settled: usize,
    recovered: usize,
}

struct World<'a> {
    served: &'a ServedApp,
    people: Vec<Person>,
    /// Every note: its room, by number from 1.
    notes: Vec<String>,
}

fn request(served: &ServedApp, line: &str) -> Request {
    let host = served.public.to_string();
    Request::bare(line).header("Host", &host).header("Origin", &format!("http://{host}"))
}

fn upgrade(served: &ServedApp, query: &str) -> RawWebSocket {
    let line = format!("GET /socket.io/?EIO=4&transport=websocket{query} HTTP/1.1");
    let request = request(served, &line)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    RawWebSocket::upgrade(Connection::open_bare(served.public), &request)
}

/// Opens a session by polling and moves on to a WebSocket at once.
fn poll_and_upgrade(served: &ServedApp) -> RawWebSocket {
    let line = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1";
    let answer = request(served, line).ask_on(&mut Connection::open_bare(served.public));
    let open: Value = serde_json::from_slice(&answer.body[1..]).unwrap();
    let mut socket = upgrade(served, &format!("&sid={}", open["sid"].as_str().unwrap()));
    socket.send_text("2probe");
    assert_eq!(socket.next_frame().unwrap().text(), "3probe");
    socket.send_text("5");
    socket
}

impl Person {
    fn new(number: usize) -> Self {
        Self {
            name: format!("person-{number}"),
            socket: None,
            pid: String::new(),
            offset: 0,
            reply: String::new(),
            rooms: BTreeMap::new(),
            received: Vec::new(),
            settled: 0,
            recovered: 0,
        }
    }

    /// The next packet of Socket.IO; notes are taken down on the way.
    fn next(&mut self) -> String {
        loop {
            let socket = self.socket.as_mut().unwrap();
            let text = socket.next_frame().expect("the server keeps healthy clients").text();
            if text == "2" {
                socket.send_text("3");
            } else if let Some(json) = text.strip_prefix("42[\"note\",") {
                let note: Vec<Value> = serde_json::from_str(&format!("[{json}")).unwrap();
                let number = note[0]["number"].as_u64().unwrap();
                assert!(number > self.offset, "{}: {number} after {}", self.name, self.offset);
                self.offset = number;
                self.reply = note[1].as_str().unwrap().to_owned();
                self.received.push((note[0]["room"].as_str().unwrap().to_owned(), number));
            } else if !text.starts_with("42[\"synced\"") {
                return text;
            }
        }
    }

    fn ask(&mut self, event: &str, payload: &Value) -> Value {
        let packet = format!("427{}", json!([event, payload]));
        self.socket.as_mut().unwrap().send_text(&packet);
        let answer = self.next();
        let json = answer.strip_prefix("437").unwrap_or_else(|| panic!("{answer}"));
        serde_json::from_str::<Vec<Value>>(json).unwrap().remove(0)
    }

    fn connect(&mut self, served: &ServedApp, by_polling: bool) {
        let mut socket = if by_polling {
            poll_and_upgrade(served)
        } else {
            let mut socket = upgrade(served, "");
            assert!(socket.next_frame().unwrap().text().starts_with("0{"));
            socket
        };
        let mut payload: Value = serde_json::from_str(&credential(&self.name)).unwrap();
        if !self.pid.is_empty() && self.offset > 0 {
            payload["pid"] = Value::from(self.pid.clone());
            payload["offset"] = Value::from(self.reply.clone());
        }
        socket.send_text(&format!("40{payload}"));
        self.socket = Some(socket);
        let answer = self.next();
        let answer: Value = serde_json::from_str(answer.strip_prefix("40").unwrap()).unwrap();
        let pid = answer["pid"].as_str().unwrap().to_owned();
        if pid == self.pid {
            self.recovered += 1;
        } else {
            self.pid = pid;
            self.evict();
        }
    }

    /// A fresh place: nothing is heard any more.
    fn evict(&mut self) {
        self.rooms.clear();
        self.received.clear();
        self.settled = 0;
    }
}

impl World<'_> {
    fn step(&mut self, random: &mut Random) {
        let actor = random.roll(CLIENTS);
        let room = ROOMS[random.roll(ROOMS.len())];
        let person = &mut self.people[actor];
        if person.socket.is_none() {
            let by_polling = random.roll(3) == 0;
            return person.connect(self.served, by_polling);
        }
        match random.roll(10) {
            0 | 1 => {
                let newest = person.ask("join", &json!({"room": room}))["newest"].clone();
                person.rooms.entry(room.to_owned()).or_insert(newest.as_u64().unwrap());
            }
            2 => {
                person.ask("leave", &json!({"room": room}));
                self.settle(actor, room);
            }
            // Dies without a word, or is cut off in the middle of one.
            3 => person.socket = None,
            4 if random.roll(2) == 0 => {
                let socket = person.socket.take().unwrap();
                let mut connection = socket.connection;
                connection.send(&[0x81, 0xfe, 0x00]);
                connection.reset();
            }
            _ => {
                let number = person.ask("note", &json!({"room": room}))["number"].clone();
                self.notes.push(room.to_owned());
                assert_eq!(number, self.notes.len());
            }
        }
    }

    /// A room is left: everything of it until now must have come.
    fn settle(&mut self, actor: usize, room: &str) {
        let person = &mut self.people[actor];
        let Some(since) = person.rooms.remove(room) else { return };
        let expect = expected(&self.notes, room, since);
        let received: Vec<u64> = received_in(&person.received, room, since);
        assert_eq!(received, expect, "{} in {room} since {since}", person.name);
        person.settled += received.len();
    }

    /// Everyone who is connected has heard everything of its rooms.
    fn check(&mut self) {
        for person in &mut self.people {
            if person.socket.is_none() {
                continue;
            }
            assert_eq!(person.ask("sync", &json!({}))["ok"], true);
            for (room, since) in &person.rooms {
                let expect = expected(&self.notes, room, *since);
                let received = received_in(&person.received, room, *since);
                assert_eq!(received, expect, "{} in {room} since {since}", person.name);
            }
        }
    }
}

/// The notes of a room after a number.
fn expected(notes: &[String], room: &str, since: u64) -> Vec<u64> {
    let numbered = (1..).zip(notes);
    numbered.filter(|(number, of)| *of == room && *number > since).map(|(n, _)| n).collect()
}

fn received_in(received: &[(String, u64)], room: &str, since: u64) -> Vec<u64> {
    received.iter().filter(|(of, number)| of == room && *number > since).map(|(_, n)| *n).collect()
}

fn play(seed: u64) -> (usize, usize) {
    let served = served();
    let people = (0..CLIENTS).map(Person::new).collect();
    let mut world = World { served: &served, people, notes: Vec::new() };
    let mut random = Random(seed);
    for step in 0..STEPS {
        world.step(&mut random);
        if step % 100 == 99 {
            world.check();
        }
    }
    world.check();
    let recovered = world.people.iter().map(|person| person.recovered).sum();
    let received = world.people.iter().map(|person| person.received.len() + person.settled).sum();
    drop(world);
    let gauges = ["connections_open", "slots_pre_auth", "slots_authenticated"];
    let clock = SystemClock::start();
    let started_ms = clock.now().monotonic_ms;
    let longest_ms = portcullis_test::WAIT.as_millis().try_into().unwrap_or(u64::MAX);
    while gauges.iter().any(|name| served.metric(name) != 0) {
        let waited_ms = clock.now().monotonic_ms - started_ms;
        assert!(waited_ms < longest_ms, "seed {seed}: something is left behind");
        std::thread::yield_now();
    }
    (recovered, received)
}

#[test]
fn random_world_loses_and_duplicates_no_note() {
    let (mut recovered, mut received) = (0, 0);
    for seed in 1..=8 {
        let (came_back, notes) = play(seed);
        recovered += came_back;
        received += notes;
    }
    // A world without reconnects and events would prove nothing.
    assert!(recovered > 80 && received > 2_000, "{recovered} came back, {received} notes heard");
}
