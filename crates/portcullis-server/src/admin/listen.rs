//! The private listeners: for operators and for probes.
//! Never: a request that waits because other connections stay silent.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::admin::private::Private;
use crate::admin::private_connections::{PrivateConnection, PrivateConnections, PrivateListener};

/// The timeout of a connection, from its accept to the last byte of the response.
const DEADLINE: Duration = Duration::from_secs(5);
/// The pause after a failed accept, so that the loop does not use all CPU time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

impl Private {
    /// Answers on one listener until the server has stopped.
    pub(crate) async fn serve(
        self,
        listener: std::net::TcpListener,
        listener_kind: PrivateListener,
    ) {
        let Ok(listener) = TcpListener::from_std(listener) else {
            tracing::error!("a private listener could not be registered with the runtime");
            return;
        };
        let open_connections = Rc::new(RefCell::new(PrivateConnections::default()));
        let mut stop = self.stop.clone();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _closed = stop.wait_for(|stopped| *stopped) => return,
            };
            match accepted {
                Ok((socket, peer)) => {
                    self.start_visit(&open_connections, socket, peer, listener_kind)
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
            // A request that has arrived is read before the next connection can evict it.
            tokio::task::yield_now().await;
        }
    }

    fn start_visit(
        &self,
        open_connections: &Rc<RefCell<PrivateConnections>>,
        socket: TcpStream,
        peer: SocketAddr,
        listener_kind: PrivateListener,
    ) {
        let open_connection = PrivateConnection::begin(open_connections);
        let id = open_connection.id();
        let private = self.clone();
        let task = tokio::task::spawn_local(async move {
            if timeout(DEADLINE, private.answer(socket, peer, listener_kind, &open_connection))
                .await
                .is_err()
            {
                tracing::debug!(%peer, "a request on a private listener took too long");
            }
        });
        PrivateConnection::set_task(open_connections, id, task.abort_handle());
    }
}
