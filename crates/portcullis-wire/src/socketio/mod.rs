//! Socket.IO v5 packets, default parser.
//! Never: looks inside the JSON further than its first string.

mod packet; // bytes of a client to packets
mod event_name; // names of events
mod encode; // packets of the server
#[cfg(test)]
mod tests; // packets of clients and of the server

pub use encode::{
    EventHead, ack, ack_with, connect_error, connect_ok, disconnect, event, event_with,
};
pub use event_name::{event_name, is_reserved};
pub use packet::{SocketPacket, decode_socket};

pub use crate::packet_fault::PacketFault;
