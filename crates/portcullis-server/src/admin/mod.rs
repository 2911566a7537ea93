//! The private listener: health, readiness, metrics, operators' requests.
//! Never: clients of the product.

pub(crate) mod private; // health, readiness, metrics for operators
pub(crate) mod private_connections; // the open connections of a private listener
pub(crate) mod listen; // the listeners of operators and probes
pub(crate) mod host; // the names of the private listener
pub(crate) mod operator_access; // the key of operators' programs
pub(crate) mod limit_view; // limits as JSON
pub(crate) mod private_route; // operations of the product for operators
pub(crate) mod readiness; // the answer of `/ready`
pub(crate) mod metric_labels; // the labels of metrics
pub(crate) mod metrics; // counters and gauges
pub(crate) mod alert_metrics; // counts of the alert engine
pub(crate) mod time_metrics; // times of handlers and deliveries
pub(crate) mod process_metrics; // this process, under the standard names
pub(crate) mod product_metrics; // metrics of the product
