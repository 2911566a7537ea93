//! Requests of commands to the private listener of the server on this machine.
//! Never: the operator's key in a request, an answer without a proof of it, a wait without an end.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use portcullis_accounts::ServerSecret;
use portcullis_model::Secret;
use portcullis_server::{ANSWER_PROOF_HEADER, NONCE_BYTES, OperatorAnswer, OperatorRequest};
use serde_json::Value;

use crate::command::installation::Installation;

/// Timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest response that is read.
const RESPONSE_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Performs an operation of `docs/operators-api.md`; `name` is its name, such as `alert:silence`.
pub(crate) fn operate(installation: &Installation, name: &str, payload: &Value) -> Result<Value> {
    let name = name.strip_prefix("admin:").unwrap_or(name).replace(':', "/");
    let (target, body) = (format!("/admin/v1/{name}"), payload.to_string());
    let address = installation
        .settings
        .server
        .private
        .context("listen.private is not set: set it, and restart the server")?;
    let data = &installation.settings.storage.data;
    let (key, nonce) = (operator_key(data)?, new_nonce()?);
    let request = OperatorRequest { method: "POST", target: &target, body: body.as_bytes() };
    let proof = request.prove(&key, installation.now().unix_ms, &nonce);
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: {address}\r\nX-Portcullis-Operator: {proof}\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len(),
    );
    let response = exchange(address, &request).with_context(|| {
        format!(
            "the server does not respond on {address}: check that it runs, and that --config and \
             --data are those of the server"
        )
    })?;
    let (status, body) = proven(&response, &key, &nonce).with_context(|| {
        format!(
            "the program that listens on {address} did not prove that it knows the operator's key \
             of {}, so its answer is not used: it is another program, the server of another data \
             directory, or a server of an earlier version. The key was not sent. `ss -ltnp` names \
             the program; after a rotation of the key, try again in 2 s",
            data.display()
        )
    })?;
    let body: Value = serde_json::from_str(body).context("the response is not JSON")?;
    let why = body.get("error").and_then(|error| error.get("message").unwrap_or(error).as_str());
    match (status, why) {
        (200, _) => Ok(body),
        (_, Some(why)) => bail!("{why}"),
        (status, None) => bail!("the server responded with status {status}"),
    }
}

/// The header that proves the operator's key for one request of another program.
pub(crate) fn proof_header(
    installation: &Installation,
    request: &OperatorRequest<'_>,
) -> Result<String> {
    let key = operator_key(&installation.settings.storage.data)?;
    let proof = request.prove(&key, installation.now().unix_ms, &new_nonce()?);
    Ok(format!("X-Portcullis-Operator: {proof}"))
}

fn operator_key(data: &Path) -> Result<Arc<Secret<String>>> {
    let secret = ServerSecret::load(data)?;
    let secret = secret
        .with_context(|| format!("no server was ever started with the data directory {data:?}"))?;
    Ok(secret.operator())
}

fn new_nonce() -> Result<[u8; NONCE_BYTES]> {
    let mut nonce = [0; NONCE_BYTES];
    let filled = aws_lc_rs::rand::fill(&mut nonce);
    filled.ok().context("the system provides no random numbers: try again")?;
    Ok(nonce)
}

/// The status and body of a response, if a program with the key has made it for this request.
///
/// While the server is down, any user of this machine can listen on its port.
fn proven<'r>(
    response: &'r str,
    key: &Secret<String>,
    nonce: &[u8; NONCE_BYTES],
) -> Option<(u16, &'r str)> {
    let (head, body) = response.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": "));
    let mut proofs = headers.filter(|(name, _)| name.eq_ignore_ascii_case(ANSWER_PROOF_HEADER));
    let (_, proof) = proofs.next()?;
    let answer = OperatorAnswer { nonce, status, body: body.as_bytes() };
    answer.is_proven(key, proof).then_some((status, body))
}

/// Sends a request as it is, and reads the whole response.
pub(crate) fn exchange(address: SocketAddr, request: &str) -> Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, REQUEST_TIMEOUT)?;
    socket.set_read_timeout(Some(REQUEST_TIMEOUT))?;
    socket.set_write_timeout(Some(REQUEST_TIMEOUT))?;
    socket.write_all(request.as_bytes())?;
    let mut response = String::new();
    match socket.take(RESPONSE_MAX_BYTES).read_to_string(&mut response) {
        Ok(_) => Ok(response),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            bail!("no complete response within {} s", REQUEST_TIMEOUT.as_secs())
        }
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            bail!("the response is not text: is it the address of the private listener?")
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_counts_with_a_proof_for_its_request_only() {
        let key = Secret::new(String::from("k7Jx2mQ9"));
        let (nonce, body) = ([7; NONCE_BYTES], "{\"ok\":true}");
        let proof = OperatorAnswer { nonce: &nonce, status: 200, body: body.as_bytes() };
        let proof = format!("x-portcullis-proof: {}\r\n", proof.prove(&key));
        let good = format!("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n{proof}\r\n{body}");
        assert_eq!(proven(&good, &key, &nonce), Some((200, body)));
        assert_eq!(proven(&good, &key, &[8; NONCE_BYTES]), None, "another request");
        for (wrong, why) in [
            (String::new(), "an empty response"),
            (String::from("SSH-2.0-OpenSSH_9.6\r\n"), "another protocol"),
            (good.replace(&proof, ""), "no proof"),
            (good.replace("200 OK", "403 Forbidden"), "another status"),
            (good.replace("true", "false"), "another body"),
            (
                good.replacen(&proof, &format!("x-portcullis-proof: v1.\r\n{proof}"), 1),
                "two proofs",
            ),
        ] {
            assert_eq!(proven(&wrong, &key, &nonce), None, "{why}");
        }
    }
}
