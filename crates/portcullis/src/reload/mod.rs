//! Reads the configuration again while the server runs, and applies what can change.
//! Never: a configuration that is applied in part, or a connection that ends because of it.

pub(crate) mod change; // which keys differ, and when a change takes effect
pub(crate) mod field_keys; // field keys that another process has changed
pub(crate) mod file_watch; // files that have changed
pub(crate) mod live; // keys that take effect at once
pub(crate) mod merge; // options of the gate from the old and the new configuration
pub(crate) mod reloader; // the reload
pub(crate) mod retry; // the wait after a reload that failed
#[cfg(test)]
mod tests; // every key of a configuration
