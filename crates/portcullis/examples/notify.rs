//! A notification service: pages listen, and a program of one's own pushes from outside.
//! Never: a push that anyone could make; the route asks for the program's own token.
//!
//! ```sh
//! NOTIFY_SECRET=$(openssl rand -hex 32) cargo run --example notify -- --port 3000
//! curl -X POST http://127.0.0.1:3000/push -H "authorization: Bearer $TOKEN" \
//!   -H 'content-type: application/json' -d '{"user": "ann", "text": "Your parcel is here"}'
//! ```
//!
//! Users and the pushing program have HS256 tokens of issuer `https://notify.example`; the
//! program's subject is `pusher`. A clock in a thread of its own tells everyone the time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis::prelude::*;
use portcullis::{Clock, Error, LoadState, SystemClock, VerifiedCredential, read_json};

/// `notify:read {number}`: the user has read everything up to a notification.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Read {
    number: u64,
}

impl Event for Read {
    const NAME: &'static str = "notify:read";
    const RULE: Rule = Rule { fields: &["number"], size_max_bytes: 128, ..Rule::DEFAULT };
}

/// The body of `POST /push`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Push {
    user: String,
    text: String,
}

/// What was pushed and not read, by the subject of the user's token.
#[derive(Default)]
struct Unread {
    next: u64,
    by_subject: HashMap<String, Vec<(u64, String)>>,
}

/// Notifications kept for one user.
const UNREAD_MAX: usize = 100;

type Shared = Arc<Mutex<Unread>>;

fn main() -> Result<(), Error> {
    let unread = Shared::default();
    let mut server = Server::builder()
        .listen(([127, 0, 0, 1], port()).into())
        .own_origin()
        .issuer_hs256("https://notify.example", "portcullis", &secret())
        .guards(|guards| guards.load = pinned())
        .build()?;
    // Each user is in a room of its own, named by the user's id here.
    let shared = Arc::clone(&unread);
    server.namespace("/")?.on_connected(move |context, _payload| {
        let waiting = waiting(&shared, &context);
        async move {
            let room = own_room(&context)?;
            context.join(&room)?;
            for (number, text) in waiting {
                context.emit("notify", &notification(number, &text))?;
            }
            Ok(())
        }
    });
    let shared = Arc::clone(&unread);
    server.on(move |permit: Permit<Read>, _context: Context| {
        let mut unread = shared.lock();
        if let Some(list) = unread.by_subject.get_mut(permit.user().name().as_ref()) {
            list.retain(|(number, _)| *number > permit.payload().number);
        }
        async { Ok(Reply::ok()) }
    })?;
    let directory = Arc::clone(server.directory());
    server.on_new_user(move |verified: VerifiedCredential| {
        // The name people see is the issuer's name for the user: pushes find it by that.
        let known = directory.put_user(portcullis::UserFacts::new(verified.user, verified.subject));
        async move { if known { Ok(()) } else { Err(Denial::Busy) } }
    });
    let hub = server.hub();
    let shared = Arc::clone(&unread);
    server.route(Method::Post, "/push", move |request| {
        let outcome = push(&shared, &hub, &request);
        async move { outcome }
    });
    let clock_hub = server.hub();
    let clock = SystemClock::start();
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_secs(1));
            let time = json!({"unix_ms": clock.now().unix_ms});
            // A slow consumer misses this second.
            let everyone = clock_hub.namespace(Namespace::MAIN).volatile();
            let _busy = everyone.emit("time", &Payload::of(&time));
        }
    });
    server.run()
}

/// Takes a notification in, and sends it to the user's sockets, if there are any.
fn push(unread: &Shared, hub: &Hub, request: &ApiRequest) -> Result<ApiResponse, Denial> {
    let pusher = request.verified()?;
    if pusher.subject != "pusher" {
        return Err(Denial::Forbidden("not_the_pusher"));
    }
    let Push { user, text } = read_json(&request.body, &["user", "text"])?;
    let mut unread = unread.lock();
    unread.next += 1;
    let number = unread.next;
    let list = unread.by_subject.entry(user.clone()).or_default();
    if list.len() >= UNREAD_MAX {
        list.remove(0);
    }
    list.push((number, text.clone()));
    let payload = notification(number, &text);
    hub.namespace(Namespace::MAIN).to(&room_of(&user)?).emit("notify", &payload)?;
    Ok(ApiResponse::json(202, &json!({"number": number})))
}

fn notification(number: u64, text: &str) -> Payload {
    Payload::of(&json!({"number": number, "text": text}))
}

fn waiting(unread: &Shared, context: &Context) -> Vec<(u64, String)> {
    let subject = context.user().name();
    unread.lock().by_subject.get(subject.as_ref()).cloned().unwrap_or_default()
}

fn own_room(context: &Context) -> Result<RoomId, Denial> {
    room_of(&context.user().name())
}

/// A room's name has no characters but letters, digits, `_` and `-`: the subject in hex has not.
fn room_of(subject: &str) -> Result<RoomId, Denial> {
    let hex: String = subject.bytes().map(|byte| format!("{byte:02x}")).collect();
    RoomId::parse(&format!("u-{hex}")).map_err(|_| Denial::Forbidden("subject_too_long"))
}

#[expect(clippy::disallowed_methods, reason = "an example has no configuration file")]
fn secret() -> Vec<u8> {
    std::env::var("NOTIFY_SECRET").unwrap_or_default().into_bytes()
}

/// What `LOAD_STATE` pins the state of load to, such as `normal`; measured without.
#[expect(clippy::disallowed_methods, reason = "an example has no configuration file")]
fn pinned() -> Option<LoadState> {
    LoadState::named(&std::env::var("LOAD_STATE").ok()?)
}

/// `--port N`, or 3000.
fn port() -> u16 {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--port");
    arguments.nth(1).and_then(|port| port.parse().ok()).unwrap_or(3000)
}
