//! The life of a shard: its loops, its listeners, and the drain.
//! Never: a loop that outlives the shard.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::delivery::apply::{delivery_loop, end_idle_connections};
use crate::delivery::hub::Batch;
use crate::http::arrivals::serve_arrivals;
use crate::http::transfer::TransferredConnection;
use crate::listen::accept::accept_until_drained;
use crate::listen::listener_kind::ListenerKind;
use crate::setup::task_health::BackgroundTask;
use crate::shard::loops::{deadline_loop, tick_loop, write_loop};
use crate::shard::periodic::start_periodic_tasks;
use crate::shard::state::Shard;

/// The inputs of a shard.
pub(crate) struct ShardInputs {
    pub(crate) public: std::net::TcpListener,
    pub(crate) redirect: Option<std::net::TcpListener>,
    pub(crate) inbox: mpsc::Receiver<Batch>,
    pub(crate) arrivals: mpsc::Receiver<TransferredConnection>,
    pub(crate) drained: watch::Receiver<bool>,
}

/// Runs a shard until the server drains and the shard's connections have ended.
pub(crate) async fn run_shard(shard: Rc<Shard>, inputs: ShardInputs) {
    let ShardInputs { public, redirect, inbox, arrivals, mut drained } = inputs;
    let redirect = redirect.map(TcpListener::from_std).transpose();
    let (Ok(public), Ok(redirect)) = (TcpListener::from_std(public), redirect) else {
        tracing::error!("a listener could not be registered with the runtime");
        return;
    };
    let start = |name, task: BackgroundTask| {
        tokio::task::spawn_local(Arc::clone(&shard.server.health).watch(name, task));
    };
    let writes = tokio::task::unconstrained(write_loop(Rc::clone(&shard)));
    start("writes", Box::pin(writes));
    start("ticks", Box::pin(tick_loop(Rc::clone(&shard))));
    start("timers", Box::pin(deadline_loop(Rc::clone(&shard))));
    start("deliveries", Box::pin(delivery_loop(Rc::clone(&shard), inbox)));
    start("arrivals", Box::pin(serve_arrivals(Rc::clone(&shard), arrivals)));
    start_periodic_tasks(&shard);
    let listener_kinds = [(ListenerKind::Public, Some(public)), (ListenerKind::Redirect, redirect)];
    for (listener_kind, listener) in listener_kinds {
        let Some(listener) = listener else { continue };
        let drained = drained.clone();
        let accepting = accept_until_drained(Rc::clone(&shard), listener, listener_kind, drained);
        start("listener", Box::pin(accepting));
    }
    drop(drained.wait_for(|draining| *draining).await);
    shard.server.health.stop();
    shard.drain.started.set(true);
    shard.server.queues.close();
    drain_connections(&shard).await;
}

/// Ends every connection as soon as its running job is done.
async fn drain_connections(shard: &Shard) {
    let deadline = Duration::from_millis(shard.server.options.drain_ms);
    let drained = tokio::time::timeout(deadline, async {
        while !shard.is_idle() {
            shard.server.queues.close();
            end_idle_connections(shard);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    if drained.await.is_err() {
        tracing::warn!("connections were still open at the end of the drain");
    }
}
