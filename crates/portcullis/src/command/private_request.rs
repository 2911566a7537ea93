//! Requests of commands to the private listener of the server on this machine.
//! Never: a request to another server, or a wait without a timeout.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use portcullis_accounts::ServerSecret;
use serde_json::Value;

use super::installation::Installation;

/// Timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest response that is read.
const RESPONSE_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Performs an operation of `docs/operators-api.md`; `name` is its name, such as `alert:silence`.
pub(super) fn operate(installation: &Installation, name: &str, payload: &Value) -> Result<Value> {
    let name = name.strip_prefix("admin:").unwrap_or(name).replace(':', "/");
    send(installation, &format!("/admin/v1/{name}"), &payload.to_string())
}

fn send(installation: &Installation, path: &str, body: &str) -> Result<Value> {
    let address = installation
        .settings
        .server
        .private
        .context("listen.private is not set: set it, and restart the server")?;
    let data = &installation.settings.storage.data;
    let secret = ServerSecret::load(data)?;
    let secret = secret
        .with_context(|| format!("no server was ever started with the data directory {data:?}"))?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\n\
         X-Portcullis-Operator: {}\r\nContent-Length: {}\r\n\r\n{body}",
        secret.operator().expose(),
        body.len(),
    );
    let response = exchange(address, &request).with_context(|| {
        format!(
            "the server does not respond on {address}: check that it runs, and that --config and \
             --data are those of the server"
        )
    })?;
    let (head, body) = response.split_once("\r\n\r\n").context("the response is not HTTP")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    let body: Value = serde_json::from_str(body).context("the response is not JSON")?;
    let why = body.get("error").and_then(|error| error.get("message").unwrap_or(error).as_str());
    match (status, why) {
        ("200", _) => Ok(body),
        (_, Some(why)) => bail!("{why}"),
        (status, None) => bail!("the server responded with status {status}"),
    }
}

/// Sends a request as it is, and reads the whole response.
pub(super) fn exchange(address: SocketAddr, request: &str) -> Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, REQUEST_TIMEOUT)?;
    socket.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    socket.set_write_timeout(Some(REQUEST_TIMEOUT))?;
    socket.write_all(request.as_bytes())?;
    let mut response = String::new();
    socket.take(RESPONSE_MAX_BYTES).read_to_string(&mut response)?;
    Ok(response)
}
