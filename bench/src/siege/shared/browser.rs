//! HTTPS requests of a user's browser: the page, an account, a login and its renewal.
//! Never: two requests at a time on one connection.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::clients::client::{Door, Duplex, Visit, open};
use crate::siege::server::target::is_whole;

/// The cookie of a log-in.
const COOKIE: &str = "__Host-rt=";

/// A connection for requests.
pub(super) struct Browser {
    stream: Box<dyn Duplex>,
    host: String,
    origin: String,
}

/// A log-in, as the page holds it.
pub(super) struct Login {
    pub(super) token: String,
    pub(super) admission: String,
    cookie: String,
}

impl Login {
    fn read(answer: &str) -> Result<Self> {
        let (head, body) = answer.split_once("\r\n\r\n").context("no body")?;
        let body: Value = serde_json::from_str(body)?;
        let text = |field: &str| {
            let value = body.get(field).and_then(Value::as_str);
            value.map(String::from).with_context(|| format!("no {field} in {answer}"))
        };
        let cookie = head.split_once(COOKIE).and_then(|(_, rest)| rest.split(';').next());
        let cookie = cookie.with_context(|| format!("no cookie in {head}"))?;
        let cookie = format!("{COOKIE}{cookie}");
        Ok(Self { token: text("access_token")?, admission: text("admission")?, cookie })
    }
}

impl Browser {
    pub(super) async fn open(door: &Door, visit: &Visit) -> Result<Self> {
        let stream = open(door, visit).await?;
        Ok(Self { stream, host: door.address.to_string(), origin: door.origin() })
    }

    /// The page and the files that it loads; empty if the server has no page.
    pub(super) async fn assets(mut self) -> Result<Vec<String>> {
        self.stream.write_all(self.get("/").as_bytes()).await?;
        let page = self.answer().await?;
        if !page.starts_with("HTTP/1.1 200") {
            return Ok(Vec::new());
        }
        // A header names the address for reports, which a browser does not load.
        let (_, body) = page.split_once("\r\n\r\n").context("no body")?;
        let linked = body.split(['"', '\'']).filter(|it| it.starts_with('/') && it.len() > 1);
        Ok(std::iter::once("/").chain(linked).map(String::from).collect())
    }

    /// Loads the page.
    pub(super) async fn load(&mut self, assets: &[String]) -> Result<()> {
        for path in assets {
            let request = self.get(path);
            self.ask(&request).await?;
        }
        Ok(())
    }

    pub(super) async fn register(mut self, number: usize) -> Result<()> {
        self.post("/auth/register", &credentials(number), "").await.map(drop)
    }

    pub(super) async fn log_in(&mut self, number: usize) -> Result<Login> {
        Login::read(&self.post("/auth/login", &credentials(number), "").await?)
    }

    pub(super) async fn renew(&mut self, login: &Login) -> Result<Login> {
        let cookie = format!("Cookie: {}\r\n", login.cookie);
        Login::read(&self.post("/auth/refresh", "{}", &cookie).await?)
    }

    fn get(&self, path: &str) -> String {
        let host = &self.host;
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nSec-Fetch-Site: same-origin\r\n\
             Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: empty\r\n\r\n"
        )
    }

    async fn post(&mut self, path: &str, body: &str, headers: &str) -> Result<String> {
        let Self { host, origin, .. } = self;
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n{headers}\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.ask(&request).await
    }

    async fn ask(&mut self, request: &str) -> Result<String> {
        self.stream.write_all(request.as_bytes()).await?;
        let answer = self.answer().await?;
        if !answer.starts_with("HTTP/1.1 20") {
            bail!("refused: {answer}");
        }
        Ok(answer)
    }

    async fn answer(&mut self) -> Result<String> {
        self.stream.flush().await?;
        let mut answer = Vec::new();
        while !is_whole(&answer) {
            if self.stream.read_buf(&mut answer).await? == 0 {
                bail!("the server closed the connection");
            }
        }
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}

/// The account of a user, as JSON.
fn credentials(number: usize) -> String {
    format!(r#"{{"username":"office{number}","password":"seven green kettles {number} sing"}}"#)
}
