//! Forwards the security log to the configured syslog server.
//! Never: a start that waits for that server.

use std::sync::Arc;

use anyhow::Result;
use portcullis_audit::{Audit, Syslog, SyslogOptions};
use portcullis_model::Clock;
use portcullis_server::Builder;

use crate::config::Settings;
use crate::start::files::output_files::SYSLOG_POSITION;

/// The name of this machine, as the kernel has it.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Starts forwarding if a server is configured, and adds its metrics.
pub(crate) fn start(
    settings: &Settings,
    audit: &Audit,
    builder: &mut Builder,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Syslog>> {
    let Some(configured) = &settings.audit.syslog else { return Ok(None) };
    let options = SyslogOptions {
        log: settings.audit.file.clone(),
        target: configured.target.clone(),
        authorities_pem: configured.authorities_pem()?,
        position: settings.storage.data.join(SYSLOG_POSITION),
        host_name: std::fs::read_to_string(HOST_NAME).unwrap_or_default(),
        clock: Arc::clone(clock),
    };
    let syslog = Syslog::start(options, audit.clone())?;
    let now_ms = |clock: &Arc<dyn Clock>| clock.now().monotonic_ms;
    let (observe, time) = (syslog.observer(), Arc::clone(clock));
    let help = "1 while the syslog server is connected";
    builder.measure("syslog_up", help, move || i64::from(observe(now_ms(&time)).is_up));
    let (observe, time) = (syslog.observer(), Arc::clone(clock));
    let help = "Seconds since no line of the security log waited for the syslog server";
    builder.measure("syslog_behind_seconds", help, move || {
        i64::try_from(observe(now_ms(&time)).behind_s).unwrap_or(i64::MAX)
    });
    let (observe, time) = (syslog.observer(), Arc::clone(clock));
    let help = "Lines sent to the syslog server since the start, also those sent again";
    builder.measure("syslog_sent", help, move || {
        i64::try_from(observe(now_ms(&time)).sent).unwrap_or(i64::MAX)
    });
    Ok(Some(syslog))
}
