//! Slopes: processor time and memory of each kind of work.
//! Never: a slope without the figures that it comes from.

use anyhow::Result;
use serde::Serialize;

use super::figures::Figures;
use super::workload::Workload;

const KIB: f64 = 1024.0;
/// Members of the rooms of the figure for many stored messages; each member gets each message.
const MEMBERS_OF_STORED: f64 = 10.0;
/// Frames of such a message: in, out to each member, and the answer.
const FRAMES_OF_STORED: f64 = MEMBERS_OF_STORED + 2.0;
/// The sizes of rooms for which the cost of a delivery was measured, as the figures name them.
const ROOM_SIZES: [u64; 4] = [10, 100, 1_000, 10_000];

/// Whether the server itself encrypts the connections of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    Tls,
    /// Plain text, for a proxy that ends TLS.
    Off,
}

/// Where a slope comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SlopeSource {
    pub(crate) slope: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) from: String,
}

/// Processor time of the parts of a message, in microseconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Costs {
    /// Receive, check, run a handler, answer.
    pub(crate) message_us: f64,
    /// Store, beside that.
    pub(crate) stored_us: f64,
    /// Encrypt or decrypt one frame.
    pub(crate) frame_us: f64,
    /// A delivery in rooms of [`ROOM_SIZES`].
    deliveries_us: [f64; ROOM_SIZES.len()],
}

/// All slopes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Slopes {
    pub(crate) base_bytes: f64,
    /// Memory of the server for an idle connection.
    pub(crate) connection_bytes: f64,
    /// Memory of the kernel for an idle connection.
    pub(crate) kernel_bytes: f64,
    pub(crate) connect_us: f64,
    /// Each message wakes the server, and has a commit of its own.
    pub(crate) single: Costs,
    /// Many messages share wake-ups, system calls and commits.
    pub(crate) batched: Costs,
    pub(crate) sources: Vec<SlopeSource>,
}

impl Costs {
    fn read(figures: &Figures, kind: &str, encryption: Encryption) -> Result<Self> {
        let mut deliveries_us = [0.0; ROOM_SIZES.len()];
        for (slot, size) in deliveries_us.iter_mut().zip(ROOM_SIZES) {
            *slot = figures.value(&format!("delivery_{kind}_{size}"))?;
        }
        let costs = Self {
            message_us: figures.value(&format!("echo_{kind}"))?,
            stored_us: 0.0,
            frame_us: match encryption {
                Encryption::Off => 0.0,
                Encryption::Tls => {
                    let plain = figures.value("stored_batched")?;
                    let encrypted = figures.value("stored_batched_tls")?;
                    ((encrypted - plain) / FRAMES_OF_STORED).max(0.0)
                }
            },
            deliveries_us,
        };
        // Alone in a room, a sender gets one delivery.
        let members = if kind == "single" { 1.0 } else { MEMBERS_OF_STORED };
        let rest = costs.message_us + members * costs.delivery_us(members as u64);
        let stored_us = (figures.value(&format!("stored_{kind}"))? - rest).max(0.0);
        Ok(Self { stored_us, ..costs })
    }

    /// A delivery in a room of this size: the figure of the next larger room that was measured.
    pub(crate) fn delivery_us(&self, members: u64) -> f64 {
        let mut sizes = ROOM_SIZES.iter().zip(self.deliveries_us);
        let fitting = sizes.find(|(size, _)| **size >= members).map(|(_, cost)| cost);
        fitting.or(self.deliveries_us.last().copied()).unwrap_or_default()
    }

    /// One message of this load: its answer, its storage, its deliveries.
    pub(crate) fn message(&self, load: &Workload) -> f64 {
        let members = load.members as f64;
        self.message_us
            + load.stored() * self.stored_us
            + members * self.delivery_us(load.members)
            + (members + 2.0) * self.frame_us
    }

    /// A ping and its answer.
    pub(crate) fn ping(&self) -> f64 {
        self.message_us + 2.0 * self.frame_us
    }

    /// All costs times a factor.
    pub(crate) fn scaled(&self, factor: f64) -> Self {
        Self {
            message_us: self.message_us * factor,
            stored_us: self.stored_us * factor,
            frame_us: self.frame_us * factor,
            deliveries_us: self.deliveries_us.map(|cost| cost * factor),
        }
    }
}

impl Slopes {
    /// The slopes of the measured figures.
    pub(crate) fn read(figures: &Figures, encryption: Encryption) -> Result<Self> {
        let (idle, connect) = match encryption {
            Encryption::Tls => ("user_tls", "connect_tls"),
            Encryption::Off => ("user", "connect"),
        };
        let mut slopes = Self {
            base_bytes: figures.value("memory_base")? * KIB * KIB,
            connection_bytes: figures.value(idle)? * KIB,
            kernel_bytes: figures.value("kernel")? * KIB,
            connect_us: figures.value(connect)?,
            single: Costs::read(figures, "single", encryption)?,
            batched: Costs::read(figures, "batched", encryption)?,
            sources: Vec::new(),
        };
        for (slope, name) in [
            ("memory without connections", "memory_base"),
            (MEMORY, idle),
            ("kernel memory of a connection", "kernel"),
            ("connect", connect),
            ("message and its answer, one at a time", "echo_single"),
            ("message and its answer, 16 at a time", "echo_batched"),
            ("delivery in a room of 1,000, one at a time", "delivery_single_1000"),
            ("delivery in a room of 1,000, 32 at a time", "delivery_batched_1000"),
            ("stored message, one at a time", "stored_single"),
            ("stored message, 100 at a time", "stored_batched"),
        ] {
            let figure = figures.of(name)?;
            slopes.sources.push(SlopeSource {
                slope,
                value: figure.value,
                unit: match figure.unit.as_str() {
                    "MB" => "MiB",
                    "KB" => "KiB",
                    _ => "µs",
                },
                from: figure.place(),
            });
        }
        Ok(slopes)
    }

    /// States another source of a slope.
    pub(crate) fn replace_source(&mut self, source: SlopeSource) {
        self.sources.retain(|other| other.slope != source.slope);
        self.sources.push(source);
    }
}

/// The name of the slope that a running server states best.
pub(crate) const MEMORY: &str = "memory of a connection";

#[cfg(test)]
mod tests {
    use super::*;

    fn load(members: u64, stored_percent: f64) -> Workload {
        Workload { connections: None, messages: None, members, stored_percent, text_bytes: 100 }
    }

    #[test]
    fn message_costs_its_answer_its_storage_and_its_deliveries() {
        let costs = Costs {
            message_us: 10.0,
            stored_us: 40.0,
            frame_us: 0.5,
            deliveries_us: [4.0, 3.0, 2.0, 1.0],
        };
        for (members, stored, expect) in [
            (1, 0.0, 10.0 + 4.0 + 1.5),
            (10, 100.0, 10.0 + 40.0 + 40.0 + 6.0),
            (11, 50.0, 10.0 + 20.0 + 33.0 + 6.5),
            (100_000, 0.0, 10.0 + 100_000.0 + 50_001.0),
        ] {
            let cost = costs.message(&load(members, stored));
            assert!((cost - expect).abs() < 1e-6, "{members} {stored}: {cost}");
        }
        assert_eq!(costs.scaled(2.0).message(&load(1, 0.0)), 31.0);
    }

    #[test]
    fn slopes_of_this_build_are_plausible() {
        let figures = Figures::read().unwrap();
        let plain = Slopes::read(&figures, Encryption::Off).unwrap();
        let tls = Slopes::read(&figures, Encryption::Tls).unwrap();
        for slopes in [&plain, &tls] {
            assert!(slopes.single.stored_us > slopes.batched.stored_us, "{slopes:?}");
            assert!(slopes.single.message_us > slopes.batched.message_us, "{slopes:?}");
            assert!(slopes.kernel_bytes > 1_000.0 && slopes.connect_us > 20.0, "{slopes:?}");
        }
        assert!(tls.connection_bytes > plain.connection_bytes + 4_096.0);
        assert!(tls.connect_us > plain.connect_us * 2.0);
        assert!(tls.single.frame_us > 0.0 && plain.single.frame_us == 0.0);
    }
}
