//! The server under siege: ours, with its priorities or without, or Socket.IO on Node.
//! Never: limits that favour the honest users; the page lists every raised limit.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use crate::clients::client::{Door, Visit, open};
use crate::clients::dialect::Dialect;
use crate::clients::token::Signer;
use crate::servers::contender::authority;
use crate::servers::explain::rejections_by_rule;
use crate::servers::measure::MeasuredServer;
use crate::siege::server::defence::Defence;
use crate::siege::server::defence::Needs;
use crate::siege::server::launch::{Launch, PAGE};

/// A server, its door, and the address of its metrics.
pub(crate) struct Target {
    pub(crate) served: MeasuredServer,
    pub(crate) door: Door,
    pub(crate) defence: Defence,
    private: Option<Door>,
    launch: Launch,
    pub(crate) directory: TempDir,
    /// Signs tokens of [`KEYS_ISSUER`](crate::clients::token::KEYS_ISSUER).
    pub(crate) signer: Signer,
}

/// The state that a server reports.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look {
    /// Its load level.
    pub(crate) state: Option<u8>,
    /// The number of passwords in the queue for hashing.
    pub(crate) passwords: Option<u32>,
    /// Records that alert rules have evaluated since the start.
    pub(crate) evaluations: Option<u32>,
}

impl Target {
    pub(crate) fn start(defence: Defence, needs: Needs) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let signer = Signer::generate()?;
        let public = signer.public().context("a key pair")?;
        let launch = Launch::prepare(defence, needs, directory.path(), public)?;
        let served = launch.start()?;
        let door = Door {
            address: served.address,
            dialect: Dialect::SocketIo,
            tls: Some(authority(launch.certificate())?),
            signer: None,
            page: Some(PAGE),
        };
        let private = private(&served, &door)?;
        Ok(Self { served, door, defence, private, launch, directory, signer })
    }

    /// Kills the server and starts it again at the same address with the same data.
    pub(crate) fn restart(&mut self) -> Result<()> {
        self.served.kill()?;
        self.served = self.launch.start()?;
        ensure!(self.served.address == self.door.address, "the server has another address");
        self.private = private(&self.served, &self.door)?;
        Ok(())
    }

    /// The state that the server reports; empty if it reports none.
    pub(crate) async fn look(&self) -> Look {
        let answer = self.metrics().await.unwrap_or_default();
        let figure = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().parse::<u32>().ok())
        };
        let state = figure("portcullis_load_state ");
        Look {
            state: state.and_then(|state| u8::try_from(state).ok()),
            passwords: figure("portcullis_queue{queue=\"passwords\"} "),
            evaluations: figure("portcullis_alert_evaluations_total "),
        }
    }

    /// Rejections since the start, by rule; empty if the server reports none.
    pub(crate) async fn rejections(&self) -> Result<BTreeMap<String, u64>> {
        if self.private.is_none() {
            return Ok(BTreeMap::new());
        }
        Ok(rejections_by_rule(&self.metrics().await?))
    }

    async fn metrics(&self) -> Result<String> {
        let private = self.private.as_ref().context("no private listener")?;
        let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\n\r\n", private.address);
        ask(private, &Visit::default(), &request).await
    }

    /// The way in of those who have not been here: they resume no TLS session, nor do attackers.
    pub(crate) fn admission_limit(&self) -> Door {
        let tls = self.door.tls.as_ref().map(|connector| {
            let mut config = rustls::ClientConfig::clone(connector.config());
            config.resumption = rustls::client::Resumption::disabled();
            TlsConnector::from(Arc::new(config))
        });
        Door { tls, ..self.door.clone() }
    }

    /// Revokes a token, so that it is invalid afterwards.
    pub(crate) async fn revoke(&self, visit: &Visit) -> Result<()> {
        let answer = self.post("/auth/logout", visit).await?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "a token is not revoked: {answer}");
        Ok(())
    }

    /// The admission token of a returning client.
    pub(crate) async fn admission(&self, visit: &Visit) -> Result<String> {
        let answer = self.post("/auth/ticket", visit).await?;
        let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
        let value: Value = serde_json::from_str(body).context(answer.clone())?;
        let admission = value.get("admission").and_then(Value::as_str).context(answer.clone())?;
        Ok(String::from(admission))
    }

    /// Posts nothing with somebody's token.
    async fn post(&self, path: &str, visit: &Visit) -> Result<String> {
        let (address, origin) = (self.door.address, self.door.origin());
        let token = visit.token.as_deref().unwrap_or_default();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {address}\r\nOrigin: {origin}\r\n\
             Authorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: 2\r\n\r\n{{}}"
        );
        ask(&self.door, visit, &request).await
    }
}

/// The private address of a server for metrics, if it has one.
fn private(served: &MeasuredServer, door: &Door) -> Result<Option<Door>> {
    let mut lines = served.before.iter();
    let address = lines.find_map(|line| line.strip_prefix("listening private http://"));
    let Some(address) = address else { return Ok(None) };
    Ok(Some(Door { address: address.parse()?, tls: None, ..door.clone() }))
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
