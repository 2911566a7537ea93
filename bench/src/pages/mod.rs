//! Pages of the benchmark: tables, charts and verdicts.
//! Never: measurements.

pub(crate) mod results; // the results of one run
pub(crate) mod machine; // the place and time of the measurement
pub(crate) mod chart; // charts, written as SVG
pub(crate) mod report_tables; // tables and verdicts
pub(crate) mod report; // the page and its charts
