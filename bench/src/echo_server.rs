//! The engine with every guard on and three small events: `echo`, `join`, `publish`.
//! Never: a guard switched off; limits that would end a benchmark are raised.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use portcullis_audit::Audit;
use portcullis_guard::{
    Access, Directory, DirectoryLimits, Event, Gate, GateOptions, Issuer, IssuerKey, Permit, Rate,
    Replay, RoomFacts, Rule, UserFacts, Visibility,
};
use portcullis_model::{Denial, Roles, RoomId, Secret, SystemClock, UserId};
use portcullis_server::{Builder, Context, Delta, Frame, Options, Reply};
use serde::{Deserialize, Serialize};

use crate::client::{ISSUER, SECRET};
use crate::measure::{pin, raise_file_limit};

const ROOM: &str = "bench";

const RULE: Rule = Rule {
    fields: &["text"],
    size_max_bytes: 10_240,
    rate: None,
    access: Access::User,
    replay: Replay::Mid,
    release: false,
    attachments_max: 0,
};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Echo {
    text: String,
}

impl Event for Echo {
    const NAME: &'static str = "echo";
    const RULE: Rule = RULE;
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Publish {
    text: String,
}

impl Event for Publish {
    const NAME: &'static str = "publish";
    const RULE: Rule = RULE;
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Join {}

impl Event for Join {
    const NAME: &'static str = "join";
    const RULE: Rule = RULE;
}

/// Serves until it is killed.
pub(crate) fn serve() -> Result<()> {
    pin(0)?;
    raise_file_limit();
    let plenty = Rate { count: 1_000_000, period_ms: 1_000 };
    let directory = Arc::new(Directory::new(DirectoryLimits::default()));
    let room = RoomId::parse(ROOM).ok().context("room id")?;
    let options =
        Options { public: "127.0.0.1:0".parse()?, private: None, shards: 1, ..Options::default() };
    let listener = std::net::TcpListener::bind(options.public)?;
    let address = listener.local_addr()?;
    drop(listener);
    let gate = GateOptions {
        hosts: vec![address.to_string()],
        origins: vec![format!("http://{address}")],
        connect_per_prefix: plenty,
        request_per_prefix: plenty,
        message_per_user: plenty,
        message_per_connection: plenty,
        connections_total: 100_000,
        pre_auth_total: 50_000,
        issuers: vec![Issuer {
            issuer: ISSUER.to_owned(),
            audience: "portcullis".to_owned(),
            own: false,
            key_id: None,
            key: IssuerKey::Hs256(Secret::new(SECRET.to_vec())),
        }],
        ..GateOptions::default()
    };
    let gate = Gate::build(gate, Arc::clone(&directory))?;
    let clock = Arc::new(SystemClock::start());
    let options = Options { public: address, ..options };
    let mut builder = Builder::new(options, gate, Audit::silent(), clock);
    let owner = UserId::parse("owner").ok().context("user id")?;
    directory.put_room(RoomFacts {
        id: room.clone(),
        name: ROOM.into(),
        owner,
        visibility: Visibility::Public,
    });
    let users = Arc::clone(&directory);
    provision(&mut builder, users);
    events(&mut builder, &room)?;
    let running = builder.start()?;
    println!("listening public http://{}", running.public());
    loop {
        std::thread::park();
    }
}

/// Everyone with a token of the benchmark's issuer is a user.
fn provision(builder: &mut Builder, users: Arc<Directory>) {
    builder.on_connect(move |verified| {
        let users = Arc::clone(&users);
        async move {
            users.put_user(UserFacts {
                id: verified.user,
                name: "bench".into(),
                roles: Roles::user(),
                disabled: false,
                valid_after_unix_ms: 0,
            });
            Ok::<(), Denial>(())
        }
    });
}

fn events(builder: &mut Builder, room: &RoomId) -> Result<()> {
    builder.on(|permit: Permit<Echo>, _context: Context| async move {
        Ok(Reply::fields(&permit.into_payload()))
    })?;
    let joined = room.clone();
    builder.on(move |_permit: Permit<Join>, context: Context| {
        let room = joined.clone();
        async move {
            let connection = context.connection;
            context.hub.try_deliver(Delta::Subscribe { room, connection })?;
            Ok(Reply::ok())
        }
    })?;
    let published = room.clone();
    builder.on(move |permit: Permit<Publish>, context: Context| {
        let room = published.clone();
        async move {
            let payload = serde_json::to_string(permit.payload())
                .map_err(|_| Denial::Internal("serialise"))?;
            let frame = Frame::event("news", &payload);
            context.hub.try_deliver(Delta::Publish { room, frame })?;
            Ok(Reply::ok())
        }
    })?;
    Ok(())
}

/// Starts this server as a process of its own.
pub(crate) fn start() -> Result<crate::measure::Served> {
    raise_file_limit();
    let program = std::env::current_exe()?;
    crate::measure::Served::start(std::process::Command::new(program).arg("echo-server"))
}
