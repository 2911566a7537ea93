//! The answer to a CONNECT, in its wire form.
//! Never: the decision.

use bytes::Bytes;
use portcullis_model::{Denial, Namespace, Now};
use portcullis_wire::websocket::{Opcode, frame};
use portcullis_wire::{plain, socketio};

use crate::connection::link::Link;
use crate::connection::record::withheld_roles;
use crate::connection::socket::Socket;
use crate::events::frame::Form;
use crate::rejection::Rejection;
use crate::setup::options::ConnectAnswer;

/// The frame that confirms a CONNECT. `plain_id` is the `id` of a plain connect message.
pub(crate) fn connect_ok(
    link: &Link,
    socket: &Socket,
    plain_id: Option<String>,
    now: Now,
) -> Bytes {
    let id = socket.id;
    let mut members = format!(r#""sid":"{id}""#);
    if let Some(pid) = &socket.pid {
        members.push_str(&format!(r#","pid":"{pid}""#));
    }
    if link.shard.server.options.connect_answer == ConnectAnswer::Full {
        let caller = link.connection.caller();
        let nonce = caller.as_ref().map_or("", |caller| caller.nonce());
        let time = now.unix_ms;
        members.push_str(&format!(r#","conn":"{nonce}","server_time":{time}"#));
        let withheld = withheld_roles(&link.shard, &link.connection);
        if !withheld.is_empty() {
            let names = serde_json::Value::from(withheld);
            members.push_str(&format!(r#","roles_withheld":{names}"#));
        }
    }
    text_frame(&match link.connection.form {
        Form::SocketIo | Form::Engine => {
            socketio::connect_ok(socket.namespace.as_str(), &format!("{{{members}}}"))
        }
        Form::Plain => match plain_id {
            Some(id) => plain::plain_reply(&id, &format!(r#"{{"ok":true,{members}}}"#)),
            None => plain::plain_event("connect", &format!("{{{members}}}")),
        },
    })
}

/// The frame that rejects a CONNECT.
pub(crate) fn connect_error(
    link: &Link,
    namespace: &Namespace,
    plain_id: Option<String>,
    rejection: &Rejection,
) -> Bytes {
    text_frame(&match link.connection.form {
        Form::SocketIo | Form::Engine => {
            socketio::connect_error(namespace.as_str(), &rejection.connect_error())
        }
        Form::Plain => match plain_id {
            Some(id) => plain::plain_reply(&id, &rejection.reply()),
            None => plain::plain_event("connect_error", &rejection.connect_error()),
        },
    })
}

/// The frame that rejects a CONNECT to an unknown namespace.
pub(crate) fn unknown_namespace(link: &Link, name: &str, rejection: &Rejection) -> Bytes {
    let payload = match link.shard.server.options.connect_answer {
        ConnectAnswer::Bare => rejection.bare_error(),
        ConnectAnswer::Full => rejection.connect_error(),
    };
    text_frame(&socketio::connect_error(name, &payload))
}

/// Queues the reason of a denial that ends the connection, for each of its sockets.
pub(crate) fn queue_end_reason(
    link: &Link,
    denial: &Denial,
    last_event: Option<&'static str>,
    now: Now,
) {
    let is_panic = *denial == Denial::Internal("handler_panic");
    let event = last_event.filter(|_| is_panic);
    let rejection = link.reject(denial, event, now);
    let (connection, options) = (&link.connection, &link.shard.server.options);
    if let Denial::Draining | Denial::SlowConsumer | Denial::PingTimeout = denial {
        return;
    }
    for socket in connection.socket_list() {
        let error = || connection.event_text(&socket, "error", &rejection.error_event(None));
        let text = match (denial, connection.form) {
            (Denial::SessionEnded("barred"), Form::SocketIo | Form::Engine) => {
                // A DISCONNECT has no text, and a barred user has to learn the reason.
                connection.queue_last(text_frame(&error()), options);
                socketio::disconnect(socket.namespace.as_str())
            }
            (Denial::SessionEnded(_), Form::SocketIo | Form::Engine) => {
                socketio::disconnect(socket.namespace.as_str())
            }
            (_, Form::SocketIo | Form::Engine | Form::Plain) => error(),
        };
        connection.queue_last(text_frame(&text), options);
    }
}

fn text_frame(text: &str) -> Bytes {
    frame(Opcode::Text, text.as_bytes())
}
