//! Rates, capacities and the requests that count toward them.
//! Never: await, sockets; the decision which client is admitted.

pub(crate) mod limiter; // every rate and capacity, enforced or in observe mode
pub(crate) mod event_rates; // the rates of single events
pub(crate) mod explain; // limits explained and cleared
pub(crate) mod attempt; // the attempts that limits count
pub(crate) mod refund; // refunds to the address of a user
pub(crate) mod login; // passwords, one-time codes, tickets
pub(crate) mod observe; // limits in observe mode
pub(crate) mod tls_class; // rate classes of TLS handshakes
pub(crate) mod messages; // events and bytes
pub(crate) mod packets; // namespaces and signature checks
pub(crate) mod connection_usage; // the usage of one connection
pub(crate) mod load_limits; // limits by the load of the server
pub(crate) mod trace; // the trace of attempts that limits counted
pub(crate) mod trace_simulation; // limits applied to a trace
