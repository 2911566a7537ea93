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
use crate::output::errln;

/// Timeout of a request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest response that is read.
const RESPONSE_MAX_BYTES: u64 = 8 * 1024 * 1024;

/// Performs an operation of `docs/operators-api.md`; `name` is its name, such as `alert:silence`.
pub(crate) fn operate(installation: &Installation, name: &str, payload: &Value) -> Result<Value> {
    let name = name.strip_prefix("admin:").unwrap_or(name).replace(':', "/");
    let (target, body) = (format!("/admin/v1/{name}"), payload.to_string());
    let data = &installation.settings.storage.data;
    let (key, nonce) = (operator_key(data)?, new_nonce()?);
    let request = OperatorRequest { method: "POST", target: &target, body: body.as_bytes() };
    let proof = request.prove(&key, installation.now().unix_ms, &nonce);
    let length = body.len();
    let request = |address| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: {address}\r\nX-Portcullis-Operator: {proof}\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        )
    };
    let (address, response) = exchange_private(installation, request)?;
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

/// Sends a request to the private listener; returns the address that responded, and the response.
///
/// Where no program listens on the address of the file, it is the address in force: the one of the
/// file needs a restart.
pub(crate) fn exchange_private(
    installation: &Installation,
    request: impl Fn(SocketAddr) -> String,
) -> Result<(SocketAddr, String)> {
    let address = installation.settings.server.private;
    let address = address.context("listen.private is not set: set it, and restart the server")?;
    let error = match exchange(address, &request(address)) {
        Ok(response) => return Ok((address, response)),
        Err(error) => error,
    };
    if is_refused(&error)
        && let Some(in_force) = installation.private_in_force()
        && let Ok(response) = exchange(in_force, &request(in_force))
    {
        errln!("warning: listen.private is {in_force} until the restart, and {address} after it");
        return Ok((in_force, response));
    }
    Err(error).with_context(|| {
        format!(
            "the server does not respond on {address}: check that it runs, and that --config and \
             --data are those of the server"
        )
    })
}

fn is_refused(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<std::io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
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
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::config::{Settings, Sources};
    use crate::start::files::valid_copy;

    /// An installation whose file names one private address, and whose copy another one.
    fn installation(data: &Path, in_file: SocketAddr, in_force: SocketAddr) -> Installation {
        let file = data.join("portcullis.toml");
        let sources = Sources {
            config: Some(file.clone()),
            data: Some(data.to_path_buf()),
            ..Sources::default()
        };
        let read = |address: SocketAddr| {
            std::fs::write(&file, format!("[listen]\nprivate = \"{address}\"\n")).unwrap();
            Settings::read(&sources).unwrap()
        };
        valid_copy::keep(&read(in_force));
        let settings = read(in_file);
        Installation::of_settings(settings, sources)
    }

    #[test]
    fn private_address_that_needs_a_restart_does_not_hide_the_server() {
        let data = tempfile::tempdir().unwrap();
        let [server, closed] = [0, 1].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let [in_force, in_file] = [&server, &closed].map(|listener| listener.local_addr().unwrap());
        drop(closed);
        let answer = thread::spawn(move || {
            let (mut socket, _) = server.accept().unwrap();
            let mut request = [0; 21];
            socket.read_exact(&mut request).unwrap();
            socket.write_all(b"an answer").unwrap();
            String::from_utf8(request.to_vec()).unwrap()
        });
        let moved = installation(data.path(), in_file, in_force);
        let request = |address: SocketAddr| format!("to {:>18}", address.to_string());
        let (address, response) = exchange_private(&moved, request).unwrap();
        assert_eq!((address, response.as_str()), (in_force, "an answer"));
        assert_eq!(answer.join().unwrap(), request(in_force));
        // The server is stopped: the address of the file is named.
        let error = exchange_private(&moved, request).unwrap_err().to_string();
        assert!(error.contains(&format!("not respond on {in_file}: check that it")), "{error}");
    }

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
