//! `portcullis access`: the table of events, and the roles that can send them.
//! Never: a started server, or a change in the data directory.

use std::path::PathBuf;

use anyhow::{Context, Result};
use portcullis_guard::{Access, Action};
use portcullis_server::random_id;

use super::installation::Installation;
use crate::config::Settings;
use crate::output::outln;
use crate::start::preparation::prepare_directory;
use crate::start::wiring::{self, Route};

/// Prints the table in Markdown.
pub(super) fn run(installation: &Installation) -> Result<()> {
    let (actions, routes) = actions(&installation.settings)?;
    outln!("{}", table(actions).trim_end())?;
    outln!("\n| request |\n|---|")?;
    for (method, path) in routes {
        outln!("| {} {path} |", method.name())?;
    }
    Ok(())
}

/// All events and routes of a server with this configuration. The data directory is not changed.
///
/// # Errors
/// When `serve` would reject the configuration.
pub(super) fn actions(settings: &Settings) -> Result<(Vec<Action>, Vec<Route>)> {
    let scratch = ScratchDirectory::new()?;
    wiring::actions(settings.clone(), &scratch.0)
}

/// A temporary directory, which is removed when this is dropped.
struct ScratchDirectory(PathBuf);

impl ScratchDirectory {
    fn new() -> Result<Self> {
        let name = random_id::<12>().ok().context("the system returned no random bytes")?;
        let at = |folder: PathBuf| folder.join(format!("portcullis-access-{name}"));
        // TMPDIR can be a directory of the caller alone.
        let (path, shared) = (at(std::env::temp_dir()), at(PathBuf::from("/tmp")));
        prepare_directory(&path).map(|()| Self(path)).or_else(|error| {
            prepare_directory(&shared).map_err(|_| error)?;
            Ok(Self(shared))
        })
    }
}

impl Drop for ScratchDirectory {
    fn drop(&mut self) {
        // If this fails, empty tables and unused keys stay.
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

fn table(mut actions: Vec<Action>) -> String {
    actions.sort_by(|one, other| (&one.namespace, one.event).cmp(&(&other.namespace, other.event)));
    let mut text = String::from(
        "| namespace | event | any of these roles | and in the room | or instead | a copy |\n\
         |---|---|---|---|---|---|\n",
    );
    for action in actions {
        let namespace = if action.namespace.is_empty() { "every" } else { &action.namespace };
        let (relation, instead) = (relation(action.access), action.anywhere.join(" "));
        let instead = if instead.is_empty() { "-" } else { &instead };
        text.push_str(&format!(
            "| {namespace} | {} | {} | {relation} | {instead} | {} |\n",
            action.event,
            action.roles.join(" "),
            action.replay.name(),
        ));
    }
    text
}

fn relation(access: Access) -> &'static str {
    match access {
        Access::User | Access::Role(_) => "-",
        Access::Joinable => "public, invited or member; not barred",
        Access::Member => "member",
        Access::Owner | Access::OwnerOr(_) => "owner",
    }
}
