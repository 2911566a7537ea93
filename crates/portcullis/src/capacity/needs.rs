//! The needs of a load: processors, memory, files, and the settings that permit it.
//! Never: a setting that does not exist.

use serde::Serialize;

use super::bound::{Bound, about};
use super::caps::STORED_EVENT;
use super::plan::{BATCH_MAX, Carries, Inputs, USABLE, gib};

/// Files that are not connections, rounded up: the log, the database, listeners.
const OTHER_FILES: f64 = 512.0;
const MIB: f64 = 1024.0 * 1024.0;

/// The needs of a load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Needs {
    /// If each message wakes the server.
    pub(crate) cores: f64,
    /// If many messages share wake-ups, system calls and commits.
    pub(crate) cores_at_least: f64,
    pub(crate) memory_bytes: f64,
    pub(crate) open_files: u64,
    pub(crate) network_mbit: f64,
    /// Stored messages, and the fewest commits for them.
    pub(crate) stored_per_s: f64,
    pub(crate) commits_per_s_at_least: f64,
    /// Settings for this load.
    pub(crate) settings: Vec<String>,
    /// The bounds of this machine that the load exceeds; without one, it is enough.
    pub(crate) exceeds: Vec<Bound>,
}

impl Needs {
    pub(super) fn of(inputs: &Inputs, carries: &Carries) -> Self {
        let Inputs { slopes, load, .. } = inputs;
        let open = load.connections.map_or(0.0, |connections| connections as f64);
        let messages = load.messages.unwrap_or(0.0);
        let pings_us = open * inputs.ping_us();
        let cores = |cost_us: f64| (messages * cost_us + pings_us) / 1e6 / USABLE;
        let slots = rounded_up(open / USABLE);
        let open_files = (slots * 2.0 + OTHER_FILES).max(1_024.0) as u64;
        let each = slopes.connection_bytes + slopes.kernel_bytes;
        let memory_bytes = (slopes.base_bytes + open * each) / USABLE;
        let stored_per_s = messages * load.stored();
        let over = |bounds: &[Bound], wanted: f64| {
            let over = bounds.iter().filter(|bound| bound.value < wanted);
            over.cloned().collect::<Vec<_>>()
        };
        let mut exceeds = over(&carries.connections.bounds, open);
        exceeds.extend(over(&carries.messages_per_s.bounds, messages));
        Self {
            cores: cores(slopes.single.message(load)),
            cores_at_least: cores(slopes.batched.message(load)),
            memory_bytes,
            open_files,
            network_mbit: messages * load.wire_bytes() * 8.0 / 1e6 / USABLE,
            stored_per_s,
            commits_per_s_at_least: (stored_per_s / BATCH_MAX).ceil(),
            settings: settings(inputs, slots, open_files, memory_bytes),
            exceeds,
        }
    }
}

fn settings(inputs: &Inputs, slots: f64, files: u64, memory_bytes: f64) -> Vec<String> {
    let Inputs { caps, load, machine, .. } = inputs;
    let messages = load.messages.unwrap_or(0.0);
    let mut lines = Vec::new();
    if slots > 0.0 && slots != caps.connections_total {
        let but = if slots < caps.connections_total { ", or more" } else { "" };
        lines.push(format!("capacity.connections_total = {slots:.0}{but}"));
    }
    if load.connections.is_some_and(|open| open as f64 > caps.users_total) {
        lines.push(format!("capacity.users_total = {slots:.0}"));
    }
    if load.members > caps.members_per_room {
        lines.push(format!("capacity.members_per_room = {}", load.members));
    }
    if messages > caps.rates.messages_per_s {
        lines.push(format!("rate.message_total = \"{:.0}/1s\"", rounded_up(messages / USABLE)));
    }
    if let Some(open) = load.connections.filter(|open| *open > 0) {
        let each = messages / open as f64;
        let minute = |rate: f64| format!("\"{:.0}/1m\"", rounded_up(rate * 60.0 / USABLE));
        if each > caps.rates.user_messages_per_s * USABLE {
            let rate = minute(each);
            lines.push(format!("rate.message_per_user and rate.message_per_connection = {rate}"));
        }
        let stored = each * load.stored();
        if caps.rates.user_stored_per_s.is_some_and(|rate| stored > rate * USABLE) {
            let rate = minute(stored);
            lines.push(format!("rate.event_per_user = {{ \"{STORED_EVENT}\" = {rate} }}"));
        }
    }
    if machine.files.is_some_and(|available| available < files) {
        lines.push(format!("LimitNOFILE={files} in the unit, or ulimit -n"));
    }
    let mebibytes = (memory_bytes / MIB).ceil();
    lines.push(format!("MemoryMax={mebibytes:.0}M in the unit, or more ({})", gib(memory_bytes)));
    if let (Some(ports), Some(open)) = (machine.ports, load.connections)
        && caps.proxies > 0
    {
        let addresses = open.div_ceil(ports.max(1));
        if addresses > caps.proxies {
            lines.push(format!(
                "{addresses} addresses of the proxy, or a wider net.ipv4.ip_local_port_range there \
                 ({} ports here)",
                about(ports as f64)
            ));
        }
    }
    lines
}

/// The next number with two digits that matter.
fn rounded_up(value: f64) -> f64 {
    if value < 1.0 {
        return value.ceil().max(0.0);
    }
    let step = 10_f64.powf((value.log10().floor() - 1.0).max(0.0));
    // Less than a rounding error above a step is that step.
    (value / step - 1e-9).ceil() * step
}

#[cfg(test)]
mod tests {
    use super::rounded_up;

    #[test]
    fn settings_are_rounded_up_to_two_digits() {
        for (value, expect) in [
            (0.0, 0.0),
            (0.2, 1.0),
            (7.0, 7.0),
            (99.5, 100.0),
            (14_285.7, 15_000.0),
            (15_000.0, 15_000.0),
        ] {
            assert_eq!(rounded_up(value), expect, "{value}");
        }
    }
}
