//! `portcullis room …`: lists and deletes rooms.
//! Never: messages; only members of a room can read them.

use anyhow::{Result, bail};
use clap::Subcommand;
use portcullis_audit::utc;
use portcullis_model::RoomId;
use portcullis_store::{DeleteRoomOutcome, LIST_MAX, RoomSummary, SqliteOperatorStore, Visibility};

use super::installation::Installation;
use crate::output::{counted, outln};

/// `portcullis room …`.
#[derive(Debug, Subcommand)]
pub(crate) enum RoomCommand {
    /// Lists all rooms, the oldest first.
    List {
        /// Lists only rooms whose name contains this text, in any case.
        #[arg(long, value_name = "TEXT")]
        search: Option<String>,
    },
    /// Deletes rooms with their members and messages.
    Delete {
        /// The ids of the rooms, from `room list`.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
}

/// Runs the command.
pub(super) fn run(installation: &Installation, command: &RoomCommand) -> Result<()> {
    let (beside, _) = installation.open()?;
    match command {
        RoomCommand::List { search } => list(&beside, search.as_deref()),
        RoomCommand::Delete { ids } => delete(&beside, ids),
    }
}

fn list(beside: &SqliteOperatorStore, search: Option<&str>) -> Result<()> {
    let search = search.map(str::to_lowercase);
    let mut skip = 0;
    loop {
        let rooms = beside.rooms(skip, LIST_MAX)?;
        if rooms.is_empty() {
            return Ok(());
        }
        skip += rooms.len() as u64;
        let is_wanted = |room: &&RoomSummary| {
            search.as_ref().is_none_or(|search| room.name.to_lowercase().contains(search))
        };
        for room in rooms.iter().filter(is_wanted) {
            outln!("{}", line(room))?;
        }
    }
}

fn delete(beside: &SqliteOperatorStore, ids: &[String]) -> Result<()> {
    let mut printed = Ok(());
    for id in ids {
        // The earlier rooms are deleted and printed. A closed output does not stop deletions.
        match RoomId::parse(id).map(|room| beside.delete_room(&room)) {
            Ok(Ok(DeleteRoomOutcome::Deleted)) => printed = printed.and(outln!("{id}: deleted")),
            Ok(Err(error)) => return Err(error.into()),
            Ok(Ok(DeleteRoomOutcome::Rejected)) | Err(_) => {
                bail!("there is no room {id:?}: portcullis room list shows all ids")
            }
        }
    }
    Ok(printed?)
}

/// A room in one line: id, name, visibility, owner, members, messages, activity.
fn line(room: &RoomSummary) -> String {
    let visibility = match room.visibility {
        Visibility::Public => "public",
        Visibility::Private => "private",
    };
    format!(
        "{}  {:?}  {visibility}  owner {:?}  {}  {}  active {}",
        room.id,
        room.name,
        room.owner,
        counted(room.members, "member"),
        counted(room.messages, "message"),
        utc(room.active_unix_ms),
    )
}
