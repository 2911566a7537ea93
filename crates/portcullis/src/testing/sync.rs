//! The event by which a test client waits until everything sent before has arrived.
//! Never: part of an application's own events.

use portcullis_guard::{Event, Rule};
use serde::Deserialize;

/// Event that the server sends in answer to [`Sync`], after everything it sent before.
pub(super) const SYNCED: &str = "portcullis.test:synced";

/// Event with which a client asks for [`SYNCED`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sync {}

impl Event for Sync {
    const NAME: &'static str = "portcullis.test:sync";
    const RULE: Rule = Rule { size_max_bytes: 128, ..Rule::DEFAULT };
}
