//! The results of one run of the benchmark.
//! Never: figures of another run.

use std::collections::BTreeMap;

use crate::rows::compare::Comparison;
use crate::rows::effort::Effort;
use crate::rows::growth::Growth;
use crate::rows::sample::Sample;
use crate::rows::work::Own;

/// Everything one run found out.
pub(crate) struct Results {
    pub(crate) effort: Effort,
    pub(crate) comparisons: Vec<Comparison>,
    pub(crate) own: Vec<(Own, Sample)>,
    pub(crate) growths: Vec<Growth>,
    /// Servers that were not measured, and why.
    pub(crate) left_out: BTreeMap<&'static str, String>,
    /// Rows of our own server that could not be measured, and why.
    pub(crate) failed: Vec<String>,
}
