//! D7: verifies what is new in the security log since the last report.
//! Never: a proof against who owns the machine; the keys are those of the data directory.

use std::io::ErrorKind;

use portcullis_admin::{AuditMeasures, CheckBuilder};
use portcullis_audit::{
    ProofGap, SignedNote, VerifyOptions, VerifyReport, root_keys, verify_log_since,
};

use crate::doctor::examination::Examination;
use crate::start::files::output_files::CHAIN_CERTIFICATES;

/// A server that runs for so long has signed a note in the last minutes.
const NOTES_AFTER_MS: u64 = 300_000;

/// The remedy for a log that may have been changed.
const REMEDY: &str = "keep a copy of the files; run portcullis audit verify with the keys that \
                      you keep elsewhere; see the runbook, alert A13";

/// Verifies the log from the newest verified note on.
pub(in crate::doctor) fn check(
    examination: &Examination<'_>,
    check: &mut CheckBuilder,
    measures: &mut AuditMeasures,
) {
    let settings = examination.settings;
    let former = examination.former().and_then(|former| former.verified_note.clone());
    measures.verified_note.clone_from(&former);
    let path = settings.storage.data.join(CHAIN_CERTIFICATES);
    let certificates = match std::fs::read_to_string(&path) {
        Ok(certificates) => certificates,
        Err(error) if error.kind() == ErrorKind::NotFound && former.is_some() => {
            let found = format!("{} was removed: it was there at the last audit", path.display());
            check.alarm("keys", found, "restore the file from a copy that you trust");
            return;
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            check.skip("the security log has no signing keys yet: the server was never started");
            return;
        }
        Err(error) => {
            let found = format!("{} cannot be read: {error}", path.display());
            check.alarm("keys", found, "restore the file from a copy that you trust");
            return;
        }
    };
    let keys = root_keys(&certificates);
    let newest = keys.last().map(|key| String::from(key.name()));
    let verified = former.and_then(|text| text.parse::<SignedNote>().ok());
    let had_log = verified.is_some();
    // Another log began since: it is verified from its start.
    let note = verified.filter(|signed| Some(&signed.note.name) == newest.as_ref());
    if had_log && note.is_none() {
        let found = "another security log began since the last audit: nothing proves the end of \
                     the former one";
        check.alarm("other log", found, REMEDY);
    }
    let runs = examination.facts().is_some_and(|facts| facts.uptime_ms > NOTES_AFTER_MS);
    let since = note.as_ref().map_or(0, |signed| signed.note.sequence);
    let options = VerifyOptions {
        keys,
        note,
        now_unix_ms: runs.then_some(examination.now.unix_ms),
        certificates,
    };
    match verify_log_since(&settings.audit.file, options, since) {
        Ok(Some(report)) => judge(&report, since, check, measures),
        Ok(None) if had_log => {
            let found = "the security log was removed: it was there at the last audit";
            check.alarm("removed", found, REMEDY);
        }
        Ok(None) => check.skip("there is no security log yet"),
        Err(error) => check.skip(format!("{error}: {}", error.source)),
    }
}

fn judge(
    report: &VerifyReport,
    since: u64,
    check: &mut CheckBuilder,
    measures: &mut AuditMeasures,
) {
    if let Some(first) = report.findings().first() {
        let more = report.findings_count() - 1;
        let found = format!("the security log was changed: {first}; {more} more findings");
        check.alarm("changed", found, REMEDY);
        return;
    }
    let gaps = report.undecided.iter().filter(|gap| !is_expected(gap, since, report.range));
    let mut has_gap = false;
    for gap in gaps {
        has_gap = true;
        let name = match gap {
            ProofGap::OldNote(_) => "old note",
            ProofGap::NoNote => "no note",
            ProofGap::NoChain => "no chain",
            ProofGap::NoKey | ProofGap::OtherKey(_) | ProofGap::ForeignNote => "keys",
            ProofGap::FileMissing(..) => "missing",
            ProofGap::NoteNotReached(_) => "note",
        };
        let found = format!("it cannot be said whether the security log is complete: {gap}");
        check.warn(name, found, REMEDY);
    }
    if !has_gap {
        measures.verified_note = report.newest_note.as_ref().map(ToString::to_string);
        let (first, last) = report.range.unwrap_or_default();
        let from = first.max(since);
        check.fact(format!("lines {from} to {last} are as they were written, by the keys here"));
    }
}

/// Gaps up to the line of the former note, which was verified; retention may have removed them.
fn is_expected(gap: &ProofGap, since: u64, range: Option<(u64, u64)>) -> bool {
    match gap {
        ProofGap::FileMissing(lines, None) => *lines.start() == 1 && *lines.end() <= since,
        // Removals of later lines are recorded, or they are a gap of their own.
        ProofGap::NoteNotReached(_) => range.is_some_and(|(first, _)| first > since),
        ProofGap::FileMissing(_, Some(_))
        | ProofGap::NoChain
        | ProofGap::NoKey
        | ProofGap::OtherKey(_)
        | ProofGap::NoNote
        | ProofGap::OldNote(_)
        | ProofGap::ForeignNote => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gaps_up_to_the_verified_note_are_expected() {
        let missing = |first, last| ProofGap::FileMissing(first..=last, None);
        for (gap, since, range, expect) in [
            (missing(1, 99), 100, Some((100, 200)), true),
            (missing(1, 100), 100, Some((101, 200)), true),
            (missing(1, 101), 100, Some((102, 200)), false),
            (missing(1, 99), 0, Some((100, 200)), false),
            (missing(50, 99), 100, Some((1, 200)), false),
            (ProofGap::NoteNotReached(100), 100, Some((101, 200)), true),
            (ProofGap::NoteNotReached(100), 100, Some((100, 200)), false),
            (ProofGap::NoteNotReached(100), 100, Some((1, 99)), false),
            (ProofGap::NoteNotReached(100), 100, None, false),
            (ProofGap::NoNote, 100, Some((1, 200)), false),
        ] {
            assert_eq!(is_expected(&gap, since, range), expect, "{gap:?} {since} {range:?}");
        }
    }
}
