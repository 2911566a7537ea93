//! `portcullis limits` and `portcullis state`: what a running server is asked in private.
//! Never: another server than the configured one, or a wait without an end.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use portcullis_accounts::{OperatorAccounts, OperatorError, ServerSecret};
use portcullis_audit::utc;
use portcullis_guard::LoadState;
use portcullis_model::{Now, UserId};
use serde_json::Value;

use super::Installation;
use crate::output::{OutputError, outln};
use crate::start::wiring::block_on;

/// Longest the server is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is read.
const ANSWER_MAX_BYTES: u64 = 1024 * 1024;

/// `portcullis limits …`.
#[derive(Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    /// Says how far every limit of an address or a user is used up, and for how long.
    Explain {
        /// An address, or the name or id of a user.
        whose: String,
    },
    /// Lifts what keeps an address or a user out, penalties too.
    Unlock {
        /// An address, or the name or id of a user.
        whose: String,
    },
    /// Counts a recorded trace again by the configured limits, without a server: what they would
    /// have refused, and what would have been enough.
    Simulate {
        /// The file that a server wrote for `audit.access_file`.
        trace: PathBuf,
    },
}

/// `portcullis state …`.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Says how hard-pressed the server is, and how far the limits that all share are used up.
    Show,
    /// Keeps the server to a state, whatever is measured.
    Pin {
        /// The state; `auto` goes by the measurements again.
        state: StateName,
    },
}

/// What the server can be kept to.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum StateName {
    /// By what is measured.
    Auto,
    /// The configured limits.
    Normal,
    /// Strangers get less.
    Elevated,
    /// No new strangers.
    Shedding,
    /// Only what cannot wait.
    Critical,
}

impl StateName {
    fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Normal => LoadState::Normal.name(),
            Self::Elevated => LoadState::Elevated.name(),
            Self::Shedding => LoadState::Shedding.name(),
            Self::Critical => LoadState::Critical.name(),
        }
    }
}

/// Asks how far limits are used up.
pub(super) fn explain(installation: &Installation, whose: &str) -> Result<()> {
    limits(installation, "GET", "/admin/limits", whose)
}

/// Lifts what keeps somebody out.
pub(super) fn unlock(installation: &Installation, whose: &str) -> Result<()> {
    limits(installation, "POST", "/admin/limits/unlock", whose)
}

fn limits(installation: &Installation, method: &str, path: &str, whose: &str) -> Result<()> {
    let query = match whose.parse::<IpAddr>() {
        Ok(address) => format!("address={}", address.to_canonical()),
        Err(_) => format!("user={}", find_user(installation, whose)?),
    };
    let answer = ask(installation, method, &format!("{path}?{query}"))?;
    if let Some(prefixes) = answer.get("prefixes").and_then(Value::as_array) {
        for (prefix, width) in prefixes.iter().zip(["narrow prefix", "wide prefix"]) {
            let held = prefix.get("held").map(ToString::to_string).unwrap_or_default();
            outln!("{width}: holds {held}")?;
            print_limits(prefix, installation.now())?;
        }
    } else {
        outln!("connections: {}", answer.get("connections").unwrap_or(&Value::Null))?;
        print_limits(&answer, installation.now())?;
    }
    Ok(())
}

/// The id of a user, by name or by id. A name counts first, since people choose names.
fn find_user(installation: &Installation, whose: &str) -> Result<UserId> {
    if installation.settings.database.exists() {
        let (beside, _) = installation.open()?;
        let hand = OperatorAccounts { store: &beside, now: installation.now() };
        match block_on(hand.find(whose))? {
            Ok(person) => return Ok(person.id),
            Err(OperatorError::NoUser(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    UserId::parse(whose).ok().with_context(|| {
        format!("{whose:?} is neither an address nor the name or id of a user; see user list")
    })
}

/// Asks how hard-pressed the server is, or pins that.
pub(super) fn state(installation: &Installation, command: &StateCommand) -> Result<()> {
    let answer = match command {
        StateCommand::Show => ask(installation, "GET", "/admin/state")?,
        StateCommand::Pin { state } => {
            ask(installation, "POST", &format!("/admin/state?pin={}", state.word()))?
        }
    };
    for key in ["state", "measured", "pinned", "known_level"] {
        outln!("{key}: {}", shown(answer.get(key)))?;
    }
    Ok(print_limits(&answer, installation.now())?)
}

fn print_limits(answer: &Value, now: Now) -> Result<(), OutputError> {
    for limit in answer.get("limits").and_then(Value::as_array).into_iter().flatten() {
        let of = |key| shown(limit.get(key));
        let observed = limit.get("observed") == Some(&Value::Bool(true));
        let (blocked, observed) = match observed {
            true => ("would be blocked", ", only observed"),
            false => ("blocked", ""),
        };
        let wait = match limit.get("wait_ms").and_then(Value::as_u64) {
            Some(wait_ms) if wait_ms > 0 => {
                format!(", {blocked} until {} (in {wait_ms} ms)", until(now, wait_ms))
            }
            _ => String::new(),
        };
        let (used, all, period) = (of("used"), of("of"), of("period_ms"));
        outln!("  {}: {used} of {all} in {period} ms{wait}{observed}", of("limit"))?;
    }
    Ok(())
}

/// A time of day with its zone; with the date when it is not today.
fn until(now: Now, wait_ms: u64) -> String {
    // Rounded up: at the second that is named, the next attempt passes.
    let wait_ms = i64::try_from(wait_ms.saturating_add(999)).unwrap_or(i64::MAX);
    let moment = utc(now.unix_ms.saturating_add(wait_ms));
    let today = utc(now.unix_ms);
    let (date, time) = moment.split_once('T').unwrap_or(("", &moment));
    let time = time.get(..8).unwrap_or(time);
    let is_today = today.starts_with(date);
    if is_today { format!("{time} UTC") } else { format!("{date} {time} UTC") }
}

fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::from("-"),
        Some(other) => other.to_string(),
    }
}

/// One request to the private listener.
fn ask(installation: &Installation, method: &str, path: &str) -> Result<Value> {
    let address = installation.settings.server.private.context("listen.private is not set")?;
    let data = &installation.settings.data;
    let secret = ServerSecret::load(data)?;
    let secret = secret.with_context(|| format!("no server was ever started with {data:?}"))?;
    let answer = exchange(address, method, path, secret.operator().expose())
        .with_context(|| format!("the server does not answer on {address}; does it run?"))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("that was no answer")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    let body: Value = serde_json::from_str(body).context("the answer cannot be read")?;
    match (status, body.get("error").and_then(Value::as_str)) {
        ("200", _) => Ok(body),
        (_, Some(why)) => bail!("{why}"),
        (status, None) => bail!("the server answered with status {status}"),
    }
}

fn exchange(address: SocketAddr, method: &str, path: &str, key: &str) -> Result<String> {
    let mut socket = TcpStream::connect_timeout(&address, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\n\
         X-Portcullis-Operator: {key}\r\n{length}\r\n"
    );
    socket.write_all(request.as_bytes())?;
    let mut answer = String::new();
    socket.take(ANSWER_MAX_BYTES).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_ends_at_a_time_with_its_zone_and_at_a_date_when_not_today() {
        // 2027-01-15, 08:00:00.
        let now = Now { monotonic_ms: 0, unix_ms: 1_800_000_000_000 };
        let cases = [
            (1, "08:00:01 UTC"),
            (1_000, "08:00:01 UTC"),
            (53 * 60_000, "08:53:00 UTC"),
            (24 * 3_600_000, "2027-01-16 08:00:00 UTC"),
        ];
        for (wait_ms, expect) in cases {
            assert_eq!(until(now, wait_ms), expect, "{wait_ms}");
        }
    }
}
