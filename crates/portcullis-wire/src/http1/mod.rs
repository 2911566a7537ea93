//! Strict HTTP/1.1 heads (RFC 9112): one reading of a request, or a rejection.
//! Never: a lenient reading that a proxy in front of us could see differently.

mod head; // a request head and its limits
mod parse; // bytes to a request head
mod target; // path, query and authority of a request
mod token; // tokens and list fields
mod upgrade; // the opening handshake of a WebSocket
mod response; // response heads
#[cfg(test)]
mod tests; // tables of request heads

pub use head::{FieldValue, Head, HeadFault, HeadLimits, Versions};
pub use parse::{head_end, parse_head, parse_head_of};
pub use response::write_response_head;
pub use upgrade::{UpgradeFault, UpgradeRequest, read_upgrade, wants_upgrade};
