//! Checks the numbers and rates among the options of the gate.
//! Never: a value that is changed to make it valid.

use crate::error::GateError;
use crate::gate_options::GateOptions;

impl GateOptions {
    /// Checks that every rate and number is in its range.
    pub(crate) fn check(&self) -> Result<(), GateError> {
        check_rates(self)?;
        check_numbers(self)
    }
}

fn check_rates(options: &GateOptions) -> Result<(), GateError> {
    let named = options.rates().into_iter().map(|(limit, rate)| (limit.name(), rate));
    let events = options.event_per_user.iter().map(|(name, rate)| (name.as_str(), *rate));
    match named.chain(events).find(|(_, rate)| !rate.is_valid()) {
        Some((name, _)) => Err(GateError::Rate(String::from(name))),
        None => Ok(()),
    }
}

/// Most connections a limit may allow.
const MOST: u64 = 10_000_000;
const MOST_WORDS: &str = "1 to 10,000,000";
const PENALTY_MAX_MS: u64 = 24 * 60 * 60 * 1000;

fn check_numbers(options: &GateOptions) -> Result<(), GateError> {
    let places = &options.capacity;
    let total = u64::from(places.total);
    let within_total = "1 to connections_total";
    let reserve_max = total.saturating_sub(1);
    let keys = options.rate_keys_max as u64;
    let within = [
        ("connections_total", total, 1, MOST, MOST_WORDS),
        ("pre_auth_total", u64::from(places.pre_auth), 1, total, within_total),
        (
            "admin_reserve",
            u64::from(places.admin_reserve),
            0,
            reserve_max,
            "less than connections_total",
        ),
        ("pre_auth_per_prefix", u64::from(places.pre_auth_per_prefix), 1, MOST, MOST_WORDS),
        ("connections_per_prefix", u64::from(places.per_prefix), 1, MOST, MOST_WORDS),
        ("http_per_prefix", u64::from(places.http_per_prefix), 1, MOST, MOST_WORDS),
        ("penalty_ms", options.penalty.length_ms, 1, PENALTY_MAX_MS, "1 ms to a day"),
        (
            "penalty_longest_ms",
            options.penalty.longest_ms,
            options.penalty.length_ms,
            PENALTY_MAX_MS,
            "the penalty to a day",
        ),
        (
            "connections_per_user",
            u64::from(options.connections_per_user),
            1,
            total,
            "1 to connections_total",
        ),
        ("rooms_per_connection", u64::from(options.rooms_per_connection), 1, 128, "1 to 128"),
        (
            "message_max_bytes",
            u64::from(options.message_max_bytes),
            256,
            1_048_576,
            "256 to 1,048,576",
        ),
        ("rate_keys_max", keys, 1024, 16_777_216, "1,024 to 16,777,216"),
    ];
    match within.into_iter().find(|(_, seen, min, max, _)| seen < min || seen > max) {
        Some((option, seen, _, _, need)) => Err(GateError::Range { option, seen, need }),
        None => Ok(()),
    }
}
