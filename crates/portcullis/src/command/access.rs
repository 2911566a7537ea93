//! `portcullis access`: the table of who may do what, as the server would have it.
//! Never: a server started, or anything touched in the data directory.

use std::path::PathBuf;

use anyhow::{Context, Result};
use portcullis_guard::{Access, Action};
use portcullis_server::random_id;

use super::Installation;
use crate::config::Settings;
use crate::output::outln;
use crate::start::machine::prepare_directory;
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

/// Every event and route of a server of this configuration. Nothing is served, and the data
/// directory is not touched; a configuration that `serve` would reject is an error.
pub(super) fn actions(settings: &Settings) -> Result<(Vec<Action>, Vec<Route>)> {
    let scratch = Scratch::new()?;
    wiring::actions(settings.clone(), &scratch.0)
}

/// A directory that is gone when this is.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let name = random_id::<12>().ok().context("the machine gives no randomness")?;
        let path = std::env::temp_dir().join(format!("portcullis-access-{name}"));
        prepare_directory(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is empty tables and keys nobody uses.
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
