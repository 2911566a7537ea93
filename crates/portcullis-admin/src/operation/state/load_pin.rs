//! `state:pin` and `state:unpin`: the load level, pinned for a time.
//! Never: a pin without an end.

use std::sync::Arc;

use portcullis_guard::{Event, LoadState, Rule};
use portcullis_model::Denial;
use portcullis_server::{Reply, SelectionCounts};
use serde::Deserialize;

use crate::operation::call::{Call, check_reason, end_unix_ms};
use crate::operation::connections::effect::effect;
use crate::operation::contract::{CHANGE, Operation, login_max_age_s};
use crate::operation::desk::Desk;

/// Longest pin: 30 days, in seconds.
const PIN_MAX_S: u64 = 30 * 24 * 3_600;

/// `state:pin {state, duration_s?, reason, dry_run?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatePin {
    state: String,
    #[serde(default)]
    duration_s: Option<u64>,
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

impl Event for StatePin {
    const NAME: &'static str = "state:pin";
    const RULE: Rule = Rule { fields: &["state", "duration_s", "reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.dry_run)
    }
}

impl Operation for StatePin {
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        check_reason(&self.reason)?;
        let end_unix_ms = end_unix_ms(self.duration_s, PIN_MAX_S, call.now)?;
        let why = "state must be normal, elevated, shedding or critical";
        let state =
            LoadState::named(&self.state).ok_or_else(|| Denial::app("state_unknown", why))?;
        if self.dry_run {
            return Ok(effect(ended_by(state, &call)));
        }
        let lasting_ms = end_unix_ms.saturating_sub(call.now.unix_ms).unsigned_abs();
        call.services.gate.limits().pin_load_for(state, lasting_ms, call.now);
        call.record(Self::NAME, &self.reason, |record| {
            record.rule = "load";
            let seconds = lasting_ms / 1_000;
            record.detail =
                Some(format!("the state is pinned to {} for {seconds} s", state.name()));
        });
        Ok(Reply::ok())
    }
}

/// `state:unpin {reason, dry_run?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateUnpin {
    reason: String,
    #[serde(default)]
    dry_run: bool,
}

impl Event for StateUnpin {
    const NAME: &'static str = "state:unpin";
    const RULE: Rule = Rule { fields: &["reason", "dry_run"], ..CHANGE };

    fn login_max_age_s(&self) -> u32 {
        login_max_age_s(&Self::RULE, self.dry_run)
    }
}

impl Operation for StateUnpin {
    async fn run(self, _desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        check_reason(&self.reason)?;
        let limits = call.services.gate.limits();
        if limits.pinned_load().is_none() {
            return Err(Denial::app("state_not_pinned", "no load level is pinned"));
        }
        if self.dry_run {
            return Ok(effect(ended_by(limits.measured_load(), &call)));
        }
        limits.pin_load(None, call.now);
        call.record(Self::NAME, &self.reason, |record| {
            record.rule = "load";
            record.detail = Some(String::from("the state follows the measurements again"));
        });
        Ok(Reply::ok())
    }
}

/// The connections that a level ends: at `critical` those without a user, at most.
fn ended_by(state: LoadState, call: &Call) -> SelectionCounts {
    let counts = call.services.gate.limits().counts();
    let connections = match state {
        LoadState::Normal | LoadState::Elevated | LoadState::Shedding => 0,
        LoadState::Critical => counts.pre_auth as usize,
    };
    SelectionCounts { connections, ..SelectionCounts::default() }
}
