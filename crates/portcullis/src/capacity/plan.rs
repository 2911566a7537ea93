//! The plan: what a machine carries, and what a load needs.
//! Never: a number without the bound that sets it.

use serde::Serialize;

use super::bound::{Bound, Ceiling, about};
use super::caps::{Caps, STORED_EVENT};
use super::machine::Machine;
use super::needs::Needs;
use super::slopes::{SlopeSource, Slopes};
use super::workload::Workload;

/// The part of processors, memory, connection slots and network to plan with. At 70 % of memory or
/// slots the load level rises to `elevated`.
pub(crate) const USABLE: f64 = 0.7;
/// Most changes in one commit of the store.
pub(crate) const BATCH_MAX: f64 = 256.0;
/// Processor times near full load differ so much between machines, in percent.
pub(crate) const PROCESSOR_MARGIN_PERCENT: u64 = 50;
/// Far below full load, the processor time of a message is up to so many times as much.
pub(crate) const LOW_LOAD_FACTOR: u64 = 3;
/// Memory of a connection differs so much, in percent.
pub(crate) const MEMORY_MARGIN_PERCENT: u64 = 15;

/// All that a plan is computed from.
#[derive(Debug, Clone)]
pub(crate) struct Inputs {
    pub(crate) machine: Machine,
    pub(crate) caps: Caps,
    pub(crate) slopes: Slopes,
    pub(crate) load: Workload,
    /// Figures that could not be measured on a running server.
    pub(crate) notes: Vec<String>,
}

/// The load that a machine carries.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Carries {
    pub(crate) connections: Ceiling,
    /// With that many connections, or those of the load.
    pub(crate) beside_connections: f64,
    /// Messages in a second, if each of them wakes the server.
    pub(crate) messages_per_s: Ceiling,
    /// The same if many of them share wake-ups, system calls and commits.
    pub(crate) messages_per_s_at_most: f64,
    pub(crate) commits_per_s: Option<f64>,
    /// Until all clients are connected again after a restart.
    pub(crate) reconnect_s: f64,
}

/// The margins of a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Margins {
    pub(crate) processor_percent: u64,
    pub(crate) low_load_factor: u64,
    pub(crate) memory_percent: u64,
}

/// The plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Plan {
    pub(crate) machine: Machine,
    pub(crate) configuration: Caps,
    pub(crate) load: Workload,
    pub(crate) carries: Carries,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) needs: Option<Needs>,
    pub(crate) margins: Margins,
    pub(crate) slopes: Vec<SlopeSource>,
    pub(crate) notes: Vec<String>,
}

impl Plan {
    pub(crate) fn of(inputs: Inputs) -> Self {
        let carries = inputs.carries();
        let Inputs { machine, caps, slopes, load, notes } = &inputs;
        let is_load_stated = load.connections.is_some() || load.messages.is_some();
        Self {
            needs: is_load_stated.then(|| Needs::of(&inputs, &carries)),
            machine: machine.clone(),
            configuration: caps.clone(),
            load: *load,
            carries,
            margins: Margins {
                processor_percent: PROCESSOR_MARGIN_PERCENT,
                low_load_factor: LOW_LOAD_FACTOR,
                memory_percent: MEMORY_MARGIN_PERCENT,
            },
            slopes: slopes.sources.clone(),
            notes: notes.clone(),
        }
    }
}

impl Inputs {
    /// Processor time of all shards to plan with, in microseconds a second.
    pub(crate) fn processor_us(&self) -> f64 {
        self.machine.cores.min(self.caps.shards).max(1) as f64 * 1e6 * USABLE
    }

    /// Processor time of the pings of an idle connection, in microseconds a second.
    pub(crate) fn ping_us(&self) -> f64 {
        self.slopes.single.ping() * 1_000.0 / self.caps.ping_interval_ms.max(1) as f64
    }

    fn carries(&self) -> Carries {
        let connections = Ceiling::of(self.connection_bounds());
        let open = self.load.connections.map_or(connections.value, |wanted| wanted as f64);
        let by_cost = |cost_us| Ceiling::of(self.message_bounds(open, cost_us));
        let messages_per_s = by_cost(self.slopes.single.message(&self.load));
        let most = by_cost(self.slopes.batched.message(&self.load));
        Carries {
            reconnect_s: self.reconnect_s(open),
            beside_connections: open,
            connections,
            messages_per_s_at_most: most.value.max(messages_per_s.value),
            messages_per_s,
            commits_per_s: self.machine.commit_us.map(|us| 1e6 / us),
        }
    }

    fn reconnect_s(&self, open: f64) -> f64 {
        let by_processor = open * self.slopes.connect_us / self.processor_us();
        by_processor.max(open / self.caps.rates.connects_per_s.max(0.001))
    }

    fn connection_bounds(&self) -> Vec<Bound> {
        let Self { machine, caps, slopes, .. } = self;
        let percent = USABLE * 100.0;
        let mut bounds = vec![
            Bound::new(
                "processor",
                self.processor_us() / self.ping_us(),
                format!("{percent} % of the shards answer pings alone"),
            ),
            Bound::new(
                "capacity.connections_total",
                caps.connections_total * USABLE,
                format!("{percent} % of {} slots", about(caps.connections_total)),
            ),
            Bound::new("capacity.users_total", caps.users_total, "one connection for each user"),
        ];
        if let Some(bytes) = caps.memory_bytes.or(machine.memory_bytes) {
            let each = slopes.connection_bytes + slopes.kernel_bytes;
            let why = format!(
                "{percent} % of {}, {:.1} KiB each with the part of the kernel",
                gib(bytes as f64),
                each / 1024.0
            );
            let free = bytes as f64 * USABLE - slopes.base_bytes;
            bounds.push(Bound::new("memory", free / each, why));
        }
        if let Some(files) = machine.files {
            let why = format!("half of {} open files", about(files as f64));
            bounds.push(Bound::new("open files", files as f64 / 2.0, why));
        }
        if let Some(ports) = machine.ports.filter(|_| caps.proxies > 0) {
            let proxies = caps.proxies as f64;
            let why = format!(
                "{} ports for each address of a proxy, if its range is that of this machine",
                about(ports as f64)
            );
            bounds.push(Bound::new("ports of the proxy", proxies * ports as f64, why));
        }
        if let Some(entries) = machine.tracked_connections {
            let why = "net.netfilter.nf_conntrack_max, if the firewall tracks connections";
            bounds.push(Bound::new("firewall", entries as f64 * USABLE, why));
        }
        bounds
    }

    fn message_bounds(&self, open: f64, cost_us: f64) -> Vec<Bound> {
        let Self { machine, caps, slopes, load, .. } = self;
        let left_us = self.processor_us() - open * self.ping_us();
        let mut bounds = vec![
            Bound::new(
                "processor",
                left_us / cost_us,
                format!("{} µs a message, with its deliveries", about(cost_us)),
            ),
            Bound::new("rate.message_total", caps.rates.messages_per_s, "the configuration"),
            Bound::new(
                "rate.message_per_user",
                caps.rates.user_messages_per_s * open,
                format!("{} a minute for each user", about(caps.rates.user_messages_per_s * 60.0)),
            ),
            Bound::new(
                "rate.bytes_total",
                caps.rates.bytes_per_s / load.text_bytes.max(1) as f64,
                "the configuration",
            ),
        ];
        if load.stored() > 0.0 {
            if let Some(rate) = caps.rates.user_stored_per_s {
                let why = format!("{STORED_EVENT}: {} a minute for each user", about(rate * 60.0));
                bounds.push(Bound::new("rate.event_per_user", rate * open / load.stored(), why));
            }
            bounds.push(Bound::new(
                "writer of the store",
                1e6 * USABLE / slopes.batched.stored_us.max(0.1) / load.stored(),
                "one thread commits all changes",
            ));
            if let Some(commit_us) = machine.commit_us {
                let why = format!(
                    "{} ms a commit of at most {BATCH_MAX} changes",
                    about(commit_us / 1_000.0)
                );
                let most = BATCH_MAX * 1e6 / commit_us / load.stored();
                bounds.push(Bound::new("disk", most, why));
            }
        }
        if let Some(mbit) = machine.network_mbit {
            let bytes_per_s = mbit * 1e6 / 8.0 * USABLE;
            let why = format!("{} Mbit/s", about(mbit));
            bounds.push(Bound::new("network", bytes_per_s / load.wire_bytes(), why));
        }
        bounds
    }
}

/// A size of memory in GiB, or in MiB below that.
pub(crate) fn gib(bytes: f64) -> String {
    let mebibytes = bytes / 1024.0 / 1024.0;
    match mebibytes {
        small if small < 1_000.0 => format!("{} MiB", about(small)),
        large => format!("{} GiB", about(large / 1024.0)),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
