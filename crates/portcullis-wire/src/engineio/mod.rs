//! Engine.IO v4, server side: packets, polling payloads, request parameters and sessions.
//! Never: sockets or clocks.

mod packet; // one packet
mod polling; // payloads of long-polling
mod open; // the packet that opens a session
mod parameters; // the query of a request
mod session; // heartbeat and CONNECT deadline of a session
#[cfg(test)]
mod tests; // packets, payloads and queries

pub use open::{OpenOptions, open_packet};
pub use packet::{EnginePacket, decode};
pub use parameters::{BinaryForm, EngineTransport, ParameterFault, Parameters, read_parameters};
pub use polling::{
    PolledPacket, SEPARATOR, check_polled, decode_polled, push_polled, push_polled_binary,
    split_polled,
};
pub use session::{Due, Expiry, Session, SessionEvent, SessionFault, SessionOptions};
