//! Values that were seen before: networks of privileged users, and codes.
//! Never: addresses; values are hashed.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use portcullis_model::Code;

use crate::alert::input::note::{Flag, Note};

/// Most values; the one that was not seen for the longest time goes.
const VALUES_MAX: usize = 16_384;
/// A code that was not recorded for so long is reported.
const CODE_MS: i64 = 90 * 24 * 60 * 60 * 1_000;
/// A time that only moves on by less than this is not worth saving.
const COARSE_MS: i64 = 24 * 60 * 60 * 1_000;

/// Values with the time they were last seen at. Memory: about 40 bytes a value, 640 KiB.
#[derive(Debug, Default)]
pub(crate) struct SeenValues {
    pub(crate) values: HashMap<u64, i64>,
    pub(crate) codes: HashMap<Code, i64>,
    /// Since when codes are watched.
    pub(crate) since_ms: Option<i64>,
    /// Whether it differs from what was saved.
    pub(crate) changed: bool,
}

impl SeenValues {
    /// Whether a user comes from a network that the user did not come from before.
    ///
    /// The first network of a user is learned and not reported.
    pub(crate) fn is_new_network(&mut self, user: &str, note: &Note, at_ms: i64) -> bool {
        let network = if note.has(Flag::V4) {
            note.prefix >> 8
        } else if note.has(Flag::V6) {
            note.prefix >> 16
        } else {
            return false;
        };
        let family = if note.has(Flag::V4) { "4" } else { "6" };
        let knows_user = self.see(hash(&[user]), at_ms);
        let knows_network = self.see(hash(&[user, family, &network.to_string()]), at_ms);
        knows_user && !knows_network
    }

    /// Whether a code was not recorded for 90 days, and codes are watched for longer.
    pub(crate) fn is_new_code(&mut self, code: Code, at_ms: i64) -> bool {
        let since_ms = *self.since_ms.get_or_insert(at_ms);
        let last_ms = self.codes.insert(code, at_ms);
        if last_ms.is_none_or(|last_ms| at_ms - last_ms >= COARSE_MS) {
            self.changed = true;
        }
        at_ms - last_ms.unwrap_or(since_ms) >= CODE_MS
    }

    /// Moves times that are later to this one.
    pub(crate) fn limit_times(&mut self, at_ms: i64) {
        let times = self.values.values_mut().chain(self.codes.values_mut());
        for time in times.chain(&mut self.since_ms) {
            *time = at_ms.min(*time);
        }
    }

    fn see(&mut self, value: u64, at_ms: i64) -> bool {
        let last_ms = self.values.insert(value, at_ms);
        if last_ms.is_none_or(|last_ms| at_ms - last_ms >= COARSE_MS) {
            self.changed = true;
        }
        if self.values.len() > VALUES_MAX
            && let Some((oldest, _)) = self.values.iter().min_by_key(|(_, last_ms)| **last_ms)
        {
            let oldest = *oldest;
            self.values.remove(&oldest);
        }
        last_ms.is_some()
    }
}

/// Equal for equal parts on all nodes and after restarts.
fn hash(parts: &[&str]) -> u64 {
    let mut text = Vec::new();
    for part in parts {
        text.extend_from_slice(part.as_bytes());
        text.push(0);
    }
    let digest = digest(&SHA256, &text);
    let bytes = digest.as_ref().iter().take(8);
    bytes.fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}
