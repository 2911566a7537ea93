//! Pages of the siege.
//! Never: measurements.

pub(crate) mod page; // the page and its charts
pub(crate) mod section; // a part of it: one experiment
pub(crate) mod shared_section; // a part of the page about them
pub(crate) mod ablation; // another: with and without priorities
