//! An operation on chosen sockets, applied to those of one shard.
//! Never: a socket twice, or one that was chosen only on the way.

use std::rc::Rc;
use std::sync::Arc;

use portcullis_wire::socketio;
use portcullis_wire::websocket::{Opcode, frame};

use crate::connection::socket::Socket;
use crate::delivery::broadcast::{Act, FETCH_MAX, Operation, Select, SocketInfo};
use crate::events::frame::Form;
use crate::shard::state::Shard;

impl Shard {
    pub(crate) fn operate(&self, operation: &Operation) {
        let Operation { select, act } = operation;
        let sockets = self.selected(select);
        match act {
            Act::Emit { frame, volatile } => {
                for socket in &sockets {
                    if !(*volatile && socket.connection.is_behind()) {
                        self.send_event(&socket.connection, frame);
                        self.metrics.deliveries.inc();
                    }
                }
            }
            Act::Ask { frame, id, gather, timeout_ms } => {
                let now = self.now();
                for socket in &sockets {
                    let namespace = socket.namespace.clone();
                    let (connection, ticket) = (&socket.connection, gather.ticket());
                    // The plain form has no acknowledgements of events.
                    if connection.form == Form::SocketIo
                        && connection.acks.open(*id, namespace, ticket, now, *timeout_ms)
                    {
                        self.send_event(connection, frame);
                    }
                }
                gather.shard_done();
            }
            Act::Join(room) => {
                for socket in &sockets {
                    self.subscribe(socket, room);
                }
            }
            Act::Leave(room) => {
                for socket in &sockets {
                    self.unsubscribe(socket, room);
                }
            }
            Act::Disconnect => sockets.iter().for_each(|socket| self.disconnect(socket)),
            Act::Fetch(gather) => {
                gather.add(sockets.iter().take(FETCH_MAX).filter_map(info));
                gather.shard_done();
            }
        }
    }

    fn selected(&self, select: &Select) -> Vec<Rc<Socket>> {
        let mut sockets: Vec<Rc<Socket>> = match select.only {
            Some(connection) => {
                let connection = self.open_connection(connection);
                connection
                    .and_then(|connection| connection.socket(select.namespace.as_str()))
                    .into_iter()
                    .collect()
            }
            None => {
                let rooms = self.rooms.borrow();
                match select.to.as_slice() {
                    [] => rooms.everyone(&select.namespace).cloned().collect(),
                    several => several
                        .iter()
                        .flat_map(|room| rooms.members(&select.namespace, room))
                        .cloned()
                        .collect(),
                }
            }
        };
        if select.to.len() > 1 {
            sockets.sort_unstable_by_key(|socket| socket.connection.id.number);
            sockets.dedup_by_key(|socket| socket.connection.id.number);
        }
        sockets.retain(|socket| {
            select.without != Some(socket.connection.id)
                && !select.except.iter().any(|room| socket.hears(room))
        });
        sockets
    }

    /// The server ends a socket's place; the connection stays for other namespaces.
    pub(crate) fn disconnect(&self, socket: &Rc<Socket>) {
        let connection = Rc::clone(&socket.connection);
        match connection.form {
            Form::SocketIo | Form::Engine => {
                let text = socketio::disconnect(socket.namespace.as_str());
                self.send(&connection, frame(Opcode::Text, text.as_bytes()));
                self.leave_namespace(socket, "server namespace disconnect");
                self.expect_connect(&connection);
            }
            // The plain form has one place, and is over without it.
            Form::Plain => connection.end(crate::connection::state::End::Goodbye),
        }
    }
}

fn info(socket: &Rc<Socket>) -> Option<SocketInfo> {
    let caller = socket.connection.caller()?;
    Some(SocketInfo {
        id: socket.id,
        connection: socket.connection.id,
        user: Arc::clone(caller.principal.user()),
        rooms: socket.rooms.borrow().iter().map(|(room, _)| room.clone()).collect(),
    })
}
