//! `portcullis limits`, `state` and `health`: requests to the private listener of a server.
//! Never: the request itself; `private_request.rs` sends it.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context, Error, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use portcullis_accounts::{OperatorAccounts, OperatorError};
use portcullis_audit::utc;
use portcullis_guard::LoadState;
use portcullis_model::{Now, UserId};
use serde_json::{Map, Value, json};

use super::private_request::{exchange, exchange_private, operate};
use crate::command::block::read_reason;
use crate::command::installation::{Installation, InstallationArguments, address};
use crate::command::user::read_time;
use crate::output::{OutputError, counted, outln};
use crate::start::wiring::block_on;

/// The reason in the record of a command without `--reason`.
const NO_REASON: &str = "no reason was stated";
/// The server's error about a user that it does not know.
const UNKNOWN_USER: &str = "no user has this id";
/// How long a pin lasts without `--for`.
const PIN_MS: i64 = 3_600_000;

/// `portcullis limits …`.
#[derive(Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    /// Shows how far all limits of an address or a user are used, and until when they block.
    Explain {
        /// An address, or the name or id of a user.
        #[arg(value_name = "ADDRESS|USER")]
        subject: String,
    },
    /// Resets the limits and penalties that block an address or a user.
    Unlock {
        /// An address, or the name or id of a user.
        #[arg(value_name = "ADDRESS|USER")]
        subject: String,
        /// The reason for the record, of 3 to 200 characters.
        #[arg(long, value_parser = read_reason, default_value = NO_REASON)]
        reason: String,
    },
    /// Replays a recorded trace with the configured limits, without a server: prints the requests
    /// that they would reject, and the limits that would be enough.
    Simulate {
        /// A file that a server has written for `audit.access_file`.
        trace: PathBuf,
    },
}

/// `portcullis state …`.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Shows the load level of the server, and how far the limits for all clients are used.
    Show,
    /// Pins the server to a load level for a time.
    Pin {
        /// The load level; `auto` follows the measurements again.
        state: StateName,
        /// A duration of at most 30d: a number and s, m, h or d, such as 2h. By default 1h.
        #[arg(long = "for", value_name = "TIME", value_parser = read_time)]
        lasting_ms: Option<i64>,
        /// The reason for the record, of 3 to 200 characters.
        #[arg(long, value_parser = read_reason, default_value = NO_REASON)]
        reason: String,
    },
}

/// The load levels on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum StateName {
    /// The measured level.
    Auto,
    /// The configured limits.
    Normal,
    /// Unauthenticated clients get less capacity.
    Elevated,
    /// No new unauthenticated clients.
    Shedding,
    /// Only urgent requests.
    Critical,
}

impl StateName {
    /// The load level; none follows the measurements.
    fn level(self) -> Option<LoadState> {
        match self {
            Self::Auto => None,
            Self::Normal => Some(LoadState::Normal),
            Self::Elevated => Some(LoadState::Elevated),
            Self::Shedding => Some(LoadState::Shedding),
            Self::Critical => Some(LoadState::Critical),
        }
    }
}

/// Shows how far limits are used.
pub(crate) fn explain(installation: &Installation, subject: &str) -> Result<()> {
    let named = limit_subject(installation, subject)?;
    print_subject(installation, &named).map_err(|error| name_unknown(error, subject))
}

/// Resets the limits of an address or a user.
pub(crate) fn unlock(installation: &Installation, subject: &str, reason: &str) -> Result<()> {
    let named = limit_subject(installation, subject)?;
    let mut payload = named.clone();
    payload.insert(String::from("reason"), json!(reason));
    operate(installation, "limits:unlock", &Value::Object(payload))
        .map_err(|error| name_unknown(error, subject))?;
    outln!("{}", lifted(&named))?;
    print_subject(installation, &named)
}

/// Puts the name before the server's error about an unknown user.
fn name_unknown(error: Error, subject: &str) -> Error {
    match error.to_string().as_str() {
        UNKNOWN_USER => {
            error.context(format!("there is no user {subject:?}: see portcullis user list"))
        }
        _ => error,
    }
}

/// What was lifted, in words.
fn lifted(subject: &Map<String, Value>) -> String {
    match (subject.get("address"), subject.get("user")) {
        (Some(address), _) => format!(
            "lifted: the limits and penalties of the address {} and its network; a block of an \
             administrator stays (portcullis block list)",
            shown(Some(address))
        ),
        (None, user) => format!("lifted: the limits and penalties of the user {}", shown(user)),
    }
}

/// The member of a payload that names an address or a user.
fn limit_subject(installation: &Installation, subject: &str) -> Result<Map<String, Value>> {
    let (name, value) = match subject.parse::<IpAddr>() {
        Ok(address) => ("address", address.to_canonical().to_string()),
        Err(_) => ("user", find_user(installation, subject)?.to_string()),
    };
    Ok(Map::from_iter([(String::from(name), json!(value))]))
}

fn print_subject(installation: &Installation, subject: &Map<String, Value>) -> Result<()> {
    let response = operate(installation, "admin:limits", &json!(subject))?;
    if let Some(prefixes) = response.get("prefixes").and_then(Value::as_array) {
        for (prefix, width) in prefixes.iter().zip(["narrow prefix", "wide prefix"]) {
            outln!("{width}: holds {}", held(prefix))?;
            print_limits(prefix, installation.now())?;
        }
    } else {
        outln!("connections: {}", response.get("connections").unwrap_or(&Value::Null))?;
        print_limits(&response, installation.now())?;
    }
    Ok(())
}

/// The connections that an address holds, in words.
fn held(prefix: &Value) -> String {
    let count = |name: &str| {
        prefix.pointer(&format!("/held/{name}")).and_then(Value::as_u64).unwrap_or_default()
    };
    let http = counted(count("http"), "HTTP connection");
    let (waiting, open) = (count("pre_auth"), count("authenticated"));
    format!("{http}, {waiting} before the sign-in, {open} signed in")
}

/// Finds the id of a user by name or id. Names are tried first.
fn find_user(installation: &Installation, subject: &str) -> Result<UserId> {
    if installation.settings.storage.database.exists() {
        let (beside, _) = installation.open()?;
        let accounts = OperatorAccounts { store: &beside, now: installation.now() };
        match block_on(accounts.find(subject))? {
            Ok(person) => return Ok(person.id),
            Err(OperatorError::NoUser(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    UserId::parse(subject).ok().with_context(|| {
        format!(
            "there is no user {subject:?}, and it is neither an address nor an id: see portcullis \
             user list"
        )
    })
}

/// Shows or pins the load level.
pub(crate) fn state(installation: &Installation, command: &StateCommand) -> Result<()> {
    if let StateCommand::Pin { state, lasting_ms, reason } = command {
        match (state.level(), lasting_ms) {
            (None, Some(_)) => bail!("auto has no end: leave out --for"),
            (None, None) => unpin(installation, reason)?,
            (Some(level), lasting_ms) => {
                let duration_s = lasting_ms.unwrap_or(PIN_MS) / 1_000;
                let payload = json!({
                    "state": level.name(), "duration_s": duration_s, "reason": reason,
                });
                operate(installation, "state:pin", &payload)?;
            }
        }
    }
    let response = operate(installation, "admin:state", &json!({}))?;
    let pin = |name: &str| shown(response.get("pinned").and_then(|pinned| pinned.get(name)));
    outln!("state: {}", shown(response.get("state")))?;
    outln!("measured: {}", shown(response.get("measured")))?;
    outln!("pinned: {}", pin("state"))?;
    outln!("pinned_for_ms: {}", pin("rest_ms"))?;
    outln!("known_level: {}", shown(response.get("returning_permille")))?;
    Ok(print_limits(&response, installation.now())?)
}

/// Ends the pin, if there is one.
fn unpin(installation: &Installation, reason: &str) -> Result<()> {
    let response = operate(installation, "admin:state", &json!({}))?;
    if response.get("pinned").is_some_and(|pinned| !pinned.is_null()) {
        operate(installation, "state:unpin", &json!({ "reason": reason }))?;
    }
    Ok(())
}

fn print_limits(response: &Value, now: Now) -> Result<(), OutputError> {
    for limit in response.get("limits").and_then(Value::as_array).into_iter().flatten() {
        let of = |key| shown(limit.get(key));
        let observed = limit.get("observed") == Some(&Value::Bool(true));
        let (blocked, observed) = match observed {
            true => ("would be blocked", ", observe mode"),
            false => ("blocked", ""),
        };
        let wait = match limit.get("wait_ms").and_then(Value::as_u64) {
            Some(wait_ms) if wait_ms > 0 => {
                format!(", {blocked} until {} (in {})", until(now, wait_ms), duration(wait_ms))
            }
            _ => String::new(),
        };
        let (used, all) = (of("used"), of("of"));
        let period = limit.get("period_ms").and_then(Value::as_u64).map(duration);
        let period = period.unwrap_or_else(|| String::from("-"));
        outln!("  {}: {used} of {all} in {period}{wait}{observed}", of("limit"))?;
    }
    Ok(())
}

/// A duration in seconds, rounded up; in milliseconds below one second.
fn duration(duration_ms: u64) -> String {
    match duration_ms {
        0..1_000 => format!("{duration_ms} ms"),
        _ => format!("{} s", duration_ms.div_ceil(1_000)),
    }
}

/// A time of day with its zone, and with the date if it is not today.
fn until(now: Now, wait_ms: u64) -> String {
    // Rounded up: at the printed second, the next attempt passes.
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

/// `portcullis health`.
#[derive(Debug, Args)]
pub(crate) struct HealthArguments {
    /// The address of the private listener or of `listen.probe`; by default `listen.private`.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub(crate) listen: Option<SocketAddr>,
    /// Also fails while the server drains, or while an essential part of it has failed.
    #[arg(long)]
    ready: bool,
}

/// Checks that the server answers, for supervisors that run a program for it.
pub(crate) fn health(server: &InstallationArguments, arguments: &HealthArguments) -> Result<()> {
    let path = if arguments.ready { "/ready" } else { "/health" };
    let request = |address| format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let (address, response) = match arguments.listen {
        // The configuration is not read: an invalid one makes no server unhealthy.
        Some(address) => {
            let why = || format!("the server does not respond on {address}: check that it runs");
            (address, exchange(address, &request(address)).with_context(why)?)
        }
        None => exchange_private(&Installation::read(server)?, request)?,
    };
    let (head, body) = response.split_once("\r\n\r\n").context("the response is not HTTP")?;
    let status = head.split(' ').nth(1).unwrap_or_default();
    anyhow::ensure!(status == "200", "the server responded with status {status}: {body}");
    let answer: Option<Value> = serde_json::from_str(body).ok();
    let is_own = answer.is_some_and(|answer| answer.get("status").is_some_and(Value::is_string));
    anyhow::ensure!(is_own, "another program responds on {address}: check the address");
    Ok(outln!("{body}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_connections_are_in_words() {
        for (duration_ms, expect) in
            [(0, "0 ms"), (999, "999 ms"), (1_000, "1 s"), (1_001, "2 s"), (60_000, "60 s")]
        {
            assert_eq!(duration(duration_ms), expect);
        }
        let prefix = json!({ "held": { "http": 1, "pre_auth": 0, "authenticated": 2 } });
        assert_eq!(held(&prefix), "1 HTTP connection, 0 before the sign-in, 2 signed in");
    }

    #[test]
    fn lifted_limits_name_the_address_or_the_user() {
        let text =
            |name: &str, value: &str| lifted(&Map::from_iter([(String::from(name), json!(value))]));
        let address = text("address", "192.0.2.1");
        assert!(address.contains("of the address 192.0.2.1 ") && address.contains("block list"));
        assert_eq!(text("user", "u_1"), "lifted: the limits and penalties of the user u_1");
    }

    #[test]
    fn unknown_user_is_named() {
        let text = |error: &'static str| name_unknown(Error::msg(error), "ghost").to_string();
        assert_eq!(text(UNKNOWN_USER), "there is no user \"ghost\": see portcullis user list");
        assert_eq!(text("another error"), "another error");
    }

    #[test]
    fn block_end_has_a_time_zone_and_a_date_unless_it_is_today() {
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
