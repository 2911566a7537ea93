//! Frames, packets, attachments and compression.
//! Never: a sleep; every wait has a deadline.

mod frames; // exact bounds, floods, every bad text
mod texts; // text that is not UTF-8
mod packets; // numbers, payloads, namespaces left
mod binary; // attachments
mod acknowledgements; // answers to requests of the server
mod compression; // permessage-deflate, if it is enabled
