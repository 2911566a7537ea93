//! Capacity planning: measured slopes, the facts of a machine, and what follows from both.
//! Never: a change of the machine or of the configuration.

pub(crate) mod figures; // the measured figures, each with the page that states it
pub(crate) mod slopes; // processor time and memory of each kind of work
pub(crate) mod own_slopes; // the same from the metrics of a running server
pub(crate) mod metrics_text; // reads the text of the metrics
pub(crate) mod machine; // processors, memory, files, ports, network, disk
pub(crate) mod caps; // limits of the configuration
pub(crate) mod workload; // the load to plan for
pub(crate) mod bound; // one bound, and the smallest of several
pub(crate) mod plan; // what the machine carries, and what a load needs
pub(crate) mod needs; // the machine and the settings that a load needs
pub(crate) mod report; // the plan as text
