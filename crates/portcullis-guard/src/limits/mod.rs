//! Rates, capacities and what counts toward them.
//! Never: await, sockets; who is admitted.

pub(crate) mod limiter; // the operator's limits: taken, observed, explained, lifted
pub(crate) mod explain; // the operator's look at them
pub(crate) mod attempt; // what limits count, as it can be written down
pub(crate) mod refund; // connections, and how many there can be
pub(crate) mod login; // how often somebody may try to log in
pub(crate) mod observe; // which of them only count
pub(crate) mod tls_class; // TLS handshakes, and whose count together
pub(crate) mod messages; // events and bytes
pub(crate) mod packets; // namespaces and signature checks
pub(crate) mod connection_usage; // what one connection has used
pub(crate) mod load_limits; // limits by the load of the server
pub(crate) mod trace; // the trace of what limits count
