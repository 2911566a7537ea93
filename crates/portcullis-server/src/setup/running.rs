//! A running server, and why one did not start.
//! Never: a thread that outlives the server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use portcullis_guard::{Gate, GateError, LoadState};
use portcullis_model::Now;
use tokio::sync::watch;

use crate::admin::metrics::Metrics;
use crate::setup::task_health::TaskHealth;

/// Why a server did not start.
#[derive(thiserror::Error)]
pub enum ServerError {
    /// An address is in use, is not an address of this machine, or needs more privileges.
    #[error("cannot listen on {address}: {source}; set another one in [listen], or by `listen`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// A rule is invalid.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// A thread or its runtime could not be created.
    #[error("cannot start a thread: {0}; check the limits of this user")]
    Thread(io::Error),
}

portcullis_model::debug_as_sentence!(ServerError);

/// A running server.
pub struct Running {
    pub(crate) gate: Arc<Gate>,
    pub(crate) addresses: Addresses,
    pub(crate) health: HealthReader,
    pub(crate) draining: watch::Sender<bool>,
    pub(crate) stopped: watch::Sender<bool>,
    pub(crate) shards: Vec<JoinHandle<()>>,
    pub(crate) private_listeners: Vec<JoinHandle<()>>,
}

/// The addresses of a server's listeners.
pub(crate) struct Addresses {
    pub(crate) public: SocketAddr,
    pub(crate) private: Option<SocketAddr>,
    pub(crate) probe: Option<SocketAddr>,
    pub(crate) redirect: Option<SocketAddr>,
}

impl Running {
    /// The gate, whose options can be replaced while the server runs.
    #[must_use]
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// The address for clients.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.addresses.public
    }

    /// The address for operators.
    #[must_use]
    pub fn private(&self) -> Option<SocketAddr> {
        self.addresses.private
    }

    /// The address where load balancers and orchestrators read health and readiness.
    #[must_use]
    pub fn probe(&self) -> Option<SocketAddr> {
        self.addresses.probe
    }

    /// The address where requests in plain text are redirected to [`Running::public`].
    #[must_use]
    pub fn redirect(&self) -> Option<SocketAddr> {
        self.addresses.redirect
    }

    /// Reads the health of the server from any thread.
    #[must_use]
    pub fn health(&self) -> HealthReader {
        self.health.clone()
    }

    /// Stops accepting, lets running requests finish, and ends all connections. Blocks until then.
    ///
    /// Takes `Options::drain_ms` at most.
    pub fn drain(self) {
        self.health.tasks.stop();
        self.draining.send_replace(true);
        for shard in self.shards {
            let _ended = shard.join();
        }
        // Operators read `draining` until the last shard has ended.
        self.stopped.send_replace(true);
        for listener in self.private_listeners {
            let _ended = listener.join();
        }
    }
}

/// Reads the health of a server, for the program that supervises it.
#[derive(Clone)]
pub struct HealthReader {
    pub(crate) tasks: Arc<TaskHealth>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) metrics: Arc<Metrics>,
}

impl HealthReader {
    /// The reasons for which only a restart helps, one word each; empty while all shards answer.
    ///
    /// A shard that drains has no ticks, so ask only while the server serves.
    #[must_use]
    pub fn faults(&self, now: Now) -> Vec<&'static str> {
        self.tasks.faults(now.monotonic_ms)
    }

    /// The load level in force.
    #[must_use]
    pub fn load(&self) -> LoadState {
        self.gate.load()
    }

    /// Open real-time connections.
    #[must_use]
    pub fn connections_open(&self) -> u64 {
        u64::try_from(self.metrics.connections_open.get()).unwrap_or(0)
    }
}
