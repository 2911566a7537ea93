//! The engine: notes in, alerts out; pure, with time and randomness as arguments.
//! Never: I/O; `run/` has the thread and the file.

pub(crate) mod evaluation; // rules over notes
pub(crate) mod counters; // tables of all triggers
pub(crate) mod incidents; // open alerts by key
pub(crate) mod turn; // the messages of a turn, four times a second
pub(crate) mod control; // acknowledgements, silences, reports of other parts
#[cfg(test)]
mod tests; // rules from records to alerts
#[cfg(test)]
mod hostile_tests; // floods, storms, restarts
