//! The engine with every guard on and three small events: `echo`, `join`, `publish`.
//! Never: a guard switched off; limits that would end a benchmark are raised.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use portcullis_audit::Audit;
use portcullis_guard::{
    Access, Directory, DirectoryLimits, Event, Gate, GateOptions, Issuer, IssuerKey, Permit,
    Replay, RoomFacts, Rule, UserFacts, Visibility,
};
use portcullis_model::{Denial, RoomId, Secret, SystemClock, UserId};
use portcullis_server::{Builder, Context, DeliveryTiming, Delta, Frame, Options, Reply};
use serde::{Deserialize, Serialize};

use crate::clients::token::{ISSUER, SECRET};
use crate::servers::plenty;

const ROOM: &str = "bench";

const RULE: Rule = Rule {
    fields: &["text"],
    size_max_bytes: 10_240,
    rate: None,
    access: Access::User,
    replay: Replay::Mid,
    ..Rule::DEFAULT
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

/// The options of the echo server that a benchmark may choose.
pub(crate) struct Setup {
    /// Threads that carry connections.
    pub(crate) shards: usize,
    /// TLS with a certificate of its own.
    pub(crate) tls: bool,
    /// Tokens are signed with Ed25519 instead of HMAC.
    pub(crate) eddsa: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { shards: 1, tls: false, eddsa: false }
    }
}

/// The command line that starts it so; `public` is the issuer's key in base64url.
pub(crate) fn arguments(setup: &Setup, public: Option<String>) -> [String; 4] {
    let tls = if setup.tls { "tls" } else { "plain" };
    let key = public.unwrap_or_else(|| String::from("hs256"));
    [String::from("echo-server"), setup.shards.to_string(), String::from(tls), key]
}

/// Serves until it is killed.
pub(crate) fn serve(shards: &str, tls: &str, key: &str) -> Result<()> {
    // Small pages, as the product asks for.
    let _kept = rustix::thread::disable_transparent_huge_pages(true);
    let shards = shards.parse()?;
    let (tls, scheme) = match tls {
        "tls" => (Some(tls_config()?), "https"),
        _ => (None, "http"),
    };
    let directory = Arc::new(Directory::new(DirectoryLimits::default()));
    let room = RoomId::parse(ROOM).ok().context("room id")?;
    let options = Options {
        public: "127.0.0.1:0".parse()?,
        // For the error of a row that fails: what was rejected stands in the metrics.
        private: Some("127.0.0.1:0".parse()?),
        shards,
        tls,
        // Clients of a benchmark answer no pings.
        ping_interval_ms: 600_000,
        ..Options::default()
    };
    let listener = std::net::TcpListener::bind(options.public)?;
    let address = listener.local_addr()?;
    drop(listener);
    let gate = GateOptions {
        hosts: vec![address.to_string()],
        origins: vec![format!("{scheme}://{address}")],
        issuers: vec![Issuer::new(ISSUER, "portcullis", issuer_key(key)?)],
        ..plenty::gate_options()
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
    if let Some(private) = running.private() {
        println!("listening private http://{private}");
    }
    println!("listening public {scheme}://{}", running.public());
    loop {
        std::thread::park();
    }
}

fn issuer_key(key: &str) -> Result<IssuerKey> {
    if key == "hs256" {
        return Ok(IssuerKey::Hs256(Secret::new(SECRET.to_vec())));
    }
    Ok(IssuerKey::EdDsaPublic(URL_SAFE_NO_PAD.decode(key)?))
}

/// As the product has it, with a certificate that is made here and said to the load.
fn tls_config() -> Result<Arc<rustls::ServerConfig>> {
    let made = rcgen::generate_simple_self_signed(vec![String::from("127.0.0.1")])?;
    println!("certificate {}", STANDARD.encode(made.cert.der()));
    let key = rustls_pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new()?;
    Ok(Arc::new(config))
}

/// Everyone with a token of the benchmark's issuer is a user.
fn provision(builder: &mut Builder, users: Arc<Directory>) {
    builder.on_connect(move |verified| {
        let users = Arc::clone(&users);
        async move {
            users.put_user(UserFacts::new(verified.user, "bench".into()));
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
            let timing = DeliveryTiming::of_request();
            context.hub.try_deliver(Delta::Publish { room, frame, timing })?;
            Ok(Reply::ok())
        }
    })?;
    Ok(())
}
