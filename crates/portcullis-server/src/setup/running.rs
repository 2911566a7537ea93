//! Threads, readiness, drain.
//! Never: a thread that outlives the server.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use portcullis_guard::GateError;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::admin::listen::PrivateEntrance;
use crate::admin::metrics::Metrics;
use crate::admin::private::Private;
use crate::delivery::hub::{Batch, be_shard};
use crate::http::shard_transfer::Moved;
use crate::listen::accept::{Entrance, bind};
use crate::load::machine;
use crate::load::waiting::WaitingRooms;
use crate::polling::session_id::SessionIds;
use crate::random::passing_reference_key;
use crate::setup::builder::Builder;
use crate::setup::options::Options;
use crate::setup::vitals::Vitals;
use crate::shard::state::{Common, Shard};

/// Connections that may be on their way to one shard.
const MOVED_MAX: usize = 1024;

/// A task that runs for the life of its shard.
pub(crate) type LastingTask = std::pin::Pin<Box<dyn Future<Output = ()>>>;

/// Why a server did not start.
#[derive(thiserror::Error)]
pub enum ServerError {
    /// An address is taken, not ours, or needs more rights.
    #[error("cannot listen on {address}: {source}; choose another address under [listen]")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A rule is not sound.
    #[error(transparent)]
    Gate(#[from] GateError),
    /// A thread or its runtime could not be made.
    #[error("cannot start a thread: {0}; check the limits of this user")]
    Thread(io::Error),
}

portcullis_model::debug_as_sentence!(ServerError);

/// A server that runs.
pub struct Running {
    public: SocketAddr,
    private: Option<SocketAddr>,
    probe: Option<SocketAddr>,
    redirect: Option<SocketAddr>,
    vitals: Arc<Vitals>,
    draining: watch::Sender<bool>,
    stopped: watch::Sender<bool>,
    shards: Vec<JoinHandle<()>>,
    operators: Vec<JoinHandle<()>>,
}

impl Running {
    /// Where clients connect.
    #[must_use]
    pub fn public(&self) -> SocketAddr {
        self.public
    }

    /// Where operators look.
    #[must_use]
    pub fn private(&self) -> Option<SocketAddr> {
        self.private
    }

    /// Where load balancers and orchestrators ask for health and readiness.
    #[must_use]
    pub fn probe(&self) -> Option<SocketAddr> {
        self.probe
    }

    /// Where pages asked for in plain text are led on to [`Running::public`].
    #[must_use]
    pub fn redirect(&self) -> Option<SocketAddr> {
        self.redirect
    }

    /// Stops accepting, lets running acts finish, ends every connection; waits for it.
    ///
    /// Takes `Options::drain_ms` at most.
    pub fn drain(self) {
        self.vitals.stop();
        self.draining.send_replace(true);
        for shard in self.shards {
            let _ended = shard.join();
        }
        // Operators see `draining` for as long as anything drains.
        self.stopped.send_replace(true);
        for listener in self.operators {
            let _ended = listener.join();
        }
    }
}

pub(crate) fn start(mut builder: Builder) -> Result<Running, ServerError> {
    builder.declare_built_in()?;
    builder.gate.check_declared()?;
    let shards = builder.options.shards.max(1);
    fit_to_machine(&mut builder.options, builder.gate.options().capacity.total, shards);
    let listeners = listeners(builder.options.public, shards)?;
    let public = address_of(&listeners).unwrap_or(builder.options.public);
    let redirects = builder.options.redirect.map(|address| self::listeners(address, shards));
    let redirects = redirects.transpose()?.unwrap_or_default();
    let redirect = address_of(&redirects);
    let (doors, arrivals): (Vec<_>, Vec<_>) = (0..shards).map(|_| mpsc::channel(MOVED_MAX)).unzip();
    let waiting = WaitingRooms::new(&builder.options.waits, Arc::clone(&builder.clock));
    let reference_key = builder.options.reference_key.clone();
    let reference_key = reference_key.unwrap_or_else(passing_reference_key);
    let common = Common {
        vitals: Arc::new(Vitals::new(shards, builder.clock.now().monotonic_ms)),
        session_ids: SessionIds::new(reference_key.clone(), &builder.options.former_reference_keys),
        reference_key,
        options: Arc::new(builder.options),
        gate: Arc::new(builder.gate),
        metrics: Arc::new(Metrics::new(&builder.registered.measures)),
        registered: Arc::new(builder.registered),
        hub: builder.hub,
        clock: builder.clock,
        audit: builder.audit,
        pressure: Arc::default(),
        parking: Arc::default(),
        waiting: Arc::new(waiting),
        doors: doors.into(),
    };
    let ((draining, drained), (stopped, stop)) = (watch::channel(false), watch::channel(false));
    let answers = Private::new(&common, drained.clone(), stop);
    let Operators { private, probe, threads: operators } = serve_operators(&common, &answers)?;
    let mut threads = Vec::with_capacity(shards);
    let redirects = redirects.into_iter().map(Some).chain(std::iter::repeat_with(|| None));
    let entrances = listeners.into_iter().zip(redirects);
    let ways_in = entrances.zip(builder.inboxes).zip(arrivals);
    for (index, ((entrances, inbox), arrivals)) in ways_in.enumerate() {
        let index = u16::try_from(index).unwrap_or(u16::MAX);
        let (common, drained) = (common.clone(), drained.clone());
        threads.push(thread(&format!("shard-{index}"), move |local, runtime| {
            be_shard(index);
            let vitals = Arc::clone(&common.vitals);
            let life = Rc::new(Shard::new(index, common)).run(entrances, inbox, arrivals, drained);
            run(local, runtime, vitals.watch("shard", life));
        })?);
    }
    let vitals = Arc::clone(&common.vitals);
    Ok(Running {
        vitals,
        public,
        private,
        probe,
        redirect,
        draining,
        stopped,
        shards: threads,
        operators,
    })
}

/// The listeners that are not for clients, and the threads that serve them.
struct Operators {
    private: Option<SocketAddr>,
    probe: Option<SocketAddr>,
    threads: Vec<JoinHandle<()>>,
}

/// Each listener has its own thread, so that probes do not wait for metrics to be collected.
fn serve_operators(common: &Common, answers: &Private) -> Result<Operators, ServerError> {
    let wanted = [
        ("private", common.options.private, PrivateEntrance::Operators),
        ("probe", common.options.probe, PrivateEntrance::Probes),
    ];
    let mut threads = Vec::new();
    let mut bound = [None, None];
    for ((name, address, entrance), bound) in wanted.into_iter().zip(&mut bound) {
        let Some(address) = address else { continue };
        let listener = bind_at(address)?;
        *bound = Some(listener.local_addr().unwrap_or(address));
        let answers = answers.clone();
        threads.push(thread(name, move |local, runtime| {
            run(local, runtime, answers.serve(listener, entrance));
        })?);
    }
    let [private, probe] = bound;
    Ok(Operators { private, probe, threads })
}

/// What nobody has set is what the system says. Connections that are no sockets yet never take more
/// than half of the files there are.
fn fit_to_machine(options: &mut Options, sockets_max: u32, shards: usize) {
    if options.memory_limit_bytes == 0 {
        options.memory_limit_bytes = machine::memory_max_bytes();
    }
    if options.files_max == 0 {
        options.files_max = machine::files_max();
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
            "this process may open fewer files than it may carry connections; allow more"
        );
    }
}

fn bind_at(address: SocketAddr) -> Result<std::net::TcpListener, ServerError> {
    bind(address).map_err(|source| ServerError::Listen { address, source })
}

/// One listener a shard; with port 0 the first one's port is everyone's.
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

fn thread(
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

fn run(local: &LocalSet, runtime: &tokio::runtime::Runtime, work: impl Future<Output = ()>) {
    local.block_on(runtime, work);
}

impl Shard {
    /// The shard's life: until the server drains and its connections are gone.
    async fn run(
        self: Rc<Self>,
        (public, redirect): (std::net::TcpListener, Option<std::net::TcpListener>),
        inbox: mpsc::Receiver<Batch>,
        arrivals: mpsc::Receiver<Moved>,
        mut drained: watch::Receiver<bool>,
    ) {
        let redirect = redirect.map(TcpListener::from_std).transpose();
        let (Ok(public), Ok(redirect)) = (TcpListener::from_std(public), redirect) else {
            tracing::error!("a listener could not be registered with the runtime");
            return;
        };
        let vital = |name, task: LastingTask| {
            tokio::task::spawn_local(Arc::clone(&self.vitals).watch(name, task));
        };
        let flush = tokio::task::unconstrained(Rc::clone(&self).flush_forever());
        vital("writes", Box::pin(flush));
        vital("ticks", Box::pin(Rc::clone(&self).tick_forever()));
        vital("timers", Box::pin(Rc::clone(&self).turn_wheel_forever()));
        vital("deliveries", Box::pin(Rc::clone(&self).deliver_forever(inbox)));
        vital("arrivals", Box::pin(Rc::clone(&self).take_in_forever(arrivals)));
        self.start_chores();
        let entrances = [(Entrance::Public, Some(public)), (Entrance::Redirect, redirect)];
        for (entrance, listener) in entrances {
            let Some(listener) = listener else { continue };
            let drained = drained.clone();
            let accepting = Rc::clone(&self).accept_until_drained(listener, entrance, drained);
            vital("listener", Box::pin(accepting));
        }
        drop(drained.wait_for(|draining| *draining).await);
        self.vitals.stop();
        self.draining.set(true);
        self.waiting.close();
        self.drain_connections().await;
    }

    /// Ends every connection as soon as its running act is done.
    async fn drain_connections(&self) {
        let deadline = Duration::from_millis(self.options.drain_ms);
        let emptied = tokio::time::timeout(deadline, async {
            while !self.is_idle() {
                self.waiting.close();
                self.end_idle();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        if emptied.await.is_err() {
            tracing::warn!("connections were still open at the end of the drain");
        }
    }
}
