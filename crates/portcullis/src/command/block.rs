//! `portcullis block …`: lists, adds and removes blocks of networks.
//! Never: a block without a reason or an end, or of the operator's own machines.

use anyhow::{Context, Result, bail};
use clap::{Subcommand, ValueEnum};
use portcullis_audit::utc;
use portcullis_guard::{BlockFault, BlockRules, BlockedNetwork};
use portcullis_model::BlockScope;
use portcullis_model::limits::{BLOCK_MAX_S, BLOCKS_MAX, REASON_CHARS};
use portcullis_store::{BlockRow, BlockStore, PutBlockOutcome};

use super::installation::Installation;
use super::user::read_time;
use crate::output::outln;
use crate::start::wiring::block_on;

/// `portcullis block …`; PREFIX is an address or a network such as 203.0.113.0/24.
#[derive(Debug, Subcommand)]
pub(crate) enum BlockCommand {
    /// Lists the blocks that have not ended.
    List,
    /// Blocks a network until its block ends.
    Add {
        prefix: String,
        /// A duration of at most 30d: a number and s, m, h or d, such as 24h.
        #[arg(long = "for", value_name = "TIME", value_parser = read_time, default_value = "1h")]
        lasting_ms: i64,
        /// The clients that are rejected.
        #[arg(long, value_enum, default_value_t = ScopeName::Unauthenticated)]
        scope: ScopeName,
        /// The reason for the record, of 3 to 200 characters.
        #[arg(long, value_parser = read_reason)]
        reason: String,
    },
    /// Removes the block of a network before its end.
    Remove { prefix: String },
}

/// The clients that a block rejects.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum ScopeName {
    /// Clients without a user and without an admission token.
    Unauthenticated,
    /// All clients, also signed-in users.
    All,
}

impl ScopeName {
    fn scope(self) -> BlockScope {
        match self {
            Self::Unauthenticated => BlockScope::Unauthenticated,
            Self::All => BlockScope::All,
        }
    }
}

/// Runs the command.
pub(super) fn run(installation: &Installation, command: &BlockCommand) -> Result<()> {
    let (beside, _) = installation.open()?;
    let now_unix_ms = installation.now().unix_ms;
    match command {
        BlockCommand::List => {
            for block in block_on(beside.list_blocks(now_unix_ms))?? {
                outln!("{}", line(&block))?;
            }
        }
        BlockCommand::Add { prefix, lasting_ms, scope, reason } => {
            if lasting_ms.unsigned_abs() > BLOCK_MAX_S * 1_000 {
                bail!("--for is longer than 30d: block the network again when the block has ended");
            }
            let prefix = checked(installation, prefix)?.to_string();
            let block = BlockRow {
                prefix,
                scope: scope.scope(),
                reason: reason.clone(),
                by: String::from("command line"),
                created_unix_ms: now_unix_ms,
                until_unix_ms: now_unix_ms.saturating_add(*lasting_ms),
            };
            let line = line(&block);
            match block_on(beside.put_block(block))?? {
                PutBlockOutcome::Stored => outln!("{line}")?,
                PutBlockOutcome::Full => bail!(
                    "{BLOCKS_MAX} networks are blocked, which is the limit: remove some blocks, \
                     or block wider networks"
                ),
            }
        }
        BlockCommand::Remove { prefix } => {
            let network = removable(prefix)?.to_string();
            if !block_on(beside.remove_block(&network))?? {
                bail!("{network} is not blocked: see portcullis block list");
            }
            outln!("{network}: block removed")?;
        }
    }
    Ok(())
}

/// Reads a network whose block is removed.
fn removable(prefix: &str) -> Result<BlockedNetwork> {
    match BlockedNetwork::parse(prefix) {
        // Such a network cannot be blocked.
        Err(BlockFault::TooWide | BlockFault::Loopback) => {
            bail!("{prefix} is not blocked: see portcullis block list")
        }
        read => read.with_context(|| format!("cannot unblock {prefix:?}")),
    }
}

/// Checks that the network can be blocked on this server.
fn checked(installation: &Installation, prefix: &str) -> Result<BlockedNetwork> {
    let settings = &installation.settings;
    let network =
        BlockedNetwork::parse(prefix).with_context(|| format!("cannot block {prefix:?}"))?;
    let private = settings.server.private.map(|address| address.ip());
    let rules = BlockRules::new(&settings.gate.proxies, private)?;
    rules.check(network, None).with_context(|| format!("cannot block {prefix:?}"))?;
    Ok(network)
}

fn line(block: &BlockRow) -> String {
    format!(
        "{}  {}  until {}  {:?}",
        block.prefix,
        block.scope.name(),
        utc(block.until_unix_ms),
        block.reason,
    )
}

/// A reason: one line of 3 to 200 characters.
pub(super) fn read_reason(text: &str) -> Result<String, String> {
    let count = text.trim().chars().count();
    let is_line = !text.chars().any(char::is_control);
    if is_line && REASON_CHARS.contains(&count) {
        return Ok(String::from(text.trim()));
    }
    Err(String::from("write one line of 3 to 200 characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_that_cannot_be_blocked_is_not_blocked() {
        for (prefix, expect) in [
            ("10.0.0.0/8", "10.0.0.0/8 is not blocked"),
            ("127.0.0.1", "127.0.0.1 is not blocked"),
            ("x", "cannot unblock \"x\""),
            ("203.0.113.1/24", "cannot unblock \"203.0.113.1/24\""),
        ] {
            let error = removable(prefix).unwrap_err().to_string();
            assert!(error.starts_with(expect), "{error}");
        }
        assert_eq!(removable("203.0.113.0/24").unwrap().to_string(), "203.0.113.0/24");
    }
}
