//! The start of a server: listeners, threads and their shards.
//! Never: a request.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use portcullis_guard::ReferenceKey;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::admin::metrics::Metrics;
use crate::admin::private::Private;
use crate::admin::private_connections::PrivateListener;
use crate::delivery::hub::{Batch, set_shard_of_thread};
use crate::http::transfer::TransferredConnection;
use crate::listen::bind::bind;
use crate::load::admission_queue::AdmissionQueues;
use crate::load::process_limits;
use crate::polling::session_id::SessionIds;
use crate::polling::session_router::SessionRouter;
use crate::random::passing_reference_key;
use crate::setup::builder::Builder;
use crate::setup::options::Options;
use crate::setup::running::{Addresses, HealthReader, Running, ServerError};
use crate::setup::task_health::TaskHealth;
use crate::shard::run::{ShardInputs, run_shard};
use crate::shard::server::Server;
use crate::shard::state::Shard;

/// The most connections that may be in transfer to one shard.
const TRANSFERS_MAX: usize = 1024;

impl Builder {
    /// Binds the listeners and starts the shards.
    ///
    /// # Errors
    /// [`ServerError`] when an address cannot be bound, a rule names an undeclared event, or a
    /// thread cannot be started.
    pub fn start(mut self) -> Result<Running, ServerError> {
        self.declare_built_in()?;
        self.gate.check_declared()?;
        let shards = self.options.shards.max(1);
        fit_to_machine(&mut self.options, self.gate.options().capacity.total, shards);
        let public = listeners(self.options.public, shards)?;
        let redirect = self.options.redirect.map(|address| listeners(address, shards));
        let redirect = redirect.transpose()?.unwrap_or_default();
        let (transfers, arrivals): (Vec<_>, Vec<_>) =
            (0..shards).map(|_| mpsc::channel(TRANSFERS_MAX)).unzip();
        let reference_key =
            self.options.reference_key.clone().unwrap_or_else(passing_reference_key);
        let inboxes = std::mem::take(&mut self.inboxes);
        let former_keys = &self.options.former_reference_keys;
        let ids = SessionIds::new(reference_key.clone(), former_keys);
        let server = self.into_server(SessionRouter { ids, shards: transfers.into() });
        let ((draining, drained), (stopped, stop)) = (watch::channel(false), watch::channel(false));
        let private = Private { server: server.clone(), drained: drained.clone(), stop };
        let listening = start_private_listeners(&server, &private)?;
        let addresses = Addresses {
            public: address_of(&public).unwrap_or(server.options.public),
            private: listening.private,
            probe: listening.probe,
            redirect: address_of(&redirect),
        };
        let inputs = shard_inputs(public, redirect, inboxes, arrivals, &drained);
        Ok(Running {
            gate: Arc::clone(&server.gate),
            addresses,
            health: HealthReader {
                tasks: Arc::clone(&server.health),
                gate: Arc::clone(&server.gate),
                metrics: Arc::clone(&server.metrics),
            },
            draining,
            stopped,
            shards: start_shards(&server, &reference_key, inputs)?,
            private_listeners: listening.threads,
        })
    }

    fn into_server(self, sessions: SessionRouter) -> Server {
        let shards = self.options.shards.max(1);
        let queues = AdmissionQueues::new(&self.options.queue_limits, Arc::clone(&self.clock));
        Server {
            health: Arc::new(TaskHealth::new(shards, self.clock.now().monotonic_ms)),
            sessions,
            options: Arc::new(self.options),
            gate: Arc::new(self.gate),
            metrics: Arc::new(Metrics::new(&self.registered.reports.measures, shards)),
            registered: Arc::new(self.registered),
            hub: self.hub,
            clock: self.clock,
            audit: self.audit,
            load: Arc::default(),
            recovery: Arc::default(),
            queues: Arc::new(queues),
        }
    }
}

/// The inputs of all shards, in the order of their indices.
fn shard_inputs(
    public: Vec<std::net::TcpListener>,
    redirect: Vec<std::net::TcpListener>,
    inboxes: Vec<mpsc::Receiver<Batch>>,
    arrivals: Vec<mpsc::Receiver<TransferredConnection>>,
    drained: &watch::Receiver<bool>,
) -> Vec<ShardInputs> {
    let redirect = redirect.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
    let inputs = public.into_iter().zip(redirect).zip(inboxes).zip(arrivals);
    let input = |(((public, redirect), inbox), arrivals)| ShardInputs {
        public,
        redirect,
        inbox,
        arrivals,
        drained: drained.clone(),
    };
    inputs.map(input).collect()
}

fn start_shards(
    server: &Server,
    reference_key: &ReferenceKey,
    inputs: Vec<ShardInputs>,
) -> Result<Vec<JoinHandle<()>>, ServerError> {
    let mut threads = Vec::with_capacity(inputs.len());
    for (index, inputs) in inputs.into_iter().enumerate() {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        let (server, reference_key) = (server.clone(), reference_key.clone());
        threads.push(start_thread(&format!("shard-{index}"), move |local, runtime| {
            set_shard_of_thread(index);
            let health = Arc::clone(&server.health);
            let shard = Rc::new(Shard::new(index, server, reference_key));
            local.block_on(runtime, health.watch("shard", run_shard(shard, inputs)));
        })?);
    }
    Ok(threads)
}

/// The private listeners and their threads.
struct PrivateListeners {
    private: Option<SocketAddr>,
    probe: Option<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts a thread for each private listener, so that probes do not wait for metrics.
fn start_private_listeners(
    server: &Server,
    private: &Private,
) -> Result<PrivateListeners, ServerError> {
    let configured = [
        ("private", server.options.private, PrivateListener::Operators),
        ("probe", server.options.probe, PrivateListener::Probes),
    ];
    let mut threads = Vec::new();
    let mut bound = [None, None];
    for ((name, address, listener_kind), bound) in configured.into_iter().zip(&mut bound) {
        let Some(address) = address else { continue };
        let listener = bind_at(address)?;
        *bound = Some(listener.local_addr().unwrap_or(address));
        let private = private.clone();
        threads.push(start_thread(name, move |local, runtime| {
            local.block_on(runtime, private.serve(listener, listener_kind));
        })?);
    }
    let [private, probe] = bound;
    Ok(PrivateListeners { private, probe, threads })
}

/// Sets limits that are not configured to those of the system. Connections in the HTTP stage use at
/// most half of the files.
fn fit_to_machine(options: &mut Options, sockets_max: u32, shards: usize) {
    if options.memory_limit_bytes == 0 {
        options.memory_limit_bytes = process_limits::memory_max_bytes();
    }
    if options.files_max == 0 {
        options.files_max = process_limits::files_max();
    }
    let Some(files) = usize::try_from(options.files_max).ok().filter(|files| *files > 0) else {
        return;
    };
    let part = (files / 2 / shards).max(1);
    options.http_connections_max = options.http_connections_max.min(part);
    if files / 2 < sockets_max as usize {
        tracing::warn!(
            files,
            connections_total = sockets_max,
            "the limit of open files is too low for connections_total: raise it"
        );
    }
}

fn bind_at(address: SocketAddr) -> Result<std::net::TcpListener, ServerError> {
    bind(address).map_err(|source| ServerError::Listen { address, source })
}

/// Binds one listener for each shard; with port 0, all use the port of the first one.
fn listeners(
    address: SocketAddr,
    shards: usize,
) -> Result<Vec<std::net::TcpListener>, ServerError> {
    let first = bind_at(address)?;
    let address = first.local_addr().unwrap_or(address);
    let mut listeners = vec![first];
    for _ in 1..shards {
        listeners.push(bind_at(address)?);
    }
    Ok(listeners)
}

fn address_of(listeners: &[std::net::TcpListener]) -> Option<SocketAddr> {
    listeners.first().and_then(|listener| listener.local_addr().ok())
}

fn start_thread(
    name: &str,
    body: impl FnOnce(&LocalSet, &tokio::runtime::Runtime) + Send + 'static,
) -> Result<JoinHandle<()>, ServerError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ServerError::Thread)?;
    std::thread::Builder::new()
        .name(format!("portcullis-{name}"))
        .spawn(move || {
            let local = LocalSet::new();
            body(&local, &runtime);
        })
        .map_err(ServerError::Thread)
}
