//! The table of permissions: each declared event, and the roles that may send it.
//! Never: a decision; the table is for operators.

use crate::authorization::event::{Access, Replay};
use crate::tables::rate::Rate;

/// A declared event and the roles that may send it: a row of the table of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The namespace, a name or a pattern.
    pub namespace: String,
    /// The event.
    pub event: &'static str,
    /// The relation to the room that it requires.
    pub access: Access,
    /// Roles that may send it.
    pub roles: Vec<String>,
    /// Roles that need no relation to the room.
    pub anywhere: Vec<String>,
    /// How a copy is recognized.
    pub replay: Replay,
    /// The rate of one user for this event, if it has one.
    pub rate: Option<Rate>,
    /// The same without the operator's options.
    pub usual: UsualAction,
}

/// The declaration of an event under the profile, before `[access]`, `[replay]` and `[rate]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsualAction {
    /// Users with one of these roles may send it.
    pub roles: Vec<String>,
    /// The identification of copies.
    pub replay: Replay,
    /// The rate of one user for this event, if it has one.
    pub rate: Option<Rate>,
}
