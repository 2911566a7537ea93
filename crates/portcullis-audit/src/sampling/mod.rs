//! Which records of rejected requests are kept; the others are counted.
//! Never: sampling of operations that took effect.

pub(crate) mod sampler; // the decision per record; a table for each group
pub(crate) mod source_table; // kept and suppressed records per kind and source
pub(crate) mod line_budget; // lines that a group can write in a second
pub(crate) mod byte_budget; // bytes that a group can write in a day
