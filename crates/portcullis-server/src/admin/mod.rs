//! The private listener: health, readiness, metrics, operators' requests.
//! Never: clients of the product.

pub(crate) mod private; // health, readiness, metrics for operators
pub(crate) mod visits; // the open connections of a private listener
pub(crate) mod listen; // the listeners of operators and probes
pub(crate) mod host; // under which names operators ask
pub(crate) mod requests; // what operators read and change there
pub(crate) mod readiness; // what `/ready` reports
pub(crate) mod metrics; // counters
