//! Runs all checks in their order.
//! Never: a check that stops the others.

use portcullis_admin::{AuditCause, AuditMeasures, AuditReport, CheckBuilder, CheckId};

use super::advisory::check as advisories;
use super::examination::Examination;
use super::files::{backup, disk, key_ages, log_proof, modes, renamed_log};
use super::network::{headers, private_listener, tls};
use super::state::{administrators, channels, configuration, exceptions, resources};

/// Runs all checks.
pub(crate) fn examine(examination: &Examination<'_>, cause: AuditCause) -> AuditReport {
    let mut measures = AuditMeasures::default();
    let checks = CheckId::ALL.map(|id| {
        let mut check = CheckBuilder::new(id);
        match id {
            CheckId::D1 => configuration::check(examination, &mut check),
            CheckId::D2 => tls::check(examination, &mut check),
            CheckId::D3 => headers::check(examination, &mut check),
            CheckId::D4 => modes::check(examination, &mut check),
            CheckId::D5 => key_ages::check(examination, &mut check),
            CheckId::D6 => backup::check(examination, &mut check),
            CheckId::D7 => {
                log_proof::check(examination, &mut check, &mut measures);
                renamed_log::check(examination, &mut check);
            }
            CheckId::D8 => disk::check(examination, &mut check, &mut measures),
            CheckId::D9 => resources::check(examination, &mut check),
            CheckId::D10 => advisories::check(examination, &mut check),
            CheckId::D11 => administrators::check(examination, &mut check, &mut measures),
            CheckId::D12 => exceptions::check(examination, &mut check),
            CheckId::D13 => channels::check(examination, &mut check),
            CheckId::D14 => private_listener::check(examination, &mut check),
        }
        check.finish()
    });
    let version = env!("CARGO_PKG_VERSION");
    let mut report = AuditReport::new(cause, version, checks.to_vec(), examination.now);
    report.measures = measures;
    report
}
