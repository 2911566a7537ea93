//! `portcullis alert digest`: sends the weekly digest now.
//! Never: a change of the day on which the server sends it.

use anyhow::{Context, Result, bail};
use portcullis_admin::{ReportFiles, digest_id, send_letter, write_digest};

use crate::command::installation::Installation;
use crate::config::Receiver;
use crate::output::outln;
use crate::start::files::output_files::AUDIT_REPORTS;
use crate::start::wiring::block_on;

/// Writes the digest and sends it by each mail channel.
pub(crate) fn run(installation: &Installation) -> Result<()> {
    let (settings, now) = (&installation.settings, installation.now());
    let reports = ReportFiles::new(settings.storage.data.join(AUDIT_REPORTS)).read();
    let report = reports.first();
    let note = report.and_then(|report| report.measures.verified_note.as_deref());
    let mut settled = settings.clone();
    settled.settle_anywhere();
    let host = settled.gate.hosts.first().cloned().unwrap_or_default();
    let log = &settings.audit.file;
    let letter = write_digest(&host, log, report, note, now)
        .with_context(|| format!("cannot read the security log {}", log.display()))?;
    let (mut sent, mut failed) = (0, 0);
    for channel in &settings.audit.alert.channels {
        let Receiver::Channel(options) = &channel.receiver else { continue };
        let result = block_on(send_letter(options, &digest_id(now), &letter, now))?;
        match result.map(|result| (result.channel, result.fault)) {
            None => {}
            Some((name, None)) => {
                sent += 1;
                outln!("{name}: delivered")?;
            }
            Some((name, Some(fault))) => {
                failed += 1;
                outln!("{name}: failed: {fault}")?;
            }
        }
    }
    match (sent, failed) {
        (0, 0) => bail!("no channel sends mails: add [[alert.channel]] with kind = \"mail\""),
        (_, 0) => Ok(()),
        (_, failed) => bail!("{failed} mail channels failed"),
    }
}
