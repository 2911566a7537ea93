//! Servers under test: configuration, process, records, metrics.
//! Never: a server in the process of the test.

pub(crate) mod config; // its configuration
pub(crate) mod server; // the real binary, started and stopped
pub(crate) mod log; // its security records
pub(crate) mod gauges; // gauges of a server
pub(crate) mod example; // an example server, started and stopped
mod preload; // a library that stands for a part of the machine
pub(crate) mod stalled_disk; // a disk that hangs
pub(crate) mod other_disk; // a folder that is another disk, and can be full
pub(crate) mod shifted_clock; // a clock of a server that a test moves
pub(crate) mod earlier_schema; // databases of earlier versions
