//! Pages of the siege.
//! Never: measurements.

pub(crate) mod page; // the page and its charts
pub(crate) mod section; // the part of the page about one experiment
pub(crate) mod shared_section; // the part of the page about shared addresses
pub(crate) mod comparison; // the part of the page with and without alerts
pub(crate) mod ablation; // the part of the page with and without priorities
