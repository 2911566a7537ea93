//! When `serve --watch` tries again after a reload that failed.
//! Never: without end at the same interval; each failure doubles the wait.

/// Checks of the files before the first attempt.
const FIRST_LOOKS: u32 = 6;
/// Failures after which the wait stays the same: about an hour, with a check every five seconds.
const DOUBLED_MAX: u32 = 7;

/// The wait after failed reloads. The fault can be in a file that only the rejected configuration
/// names, which is not watched.
#[derive(Debug, Default)]
pub(crate) struct ReloadRetry {
    failures: u32,
    looks_left: u32,
}

impl ReloadRetry {
    /// A reload has ended.
    pub(crate) fn end(&mut self, has_failed: bool) {
        if !has_failed {
            *self = Self::default();
            return;
        }
        self.looks_left = FIRST_LOOKS << self.failures.min(DOUBLED_MAX);
        self.failures = self.failures.saturating_add(1);
    }

    /// Files have changed: the next wait is short again.
    pub(crate) fn restart(&mut self) {
        self.failures = 0;
    }

    /// Called at each check of the files; whether it is time for another attempt.
    pub(crate) fn is_due(&mut self) -> bool {
        if self.failures == 0 {
            return false;
        }
        self.looks_left = self.looks_left.saturating_sub(1);
        self.looks_left == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks until an attempt is due.
    fn looks(retry: &mut ReloadRetry) -> u32 {
        (1..2_000).find(|_| retry.is_due()).unwrap_or(0)
    }

    #[test]
    fn wait_doubles_with_each_failure_and_begins_again_after_a_success() {
        let mut retry = ReloadRetry::default();
        assert_eq!(looks(&mut retry), 0, "no reload has failed");
        let mut waits = Vec::new();
        for _ in 0..9 {
            retry.end(true);
            waits.push(looks(&mut retry));
        }
        assert_eq!(waits, [6, 12, 24, 48, 96, 192, 384, 768, 768]);
        retry.restart();
        retry.end(true);
        assert_eq!(looks(&mut retry), 6);
        retry.end(false);
        assert_eq!(looks(&mut retry), 0);
    }
}
