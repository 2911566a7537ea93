//! Runs the engine: its thread, its state file, and the handle of the other parts.
//! Never: a wait for the disk on the thread that sends alerts.

pub(crate) mod alerts; // the handle, and the state that the threads share
pub(crate) mod thread; // four turns a second, restarted after a panic
pub(crate) mod log_watch; // faults of the log that no record reports
pub(crate) mod records; // alerts as records of the log
pub(crate) mod sequences; // the numbers of the lines of records
pub(crate) mod codec; // the state as text
pub(crate) mod codec_incident; // one alert as a line
pub(crate) mod state_file; // the state on the disk
mod replacement; // other rules while the engine runs
#[cfg(test)]
mod tests; // the engine behind a real log
