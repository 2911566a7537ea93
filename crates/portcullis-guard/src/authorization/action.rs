//! The table of permissions: each declared event, and who may send it.
//! Never: a decision; the table is for operators.

use crate::authorization::event::{Access, Replay};
use crate::tables::rate::Rate;

/// A declared event and who may send it: one row of the table of permissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// The namespace, a name or a pattern.
    pub namespace: String,
    /// The event.
    pub event: &'static str,
    /// What relation to the room it asks for.
    pub access: Access,
    /// Who holds one of these roles may send it at all.
    pub roles: Vec<String>,
    /// Who holds one of these needs no relation to the room.
    pub anywhere: Vec<String>,
    /// What a second copy is told by.
    pub replay: Replay,
    /// How often one user may send it, if that is limited by itself.
    pub rate: Option<Rate>,
    /// The same without the operator's options.
    pub usual: UsualAction,
}

/// What an event declares under the profile, before `[access]`, `[replay]` and `[rate]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsualAction {
    /// Users with one of these roles may send it.
    pub roles: Vec<String>,
    /// What a copy is recognized by.
    pub replay: Replay,
    /// How often one user may send it, if that is limited by itself.
    pub rate: Option<Rate>,
}
