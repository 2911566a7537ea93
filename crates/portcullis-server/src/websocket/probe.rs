//! A WebSocket that takes over a long-polling session: probe, answer, switch.
//! Never: an error that affects the session; an error ends only this WebSocket.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use portcullis_model::Denial;
use portcullis_wire::engineio::BinaryForm;
use portcullis_wire::websocket::{Decoder, Message, Opcode, close_frame, frame};
use tokio::time::timeout;

use crate::connection::state::Connection;
use crate::http::connection::HttpConnection;
use crate::http::http_stream::HttpStream;
use crate::polling::transport::{CloseNotice, Handover, Polling, ProbeState};
use crate::rejection::{RejectionSource, reject};
use crate::websocket::compression::Compression;
use crate::websocket::control_rate::ControlRate;
use crate::websocket::frames::{decode, frame_limits};

/// The longest message; the longest packet of a probe is `2probe`.
const PROBE_MAX_BYTES: u32 = 64;
/// The bytes that a client may send until it switches, with the permitted pings.
const PROBING_MAX_BYTES: usize = 8 * 1024;

/// The next input of a client.
enum ProbeInput {
    Probe,
    Switch,
    Ping(Bytes),
    /// Invalid input and its denial.
    Invalid(Denial),
    Gone,
}

struct ProbeRun {
    http: HttpConnection,
    connection: Rc<Connection>,
    decoder: Decoder,
    compression: Compression,
    control: ControlRate,
    received_bytes: usize,
}

/// The permission to probe; one WebSocket at a time has it.
struct ProbePermission(Rc<Connection>);

impl ProbePermission {
    /// Takes the permission, unless another WebSocket has it.
    fn take(connection: &Rc<Connection>) -> Option<Self> {
        let free = connection.with_polling(|polling| {
            let free = polling.probe == ProbeState::None && polling.handover.is_none();
            if free {
                polling.probe = ProbeState::Silent;
            }
            free
        });
        free.unwrap_or(false).then(|| Self(Rc::clone(connection)))
    }
}

impl Drop for ProbePermission {
    fn drop(&mut self) {
        self.0.with_polling(|polling: &mut Polling| polling.probe = ProbeState::None);
    }
}

/// Runs the probe on a WebSocket that was just accepted.
pub(crate) async fn run(
    http: HttpConnection,
    connection: Rc<Connection>,
    compression: Compression,
    binary: BinaryForm,
) {
    let Some(permission) = ProbePermission::take(&connection) else {
        return close(http).await;
    };
    let deadline = Duration::from_millis(http.shard.server.options.connect_timeout_ms);
    let (decoder, session) = (Decoder::new(), Rc::clone(&connection));
    let (control, received_bytes) = (ControlRate::default(), 0);
    let mut probing =
        ProbeRun { http, connection: session, decoder, compression, control, received_bytes };
    let switched = timeout(deadline, probing.run()).await.unwrap_or(false);
    let ProbeRun { mut http, .. } = probing;
    if switched && connection.is_ending() {
        write_last_packets(&mut http, &connection).await;
    }
    if !switched || connection.is_ending() {
        drop(permission);
        return close(http).await;
    }
    let HttpConnection { io: HttpStream { stream, buffer: rest }, .. } = http;
    connection.with_polling(|polling| {
        polling.handover = Some(Handover { stream, rest, compression, binary });
    });
    drop(permission);
    connection.wake();
}

impl ProbeRun {
    /// Returns whether the client switches.
    async fn run(&mut self) -> bool {
        let mut probed = false;
        loop {
            match self.next().await {
                ProbeInput::Probe if !probed => {
                    probed = true;
                    if !self.http.io.write_all(frame(Opcode::Text, b"3probe")).await {
                        return false;
                    }
                    // The client waits for its poll to end before it switches.
                    self.connection.with_polling(|polling| {
                        polling.probe = ProbeState::Answered;
                        polling.wake_poller();
                    });
                }
                ProbeInput::Switch if probed => return true,
                ProbeInput::Ping(payload) => {
                    if !self.http.io.write_all(frame(Opcode::Pong, &payload)).await {
                        return false;
                    }
                }
                ProbeInput::Probe | ProbeInput::Switch => {
                    return self.reject(&Denial::Packet("probe"));
                }
                ProbeInput::Invalid(denial) => return self.reject(&denial),
                ProbeInput::Gone => return false,
            }
        }
    }

    /// Records why this WebSocket is closed; the session is not affected.
    fn reject(&self, denial: &Denial) -> bool {
        let shard = &self.http.shard;
        let source = RejectionSource { http: false, ..self.http.client.rejection_source() };
        let _recorded = reject(shard, denial, &source, shard.now());
        false
    }

    async fn next(&mut self) -> ProbeInput {
        let assembly_timeout_ms = self.http.shard.server.options.assembly_timeout_ms;
        let limits = frame_limits(PROBE_MAX_BYTES, assembly_timeout_ms);
        loop {
            while !self.http.io.buffer.is_empty() {
                let now = self.http.shard.now();
                let now_ms = now.monotonic_ms;
                let shard = Rc::clone(&self.http.shard);
                let mut inflater = shard.buffers.inflater.borrow_mut();
                let (decoder, buffer) = (&mut self.decoder, &mut self.http.io.buffer);
                let lent = match self.compression {
                    Compression::None => None,
                    Compression::Inbound | Compression::Both => Some(&mut *inflater),
                };
                let step = match decode(decoder, buffer, &limits, now_ms, lent) {
                    Ok(step) => step,
                    Err(denial) => return ProbeInput::Invalid(denial),
                };
                let consumed = step.consumed;
                self.received_bytes += consumed;
                let control = &mut self.control;
                let input = step.message.map(|message| match message {
                    Message::Text("2probe") => ProbeInput::Probe,
                    Message::Text("5") => ProbeInput::Switch,
                    Message::Ping(payload) => match control.take(now) {
                        Ok(()) => ProbeInput::Ping(Bytes::copy_from_slice(payload)),
                        Err(denial) => ProbeInput::Invalid(denial),
                    },
                    Message::Close(_) => ProbeInput::Gone,
                    Message::Pong(_) | Message::Text(_) | Message::Binary(_) => {
                        ProbeInput::Invalid(Denial::Packet("probe"))
                    }
                });
                drop(inflater);
                self.http.io.buffer.drain(..consumed);
                if self.received_bytes > PROBING_MAX_BYTES {
                    return ProbeInput::Invalid(Denial::PreAuthBudget);
                }
                if let Some(input) = input {
                    return input;
                }
            }
            if self.http.io.read_more(&self.http.shard).await.is_err() {
                return ProbeInput::Gone;
            }
        }
    }
}

/// Sends the last packets of a session that ended during the switch.
async fn write_last_packets(http: &mut HttpConnection, connection: &Connection) {
    let mut last = Vec::new();
    while let Some(frame) = connection.pop() {
        last.extend_from_slice(&frame);
    }
    connection.with_polling(|polling| polling.close_notice = CloseNotice::Sent);
    connection.wake();
    let deadline = Duration::from_millis(http.shard.server.options.close_timeout_ms);
    let _written = timeout(deadline, http.io.write_all(last.into())).await;
}

/// Closes a WebSocket that does not take over.
async fn close(mut http: HttpConnection) {
    let deadline = Duration::from_millis(http.shard.server.options.close_timeout_ms);
    let _written = timeout(deadline, http.io.write_all(close_frame(1002, ""))).await;
    let waited = poll_fn(|context| http.io.stream.poll_shutdown(context));
    let _ended = timeout(deadline, waited).await;
    http.finish().await;
}
