//! The loop of the main thread while the server runs: reloads, and regular work each few seconds.
//! Never: the start or the shutdown.

use std::sync::Arc;

use portcullis_audit::Audit;
use portcullis_model::Clock;
use portcullis_server::HealthReader;

use crate::reload::file_watch::FileWatch;
use crate::reload::reloader::{ReloadMode, Reloader};
use crate::start::certificate_watch::CertificateWatch;
use crate::start::signals::{Signals, Wake};
use crate::start::supervisor::Supervisor;
use crate::tls::server_config::Tls;

/// The logs, whose files can be rotated.
pub(super) struct Logs<'a> {
    pub(super) security: &'a Audit,
    pub(super) access: Option<&'a Audit>,
}

impl Logs<'_> {
    fn each(&self, act: impl Fn(&Audit)) {
        self.access.into_iter().chain([self.security]).for_each(act);
    }
}

/// The parts that need regular work or a reload.
pub(super) struct MainLoop<'a> {
    pub(super) supervisor: &'a Supervisor,
    pub(super) reloader: Arc<Reloader>,
    pub(super) logs: Logs<'a>,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) certificates: CertificateWatch,
    /// The files of the configuration, with `serve --watch`.
    pub(super) files: Option<FileWatch>,
    pub(super) health: HealthReader,
    pub(super) clock: &'a dyn Clock,
}

impl MainLoop<'_> {
    /// Runs until a signal stops the server.
    pub(super) fn run(mut self, signals: Signals) {
        signals.wait_for_stop(|wake| match wake {
            Wake::Reload => self.reload(),
            Wake::Tick => self.tick(),
        });
    }

    /// Opens the files of the logs again, and reads the configuration again.
    fn reload(&mut self) {
        self.supervisor.reloading();
        let now = self.clock.now();
        self.logs.each(|log| log.reopen(now));
        self.apply();
        self.supervisor.ready();
    }

    /// Reads the configuration again.
    fn apply(&mut self) {
        self.files.iter_mut().for_each(FileWatch::mark_read);
        // The result is in both logs.
        let outcome = self.reloader.reload(ReloadMode::Apply);
        self.files.iter_mut().for_each(|files| files.retry.end(outcome.is_err()));
        if let (Some(files), Some(settings)) = (&mut self.files, self.reloader.settings()) {
            files.follow(&settings);
        }
    }

    fn tick(&mut self) {
        let now = self.clock.now();
        self.logs.each(|log| log.tick(now));
        if let Some(tls) = &self.tls {
            self.certificates.check(tls, self.logs.security, now);
        }
        if self.files.as_mut().is_some_and(FileWatch::has_changed) || self.is_mended() {
            self.apply();
        }
        self.supervisor.show_status(&self.health);
    }

    /// Whether it is time to read a rejected configuration again, and it is valid now.
    fn is_mended(&mut self) -> bool {
        let Some(files) = self.files.as_mut() else {
            return false;
        };
        if !files.retry.is_due() {
            return false;
        }
        // A file that is being written is read the next time.
        let is_valid = files.is_settled() && self.reloader.reload(ReloadMode::Preview).is_ok();
        if !is_valid {
            files.retry.end(true);
        }
        is_valid
    }
}
