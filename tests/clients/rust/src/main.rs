//! A session of two users with `rust_socketio` on one board, over one transport.
//! Never: an assertion about internals of the client; only about packets that it sends and gets.
//!
//! ```sh
//! ANN=token BOB=token story http://127.0.0.1:4711 http://127.0.0.1:4712 polling
//! ```
//!
//! The first address is the board, the second the open server: this client sends binary data as
//! the only argument, which the board does not take. It answers no event of the server.

use std::error::Error;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use rust_socketio::client::Client;
use rust_socketio::{ClientBuilder, Event, Payload, TransportType};
use serde_json::{Value, json};

const TIMEOUT: Duration = Duration::from_secs(20);
const BOARD: &str = "rust";

type Outcome<T> = Result<T, Box<dyn Error>>;

/// A client and everything it receives, by event.
struct Person {
    client: Client,
    seen: Receiver<(String, Payload)>,
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [board, open, setting] = arguments.as_slice() else {
        return Err("use: story BOARD-URL OPEN-URL TRANSPORT".into());
    };
    reject(board, setting)?;
    let ann = Person::connect(board, "/board", setting, &std::env::var("ANN")?)?;
    let bob = Person::connect(board, "/board", setting, &std::env::var("BOB")?)?;
    ann.must("board:join", json!({"board": BOARD}))?;
    bob.must("board:join", json!({"board": BOARD}))?;
    ann.next("board:joined")?;
    note(&ann, &bob, "for all on the board")?;
    binary(open, setting)?;
    // The event takes no binary data, so the server closes the transport.
    let _result = bob.client.emit("board:note", Payload::from(vec![1_u8, 2]));
    // By polling this client reads the end as an error of its own, and is made anew.
    let bob = match setting.as_str() {
        "polling" => Person::connect(board, "/board", setting, &std::env::var("BOB")?)?,
        _ => bob.next("open").map(|_| bob)?,
    };
    bob.must("board:join", json!({"board": BOARD}))?;
    note(&ann, &bob, "welcome back")?;
    ann.client.disconnect()?;
    bob.client.disconnect()?;
    println!("told by {setting}");
    Ok(())
}

/// A CONNECT with a token that is not believed is answered with its cause.
fn reject(url: &str, setting: &str) -> Outcome<()> {
    let person = Person::connect(url, "/board", setting, "nonsense")?;
    let Payload::Text(words) = person.next("error")? else { return Err("no words".into()) };
    let words = Value::from(words).to_string();
    if words.contains("unauthorized") { Ok(()) } else { Err(words.into()) }
}

/// Both receive a note, and its sender has the acknowledgement.
fn note(from: &Person, to: &Person, text: &str) -> Outcome<()> {
    let number = from.must("board:note", json!({"board": BOARD, "text": text}))?["number"].clone();
    for person in [from, to] {
        let Payload::Text(parts) = person.next("board:note")? else { return Err("binary".into()) };
        let note = parts.first().cloned().unwrap_or_default();
        if note["text"] != text || note["number"] != number {
            return Err(format!("{note} is not {text} {number}").into());
        }
    }
    Ok(())
}

/// Binary data to the open server and back.
fn binary(url: &str, setting: &str) -> Outcome<()> {
    let person = Person::connect(url, "/", setting, "")?;
    let sent: Vec<u8> = (0..=255).collect();
    person.client.emit("message", Payload::from(sent.clone()))?;
    match person.next("message-back")? {
        Payload::Binary(received) if received[..] == sent[..] => {}
        other => return Err(format!("{other:?}").into()),
    }
    person.client.disconnect()?;
    Ok(())
}

impl Person {
    fn connect(url: &str, namespace: &str, setting: &str, token: &str) -> Outcome<Self> {
        let (sender, seen) = channel();
        let transport = match setting {
            "default" => TransportType::Any,
            "websocket" => TransportType::Websocket,
            "upgrade" => TransportType::WebsocketUpgrade,
            "polling" => TransportType::Polling,
            other => return Err(format!("no transport {other}").into()),
        };
        // Over WebSocket version 0.6 does not read binary frames; base64 it reads.
        let mut builder = ClientBuilder::new(format!("{url}/?deviceId=d-1&b64=1"))
            .namespace(namespace)
            .transport_type(transport)
            .opening_header("Origin", url)
            .auth(json!({"token": token, "deviceId": "d-1", "app": {"version": "2.3.1"}}))
            .reconnect(token != "nonsense")
            .reconnect_on_disconnect(true)
            .reconnect_delay(50, 200);
        for (event, name) in [(Event::Error, "error"), (Event::Connect, "open")] {
            builder = listen(builder, event, name, &sender);
        }
        for name in ["board:joined", "board:note", "message-back"] {
            builder = listen(builder, Event::from(name), name, &sender);
        }
        let person = Self { client: builder.connect()?, seen };
        if token != "nonsense" {
            person.next("open")?;
        }
        Ok(person)
    }

    /// What comes with the next event of a name; others before it are passed over.
    fn next(&self, event: &str) -> Outcome<Payload> {
        let end = Instant::now() + TIMEOUT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let (name, payload) =
                self.seen.recv_timeout(left).map_err(|_| format!("no {event} in time"))?;
            if name == event {
                return Ok(payload);
            }
        }
    }

    /// One event; it must be taken.
    fn must(&self, event: &str, payload: Value) -> Outcome<Value> {
        let (sender, answer) = channel();
        let answered = move |payload: Payload, _| {
            let _gone = sender.send(payload);
        };
        self.client.emit_with_ack(event, payload, TIMEOUT, answered)?;
        let answer = answer.recv_timeout(TIMEOUT).map_err(|_| format!("{event} in time"))?;
        let Payload::Text(parts) = answer else { return Err("binary".into()) };
        // This client passes the arguments as one list.
        let first = parts.into_iter().next().unwrap_or_default();
        let ack = if first.is_array() { first[0].clone() } else { first };
        if ack["ok"] == true { Ok(ack) } else { Err(format!("{event}: {ack}").into()) }
    }
}

fn listen(
    builder: ClientBuilder,
    event: Event,
    name: &'static str,
    sender: &Sender<(String, Payload)>,
) -> ClientBuilder {
    let sender = sender.clone();
    builder.on(event, move |payload, _| {
        let _gone = sender.send((String::from(name), payload));
    })
}
