//! Settings that are weaker than the default of the profile, and their report.
//! Never: a change of a setting.

pub(crate) mod rule; // the weaker values of a key
pub(crate) mod custom_rules; // rules that need more than one value
pub(crate) mod table; // the rule of every key
pub(crate) mod check; // the weakenings of settings
#[cfg(test)]
pub(crate) mod table_tests; // every key has a rule, every weakening is reported
