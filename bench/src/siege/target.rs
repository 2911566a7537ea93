//! The server under siege: ours, with its priorities or without, or Socket.IO on Node.
//! Never: limits that make the honest crowd look good; what is raised stands on the page.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use crate::client::{Door, Visit, open};
use crate::contender::{authority, peers_folder};
use crate::dialect::Dialect;
use crate::measure::{Processors, Served};
use crate::token::{ISSUER, KEYS_ISSUER, SECRET, Signer};

/// Who is besieged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defence {
    /// Ours, as it comes.
    Priorities,
    /// Ours, kept to its normal state, with no places or turns of their own for those it knows:
    /// [`configuration`] says what is taken away, and the page repeats it.
    Flat,
    /// Ours, without the limit that the experiment is about: [`Needs::without`].
    Unguarded,
    /// Socket.IO on Node with what its documentation says to do, and limits as tight as ours: ten
    /// connections a minute of an address, 120 messages a minute of a user.
    SocketIo,
}

impl Defence {
    pub(crate) const ALL: [Self; 4] =
        [Self::Priorities, Self::Flat, Self::Unguarded, Self::SocketIo];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Priorities => "Portcullis",
            Self::Flat => "without priorities",
            Self::Unguarded => "without the guard",
            Self::SocketIo => "Socket.IO on Node",
        }
    }
}

/// A server, its door and where it tells how it is.
pub(crate) struct Target {
    pub(crate) served: Served,
    pub(crate) door: Door,
    pub(crate) defence: Defence,
    private: Option<Door>,
    pub(crate) directory: TempDir,
    /// Signs tokens of [`KEYS_ISSUER`].
    pub(crate) signer: Signer,
}

/// What a server says of itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look {
    /// How hard-pressed it is.
    pub(crate) state: Option<u8>,
    /// How many passwords wait to be hashed.
    pub(crate) passwords: Option<u32>,
}

/// What the experiments need of a server beyond its defaults.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Needs {
    /// Memory it is told to have, in MiB; a ballast that can be made heavier is loaded with it.
    pub(crate) memory_limit_mib: Option<u32>,
    /// The lines of `[rate]` that take away the guard an experiment is about.
    pub(crate) without: &'static str,
    /// Mebibytes a day that records of unauthenticated clients may take; without the guard as many
    /// as can be configured.
    pub(crate) day_mib: Option<u32>,
}

impl Needs {
    /// Nothing beyond the defaults.
    pub(crate) const NOTHING: Self = Self { memory_limit_mib: None, without: "", day_mib: None };

    /// The line of `[audit]`.
    fn budget(self, defence: Defence) -> String {
        match (self.day_mib, defence) {
            (None, _) => String::new(),
            (Some(_), Defence::Unguarded) => format!("{DAY_KEY} = {DAY_MAX_MIB}\n"),
            (Some(mib), Defence::Priorities | Defence::Flat | Defence::SocketIo) => {
                format!("{DAY_KEY} = {mib}\n")
            }
        }
    }
}

/// The budget of records of unauthenticated clients, and the most that it may be.
const DAY_KEY: &str = "unauthenticated_mib_per_day";
const DAY_MAX_MIB: u32 = 65_536;

impl Target {
    pub(crate) fn start(defence: Defence, needs: Needs) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let signer = Signer::generate()?;
        let public = signer.public().context("a key pair")?;
        let (served, ca) = match defence {
            Defence::SocketIo => socket_io(directory.path(), &public)?,
            Defence::Priorities | Defence::Flat | Defence::Unguarded => {
                ours(defence, needs, directory.path(), &public)?
            }
        };
        let tls = Some(authority(&ca)?);
        let door = Door { address: served.address, dialect: Dialect::SocketIo, tls, signer: None };
        let mut lines = served.before.iter();
        let private = lines.find_map(|line| line.strip_prefix("listening private http://"));
        let private = match private {
            Some(address) => Some(Door { address: address.parse()?, tls: None, ..door.clone() }),
            None => None,
        };
        Ok(Self { served, door, defence, private, directory, signer })
    }

    /// What it says of itself; nothing where it does not say.
    pub(crate) async fn look(&self) -> Look {
        let Some(private) = self.private.as_ref() else { return Look::default() };
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", private.address);
        let answer = ask(private, &Visit::default(), &request).await.unwrap_or_default();
        let figure = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().parse::<u32>().ok())
        };
        let state = figure("portcullis_load_state ");
        Look {
            state: state.and_then(|state| u8::try_from(state).ok()),
            passwords: figure("portcullis_queue{queue=\"passwords\"} "),
        }
    }

    /// The way in of those who have not been here: they resume no TLS session, nor do attackers.
    pub(crate) fn strangers_door(&self) -> Door {
        let tls = self.door.tls.as_ref().map(|connector| {
            let mut config = rustls::ClientConfig::clone(connector.config());
            config.resumption = rustls::client::Resumption::disabled();
            TlsConnector::from(Arc::new(config))
        });
        Door { tls, ..self.door.clone() }
    }

    /// Withdraws a token, so that whoever shows it afterwards has none.
    pub(crate) async fn withdraw(&self, visit: &Visit) -> Result<()> {
        let answer = self.post("/auth/logout", visit).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "a token is not withdrawn: {answer}");
        Ok(())
    }

    /// The admission of somebody who has connected before.
    pub(crate) async fn admission(&self, visit: &Visit) -> Result<String> {
        let answer = self.post("/auth/ticket", visit).await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
        let value: Value = serde_json::from_str(body).context(answer.clone())?;
        let admission = value.get("admission").and_then(Value::as_str).context(answer.clone())?;
        Ok(String::from(admission))
    }

    /// Posts nothing with somebody's token.
    async fn post(&self, path: &str, visit: &Visit) -> Result<String> {
        let (address, token) = (self.door.address, visit.token.as_deref().unwrap_or_default());
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: https://{address}\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        );
        ask(&self.door, visit, &request).await
    }
}

/// One request on a connection of its own; the answer as text.
pub(crate) async fn ask(door: &Door, visit: &Visit, request: &str) -> Result<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = open(door, visit).await?;
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    while !is_whole(&answer) {
        if stream.read_buf(&mut answer).await? == 0 {
            break;
        }
    }
    ensure!(answer.starts_with(b"HTTP/1.1 "), "no answer");
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Whether an answer has all of its body.
pub(crate) fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let lower = head.to_ascii_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: "));
    length
        .is_none_or(|length| length.trim().parse().is_ok_and(|length: usize| body.len() >= length))
}

/// A free port of this machine.
fn free_address() -> Result<std::net::SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn ours(
    defence: Defence,
    needs: Needs,
    directory: &Path,
    public: &str,
) -> Result<(Served, String)> {
    let program = std::env::current_exe()?.with_file_name("portcullis");
    ensure!(program.exists(), "build the server first: cargo build --release -p portcullis");
    let secret = directory.join("secret");
    std::fs::write(&secret, SECRET)?;
    Command::new("chmod").arg("600").arg(&secret).status()?;
    let key = format!(
        r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","use":"sig","x":"{public}"}}]}}"#
    );
    std::fs::write(directory.join("keys.json"), key)?;
    let config = directory.join("portcullis.toml");
    let text = configuration(defence, needs, free_address()?, &directory.display().to_string());
    std::fs::write(&config, text)?;
    let data = directory.join("data");
    let mut command = Command::new(program);
    command.arg("serve").arg("--config").arg(&config).arg("--data").arg(&data);
    command.stderr(std::process::Stdio::null());
    if needs.memory_limit_mib.is_some() {
        command
            .env("LD_PRELOAD", ballast(directory)?)
            .env("SIEGE_BALLAST", ballast_file(directory));
    }
    let served = Served::start(command, Processors::First)?;
    let ca = std::fs::read_to_string(data.join("ca.pem")).context("no certificate authority")?;
    Ok((served, ca))
}

/// The file that says how many MiB of ballast a server carries.
pub(crate) fn ballast_file(directory: &Path) -> PathBuf {
    directory.join("ballast")
}

/// Compiles what carries the ballast.
fn ballast(directory: &Path) -> Result<PathBuf> {
    let library = directory.join("ballast.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src/siege/ballast.c");
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-pthread", "-O1", "-o"]).arg(&library).arg(source);
    ensure!(compiler.status()?.success(), "cannot compile {source}");
    Ok(library)
}

fn configuration(
    defence: Defence,
    needs: Needs,
    address: std::net::SocketAddr,
    directory: &str,
) -> String {
    let memory = match needs.memory_limit_mib {
        Some(limit) => format!("memory_limit_mib = {limit}\n"),
        None => String::new(),
    };
    let budget = needs.budget(defence);
    let (capacity, rate, overload) = match defence {
        Defence::Flat => (
            "pre_auth_total = 10000\nadmin_reserve = 0\n",
            "connect_total = \"100000/1s\"\ntls_total = \"100000/1s\"\n\
             login_total = \"100000/1s\"\nconnect_known_per_prefix = \"10/60s\"\n",
            "state = \"normal\"\nwaiting_known = 0\nwaiting_strangers = 0\nwaiting_logins = 0\n",
        ),
        // Less is recorded of an overloaded server; an attacker who begins slowly keeps it normal.
        Defence::Unguarded if needs.day_mib.is_some() => ("", "", "state = \"normal\"\n"),
        Defence::Unguarded => ("", needs.without, ""),
        Defence::Priorities | Defence::SocketIo => ("", "", ""),
    };
    format!(
        r#"profile = "development"
[listen]
public = "{address}"
private = "127.0.0.1:0"
shards = 1
[[token.issuer]]
issuer = "{ISSUER}"
audience = "portcullis"
algorithm = "HS256"
secret_file = "{directory}/secret"
[[token.issuer]]
issuer = "{KEYS_ISSUER}"
audience = "portcullis"
algorithm = "EdDSA"
jwks_file = "{directory}/keys.json"
[capacity]
{capacity}
[rate]
{rate}message_per_user = "120/60s"
event_per_user = {{ "chat:send" = "120/60s" }}
[overload]
{memory}{overload}
[audit]
{budget}stdout = false
"#
    )
}

fn socket_io(directory: &Path, public: &str) -> Result<(Served, String)> {
    let key = rcgen::generate_simple_self_signed([String::from("127.0.0.1")])?;
    let ca = key.cert.pem();
    std::fs::write(directory.join("cert.pem"), &ca)?;
    std::fs::write(directory.join("key.pem"), key.signing_key.serialize_pem())?;
    let mut command = Command::new("node");
    command.arg("siege.mjs").arg(directory).current_dir(peers_folder().join("node"));
    command.env("NODE_ENV", "production");
    command.env("SIEGE_SECRET", String::from_utf8_lossy(SECRET).into_owned());
    command.env("SIEGE_PUBLIC_KEY", public);
    Ok((Served::start(command, Processors::First)?, ca))
}
