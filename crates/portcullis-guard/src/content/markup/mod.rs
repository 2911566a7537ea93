//! Formatting in text, without anything that can run.
//! Never: spam rules.

pub(crate) mod formatting; // safe formatting
pub(crate) mod escape; // formatting among text that is shown as written
pub(crate) mod tags; // which `<` is a tag, where markup is removed
pub(crate) mod attributes; // the attributes of a tag
pub(crate) mod code; // code between backticks
pub(crate) mod active; // markup that would run as a script
