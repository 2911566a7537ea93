//! `portcullis alert`: the channels of alerts.
//! Never: a URL or a secret of a channel in the output.

use anyhow::{Result, bail};
use clap::Subcommand;
use portcullis_admin::{send_monitor_trial, send_trial};

use super::installation::Installation;
use crate::config::Receiver;
use crate::output::outln;
use crate::start::wiring::block_on;

/// `portcullis alert …`.
#[derive(Debug, Subcommand)]
pub(crate) enum AlertCommand {
    /// Sends a test alert to each channel and prints the results; the server does not need to run.
    Test,
}

/// Runs the command.
pub(super) fn run(installation: &Installation, command: &AlertCommand) -> Result<()> {
    match command {
        AlertCommand::Test => test(installation),
    }
}

fn test(installation: &Installation) -> Result<()> {
    let channels = &installation.settings.audit.alert.channels;
    if channels.is_empty() {
        bail!("there is no channel: add [[alert.channel]] to the configuration");
    }
    let mut failed = 0;
    for channel in channels {
        let now = installation.now();
        let result = match &channel.receiver {
            Receiver::Channel(channel) => block_on(send_trial(channel, now))?,
            Receiver::Monitor(monitor) => block_on(send_monitor_trial(monitor, now))?,
        };
        match result.fault {
            None => outln!("{}: delivered", result.channel)?,
            Some(fault) => {
                failed += 1;
                outln!("{}: failed: {fault}", result.channel)?;
            }
        }
    }
    if failed > 0 {
        bail!("{failed} of {} channels failed", channels.len());
    }
    Ok(())
}
