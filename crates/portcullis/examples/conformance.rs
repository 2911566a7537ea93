//! Everything open, for public suites that test the protocols: no token, any page, plain text.
//! Never: a model for a server; every line that begins with `danger` says what is given up.
//!
//! ```sh
//! cargo run --release --example conformance -- --port 3000
//! ```

use std::time::Duration;

use portcullis::prelude::*;
use portcullis::{ConnectAnswer, Danger, EngineMessage, Error, LoadState};

/// What every event here is held to: size and number of attachments, nothing else.
const RULE: Rule = Rule { size_max_bytes: 1_000_000, attachments_max: 10, ..Rule::DEFAULT };

fn main() -> Result<(), Error> {
    let plenty = Rate::per(1_000_000_000, 1_000);
    let mut server = Server::builder()
        .listen(([127, 0, 0, 1], port()).into())
        .danger(Danger { any_origin: true, any_host: true, anonymous: true })
        .danger_no_audit()
        .guards(|guards| {
            guards.message_max_bytes = 1_000_000;
            guards.load = Some(LoadState::Normal);
            guards.connect_per_prefix = plenty;
            guards.request_per_prefix = plenty;
            guards.message_per_user = plenty;
            guards.message_per_connection = plenty;
            guards.message_per_prefix = plenty;
            guards.connect_total = plenty;
            guards.bytes_per_connection = plenty;
            guards.bytes_per_user = plenty;
            guards.bytes_per_prefix = plenty;
            guards.penalty_per_prefix = plenty;
            guards.penalty_per_user = plenty;
            guards.capacity.pre_auth_per_prefix = 10_000;
            guards.capacity.per_prefix = 10_000;
            guards.capacity.http_per_prefix = 10_000;
        })
        .engine(|engine| {
            engine.ping_interval_ms = milliseconds("PING_INTERVAL_MS", 300);
            engine.ping_timeout_ms = milliseconds("PING_TIMEOUT_MS", 200);
            engine.connect_timeout_ms = milliseconds("CONNECT_TIMEOUT_MS", 45_000);
            engine.message_max_bytes = 1_000_000;
            engine.polling_max_bytes = 1_000_000;
            engine.outbox_max_bytes = 16 * 1024 * 1024;
            engine.connect_answer = ConnectAnswer::Bare;
        })
        .build()?;
    for name in ["/", "/custom"] {
        let mut namespace = server.namespace(name)?;
        namespace.on_connected(|context, payload| async move {
            let payload = payload.unwrap_or_else(|| String::from("{}"));
            context.emit("auth", &Payload::echo(&payload, &[]))
        });
        namespace.danger_on_raw("message", RULE, |permit, context| async move {
            let back = Payload::echo(permit.arguments(), permit.attachments());
            context.emit("message-back", &back)?;
            Ok(Reply::ok())
        })?;
        namespace.danger_on_raw("message-with-ack", RULE, |permit, _context| async move {
            let back = Payload::echo(permit.arguments(), permit.attachments());
            Ok(Reply::arguments(back))
        })?;
    }
    server.danger_engine("/engine.io/", Some::<EngineMessage>);
    server.run()
}

/// `--port N`, or 3000.
fn port() -> u16 {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--port");
    arguments.nth(1).and_then(|port| port.parse().ok()).unwrap_or(3000)
}

/// A time that a suite may want longer.
#[expect(clippy::disallowed_methods, reason = "an example has no configuration file")]
fn milliseconds(name: &str, default_ms: u64) -> u64 {
    let set = std::env::var(name).ok().and_then(|text| text.parse().ok());
    set.map(Duration::from_millis)
        .and_then(|time| u64::try_from(time.as_millis()).ok())
        .unwrap_or(default_ms)
}
