//! Fair scheduling of handlers if there is more work than time.
//! Never: a clock; only the order of the handlers counts.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use portcullis::prelude::*;
use portcullis::{LoadState, Rate};
use portcullis_test::SioClient;

use crate::served::{ServedApp, builder};

const WIDE: Rate = Rate::per(1_000_000, 1_000);

/// Blocks the server's only thread until the test releases it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Hold {}

impl Event for Hold {
    const NAME: &'static str = "hold";
    const RULE: Rule = Rule::DEFAULT;
}

/// Puts the sender's name on the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {}

impl Event for Count {
    const NAME: &'static str = "count";
    const RULE: Rule = Rule::DEFAULT;
}

struct World {
    served: ServedApp,
    order: Arc<Mutex<Vec<String>>>,
    go_on: SyncSender<()>,
}

/// One thread, pressed or not.
fn world(state: LoadState) -> World {
    let order = Arc::new(Mutex::new(Vec::new()));
    let (go_on, held) = sync_channel::<()>(1);
    let (list, held) = (Arc::clone(&order), Arc::new(Mutex::new(held)));
    let builder = builder().engine(|engine| engine.shards = 1).guards(|guards| {
        guards.load = Some(state);
        guards.message_per_prefix = WIDE;
        guards.bytes_per_connection = Rate::per(1_000_000_000, 1_000);
        guards.bytes_per_user = Rate::per(1_000_000_000, 1_000);
        guards.bytes_per_prefix = Rate::per(1_000_000_000, 1_000);
    });
    let served = ServedApp::start_with(builder, |server| {
        server.on(move |_permit: Permit<Hold>, _context| {
            let _reply = held.lock().unwrap().recv();
            async { Ok(Reply::ok()) }
        })?;
        server.on(move |permit: Permit<Count>, _context| {
            list.lock().unwrap().push(permit.user().name().to_string());
            async { Ok(Reply::ok()) }
        })?;
        Ok(())
    });
    World { served, order, go_on }
}

/// How many events each connection sends; some turns' worth.
const EVENTS: usize = 3_000;
const MANY: usize = 8;

/// Many connections of one user and one of another have sent the same, before any of it is read.
/// Gives how many of the many were heard before the last of the one.
fn received_before(state: LoadState) -> usize {
    let World { served, order, go_on } = world(state);
    let mut holder = served.connect("holder");
    let mut many: Vec<SioClient> = (0..MANY).map(|_| served.connect("many")).collect();
    let mut one = served.connect("one");
    holder.emit("hold", &json!({}));
    for client in many.iter_mut().chain([&mut one]) {
        for _ in 0..EVENTS {
            client.emit("count", &json!({}));
        }
    }
    go_on.send(()).unwrap();
    let ones = || order.lock().unwrap().iter().filter(|name| *name == "one").count();
    portcullis_test::until("all of the one are heard", || (ones() == EVENTS).then_some(()));
    let order = order.lock().unwrap();
    let last = order.iter().rposition(|name| name == "one").unwrap();
    order.iter().take(last).filter(|name| *name == "many").count()
}

#[test]
fn pressed_a_user_with_many_connections_gets_the_turns_of_one() {
    let pressed = received_before(LoadState::Elevated);
    // A turn is 4 KiB, two hundred events; the first one is by connection, the others by user.
    assert!(pressed < MANY * EVENTS / 2, "{pressed} of {}", MANY * EVENTS);
}
