//! The task of a connection: it reads, dispatches packets, polls the running job, and closes.
//! Never: the handling of an event or of a CONNECT.

pub(crate) mod connection_task; // write, poll the job, read, close
pub(crate) mod input; // input that was read and not handled
pub(crate) mod backlog; // bytes that wait for the end of a job
pub(crate) mod reading; // reading from a WebSocket
pub(crate) mod polled_input; // packets of long-polling, and the switch to a WebSocket
pub(crate) mod inbound; // bytes become a closed list of packets
pub(crate) mod partial_packet; // a packet whose attachments are missing
pub(crate) mod dispatch; // dispatches each packet
pub(crate) mod progress; // how long the input has waited
pub(crate) mod pause; // pauses in reading above a rate
pub(crate) mod closing; // the end of a connection
