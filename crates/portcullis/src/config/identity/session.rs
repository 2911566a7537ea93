//! `[session]`: lifetimes of sessions and their connections (T-057, T-146).
//! Never: without an end.

use portcullis_accounts::{SESSION_TIME_LONGEST_S, SessionTimes};
use portcullis_guard::SessionTimeouts;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::read::error::ConfigError;

/// `[session]`; times in seconds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SessionSection {
    /// Seconds without an event or a new token after which a connection ends.
    #[schemars(range(min = 1, max = 7776000))]
    idle_s: Option<u64>,
    /// Seconds after which a connection ends in any case.
    #[schemars(range(min = 1, max = 7776000))]
    absolute_s: Option<u64>,
    /// Seconds without a refresh after which a login ends.
    #[schemars(range(min = 1, max = 7776000))]
    login_idle_s: Option<u64>,
    /// Seconds after which a login ends in any case.
    #[schemars(range(min = 1, max = 7776000))]
    login_absolute_s: Option<u64>,
    /// Logins of one user. One more ends the least recently used one.
    #[schemars(range(min = 1, max = 1000))]
    logins_per_user: Option<u32>,
}

/// Longest time of all keys: 90 days.
const LONGEST_S: u64 = SESSION_TIME_LONGEST_S.unsigned_abs();

impl SessionSection {
    pub(crate) fn read(&self) -> Result<(SessionTimeouts, SessionTimes), ConfigError> {
        let timeouts = SessionTimeouts::default();
        let times = SessionTimes::default();
        let idle_s = within("session.idle_s", self.idle_s, timeouts.idle_ms / 1000)?;
        let absolute_s =
            within("session.absolute_s", self.absolute_s, timeouts.absolute_ms / 1000)?;
        let login_idle = within("session.login_idle_s", self.login_idle_s, seconds(times.idle_s))?;
        let login_absolute =
            within("session.login_absolute_s", self.login_absolute_s, seconds(times.absolute_s))?;
        let per_user_max = self.logins_per_user.unwrap_or(times.per_user_max);
        if !(1..=1_000).contains(&per_user_max) {
            let (key, why) = ("session.logins_per_user", "it is out of range");
            let seen = per_user_max.to_string();
            return Err(ConfigError::refused(key, seen, why, "write 1 to 1000"));
        }
        let signed = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        Ok((
            SessionTimeouts { idle_ms: idle_s * 1000, absolute_ms: absolute_s * 1000 },
            SessionTimes {
                idle_s: signed(login_idle),
                absolute_s: signed(login_absolute),
                per_user_max,
                ..times
            },
        ))
    }
}

fn seconds(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn within(key: &str, value: Option<u64>, default: u64) -> Result<u64, ConfigError> {
    let seconds = value.unwrap_or(default);
    if (1..=LONGEST_S).contains(&seconds) {
        return Ok(seconds);
    }
    let why = "it is out of range";
    Err(ConfigError::refused(key, seconds.to_string(), why, "write seconds, 1 to 7776000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_times_are_bounded_and_set() {
        let read = |text: &str| toml::from_str::<SessionSection>(text).unwrap().read();
        let (timeouts, times) = read("").unwrap();
        assert_eq!((timeouts, times), (SessionTimeouts::default(), SessionTimes::default()));
        let text = "idle_s = 1\nabsolute_s = 2\nlogin_idle_s = 3\nlogin_absolute_s = 4\n\
                    logins_per_user = 5";
        let (timeouts, times) = read(text).unwrap();
        assert_eq!((timeouts.idle_ms, timeouts.absolute_ms), (1_000, 2_000));
        assert_eq!((times.idle_s, times.absolute_s, times.per_user_max), (3, 4, 5));
        for bad in ["idle_s = 0", "absolute_s = 7776001", "logins_per_user = 0"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
