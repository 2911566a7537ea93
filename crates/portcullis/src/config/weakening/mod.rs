//! Settings that are weaker than the default of the profile, and their report.
//! Never: a change of a setting.

pub(crate) mod check; // values in force that are weaker than the profile's default
pub(crate) mod table; // every key, and which of its values are weaker
pub(crate) mod judges; // decisions that need more than one value
#[cfg(test)]
pub(crate) mod table_tests; // every key is classified, every weakening is named
