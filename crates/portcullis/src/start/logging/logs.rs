//! Opens the security log, and the log of attempts that limits count.
//! Never: a record.

use std::sync::Arc;

use anyhow::Result;
use portcullis_audit::{Audit, AuditOptions, ChainOptions, Record};
use portcullis_guard::Trace;
use portcullis_model::{Clock, Code};

use crate::config::Settings;
use crate::start::files::output_files::{ACCESS_NUMBERS, ALERT_STATE, LOG_NUMBERS};
use crate::start::logging::log_key;

/// Maximum number of access lines that wait to be written.
const ACCESS_QUEUE_MAX: usize = 65_536;

/// Opens the security log.
pub(crate) fn open_audit(settings: &Settings, clock: &Arc<dyn Clock>) -> Result<Audit> {
    let audit = &settings.audit;
    let options = AuditOptions {
        file: Some(audit.file.clone()),
        sequence_file: Some(settings.storage.data.join(LOG_NUMBERS)),
        session_key: Some(log_key::load_or_create(&settings.storage.data)?),
        stdout: audit.stdout,
        segment_bytes: audit.segment_bytes,
        keep_days: audit.keep_days,
        personal_days: audit.personal.days,
        addresses: audit.personal.addresses,
        keep_total_bytes: audit.keep_total_bytes,
        compress: audit.compress,
        unauthenticated_day_bytes: audit.unauthenticated_day_bytes,
        service_version: String::from(env!("CARGO_PKG_VERSION")),
        chain: Some(ChainOptions {
            folder: settings.storage.data.clone(),
            host: log_host(&settings.gate.origins),
        }),
        alert: Some(audit.alert.options(settings.storage.data.join(ALERT_STATE), clock)),
        ..AuditOptions::default()
    };
    Ok(Audit::open(options)?)
}

/// The host in the name of the security log: that of the first origin.
fn log_host(origins: &[String]) -> String {
    let host = origins.first().and_then(|origin| origin.split_once("://"));
    // An IPv6 address has brackets and colons, which such a name can have.
    let host = host.map(|(_, host)| host).filter(|host| !host.contains(['*', '+', ' ']));
    String::from(host.unwrap_or("localhost"))
}

/// Opens the log of all attempts that limits count, if it is configured.
pub(crate) fn open_access(settings: &Settings) -> Result<Option<Audit>> {
    let Some(file) = settings.audit.access_file.clone() else { return Ok(None) };
    let options = AuditOptions {
        file: Some(file),
        sequence_file: Some(settings.storage.data.join(ACCESS_NUMBERS)),
        service_version: String::from(env!("CARGO_PKG_VERSION")),
        queue_max: ACCESS_QUEUE_MAX,
        segment_bytes: settings.audit.segment_bytes,
        keep_days: settings.audit.keep_days,
        keep_total_bytes: settings.audit.access_total_bytes,
        // `limits simulate` reads lines as they are.
        compress: false,
        reserve_bytes: 0,
        ..AuditOptions::default()
    };
    Ok(Some(Audit::open(options)?))
}

/// Writes each attempt that a limit counts.
pub(crate) fn access_lines(access: Audit) -> Trace {
    Arc::new(move |traced, now| {
        let mut record = Record::new(Code::Access);
        record.reason = if traced.refused.is_some() { "refused" } else { "passed" };
        record.detail = serde_json::to_string(&traced).ok();
        access.record(record, now);
    })
}
