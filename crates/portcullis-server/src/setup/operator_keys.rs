//! The keys of operators' programs for operations on the private listener, and used proofs.
//! Never: a key in a log; a comparison whose time depends on the key; a proof accepted twice.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use parking_lot::{Mutex, RwLock};
use portcullis_model::{Now, Secret};

use crate::setup::operator_proof::{NONCE_BYTES, OperatorProof, PROOF_LIFE_MS};

/// Most proofs that are remembered; each costs about 80 bytes.
const USED_MAX: usize = 4096;
/// The least time for which a proof is remembered: its time can be 30 s before or after now.
const REMEMBER_MS: u64 = 2 * PROOF_LIFE_MS;

/// The current keys; all clones share every change.
#[derive(Clone, Default)]
pub struct OperatorKeys {
    keys: Arc<RwLock<Vec<Arc<Secret<String>>>>>,
    used: Arc<Mutex<UsedProofs>>,
}

/// The random numbers of accepted proofs.
///
/// One that could no longer be accepted makes space for another, and stays until then: a clock that
/// is set back makes the time of a proof valid again.
#[derive(Default)]
struct UsedProofs {
    nonces: HashSet<[u8; NONCE_BYTES]>,
    /// In the order of their use, each with the monotonic time until which it has to stay.
    order: VecDeque<([u8; NONCE_BYTES], u64)>,
}

impl UsedProofs {
    fn accept(&mut self, nonce: [u8; NONCE_BYTES], now_ms: u64) -> Result<(), ProofError> {
        if self.nonces.contains(&nonce) {
            return Err(ProofError::Used);
        }
        if self.order.len() >= USED_MAX {
            let oldest = self.order.front().filter(|(_, until_ms)| *until_ms < now_ms);
            let (oldest, _) = *oldest.ok_or(ProofError::Full)?;
            self.nonces.remove(&oldest);
            self.order.pop_front();
        }
        self.nonces.insert(nonce);
        self.order.push_back((nonce, now_ms.saturating_add(REMEMBER_MS)));
        Ok(())
    }
}

/// The reason why a proof of the key is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProofError {
    /// Its time is more than 30 s away; milliseconds before the time of the server, or after it.
    Time(i64),
    /// It is older than the server, which does not know whether an earlier process has accepted it.
    BeforeStart,
    /// It was accepted before.
    Used,
    /// Too many proofs are remembered.
    Full,
}

impl OperatorKeys {
    /// Replaces the keys.
    pub fn replace(&self, keys: Vec<Arc<Secret<String>>>) {
        *self.keys.write() = keys;
    }

    /// Whether a text is one of the keys.
    #[must_use]
    pub fn knows(&self, shown: &[u8]) -> bool {
        let keys = self.keys.read();
        keys.iter().any(|key| verify_slices_are_equal(shown, key.expose().as_bytes()).is_ok())
    }

    /// The key with which a proof was made for this method and target.
    pub(crate) fn key_of(
        &self,
        proof: &OperatorProof<'_>,
        method: &str,
        target: &str,
    ) -> Option<Arc<Secret<String>>> {
        let keys = self.keys.read();
        keys.iter().find(|key| proof.is_of(key, method, target)).map(Arc::clone)
    }

    /// Accepts a proof of a known key within its time, and once.
    pub(crate) fn accept(&self, proof: &OperatorProof<'_>, now: Now) -> Result<(), ProofError> {
        let age_ms = now.unix_ms.saturating_sub(proof.unix_ms);
        if age_ms.unsigned_abs() > PROOF_LIFE_MS {
            return Err(ProofError::Time(age_ms));
        }
        // A program on the port of the stopped server can keep a proof, and the used ones are in
        // the memory of one process.
        if age_ms > i64::try_from(now.monotonic_ms).unwrap_or(i64::MAX) {
            return Err(ProofError::BeforeStart);
        }
        self.used.lock().accept(proof.nonce, now.monotonic_ms)
    }
}

impl ProofError {
    /// The status of the answer.
    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Time(_) | Self::BeforeStart | Self::Used => 403,
            Self::Full => 429,
        }
    }
}

impl fmt::Display for ProofError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(age_ms) => {
                let seconds = age_ms.unsigned_abs().div_ceil(1_000);
                let side = if *age_ms > 0 { "old" } else { "in the future" };
                write!(
                    formatter,
                    "the proof of the key is {seconds} s {side} by the clock of the server, which \
                     permits 30 s: the request was delayed or repeated, or the clocks differ; set \
                     the clocks, and send a new proof"
                )
            }
            Self::BeforeStart => formatter.write_str(
                "the proof of the key is older than the start of the server, so another program \
                 may have received it: send a new proof",
            ),
            Self::Used => formatter
                .write_str("the proof of the key was used before: send a new one for each request"),
            Self::Full => {
                formatter.write_str("operators sent more than 4096 requests in a minute: wait")
            }
        }
    }
}

impl fmt::Debug for OperatorKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("OperatorKeys").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::operator_proof::OperatorRequest;

    const UNIX_MS: i64 = 1_800_000_000_000;
    const REQUEST: OperatorRequest<'static> =
        OperatorRequest { method: "POST", target: "/admin/v1/overview?a=b", body: b"{}" };

    fn keys(key: &str) -> (OperatorKeys, Secret<String>) {
        let keys = OperatorKeys::default();
        keys.replace(vec![Arc::new(Secret::new(String::from(key)))]);
        (keys, Secret::new(String::from(key)))
    }

    /// A time of a server that started an hour before.
    fn at(after_ms: i64) -> Now {
        let monotonic_ms = u64::try_from(3_600_000 + after_ms).unwrap();
        Now { monotonic_ms, unix_ms: UNIX_MS + after_ms }
    }

    fn accept(keys: &OperatorKeys, shown: &str, now: Now) -> Result<(), ProofError> {
        keys.accept(&OperatorProof::parse(shown.as_bytes()).unwrap(), now)
    }

    #[test]
    fn proof_is_accepted_once_within_its_time() {
        let (keys, key) = keys("k7Jx2mQ9");
        let proof = |nonce| REQUEST.prove(&key, UNIX_MS, &[nonce; NONCE_BYTES]);
        for (nonce, after_ms, expect) in [
            (1, 0, Ok(())),
            (1, 0, Err(ProofError::Used)),
            (1, 30_000, Err(ProofError::Used)),
            (1, 30_001, Err(ProofError::Time(30_001))),
            (2, 30_000, Ok(())),
            (3, -30_000, Ok(())),
            // It is still remembered at its end, a minute later.
            (3, 30_000, Err(ProofError::Used)),
            (4, -30_001, Err(ProofError::Time(-30_001))),
        ] {
            assert_eq!(accept(&keys, &proof(nonce), at(after_ms)), expect, "{nonce} {after_ms}");
        }
        let oldest = REQUEST.prove(&key, i64::MIN, &[5; NONCE_BYTES]);
        assert_eq!(accept(&keys, &oldest, at(0)), Err(ProofError::Time(i64::MAX)));
        let newest = REQUEST.prove(&key, i64::MAX, &[6; NONCE_BYTES]);
        assert!(matches!(accept(&keys, &newest, at(0)), Err(ProofError::Time(i64::MIN..=-1))));
    }

    #[test]
    fn proof_from_before_the_start_is_rejected_also_after_the_clock_is_set() {
        let (keys, key) = keys("k7Jx2mQ9");
        let started = |monotonic_ms, unix_ms| Now { monotonic_ms, unix_ms };
        for (nonce, proof_ms, now, expect) in [
            (1, UNIX_MS - 1_001, started(1_000, UNIX_MS), Err(ProofError::BeforeStart)),
            (2, UNIX_MS - 1_000, started(1_000, UNIX_MS), Ok(())),
            (3, UNIX_MS, started(0, UNIX_MS), Ok(())),
            // The clock was set back by an hour after the start.
            (4, UNIX_MS - 3_600_000, started(1_000, UNIX_MS - 3_600_000), Ok(())),
        ] {
            let proof = REQUEST.prove(&key, proof_ms, &[nonce; NONCE_BYTES]);
            assert_eq!(accept(&keys, &proof, now), expect, "{nonce}");
        }
    }

    #[test]
    fn proof_of_another_request_or_key_has_no_key() {
        let (keys, key) = keys("k7Jx2mQ9");
        let nonce = [7; NONCE_BYTES];
        let good = REQUEST.prove(&key, UNIX_MS, &nonce);
        let other = Secret::new(String::from("k7Jx2mQ8"));
        let later = good.replacen(&UNIX_MS.to_string(), &(UNIX_MS + 1).to_string(), 1);
        let key_of = |shown: &str, method: &str, target: &str| {
            let proof = OperatorProof::parse(shown.as_bytes())?;
            keys.key_of(&proof, method, target)
        };
        let (method, target) = (REQUEST.method, REQUEST.target);
        assert!(key_of(&good, method, target).is_some());
        assert!(key_of(&good, "GET", target).is_none(), "another method");
        assert!(key_of(&good, method, "/admin/v1/overview?a=c").is_none(), "another target");
        for wrong in [
            "",
            ".",
            "v1....",
            &REQUEST.prove(&other, UNIX_MS, &nonce),
            &later,
            &format!("{good}A"),
            &format!("{good}.{good}"),
            &good.replacen("v1", "v2", 1),
        ] {
            assert!(key_of(wrong, method, target).is_none(), "{wrong}");
        }
        let proof = OperatorProof::parse(good.as_bytes()).unwrap();
        assert!(proof.covers(REQUEST.body));
        assert!(!proof.covers(b"[]"));
    }

    #[test]
    fn number_of_remembered_proofs_is_bounded_and_old_ones_make_space() {
        let (keys, key) = keys("k7Jx2mQ9");
        let accept = |number: usize, after_ms: i64| {
            let mut nonce = [0; NONCE_BYTES];
            nonce[..8].copy_from_slice(&number.to_be_bytes());
            let now = at(after_ms);
            accept(&keys, &REQUEST.prove(&key, now.unix_ms, &nonce), now)
        };
        for number in 0..USED_MAX {
            assert_eq!(accept(number, 0), Ok(()));
        }
        assert_eq!(accept(USED_MAX, 0), Err(ProofError::Full));
        for number in USED_MAX..3 * USED_MAX {
            let after_ms = if number < 2 * USED_MAX { 60_001 } else { 120_002 };
            assert_eq!(accept(number, after_ms), Ok(()), "{number}");
        }
        let used = keys.used.lock();
        assert_eq!((used.nonces.len(), used.order.len()), (USED_MAX, USED_MAX));
    }

    #[test]
    fn used_proof_stays_used_after_the_clock_is_set_back() {
        let (keys, key) = keys("k7Jx2mQ9");
        let prove = |nonce| REQUEST.prove(&key, UNIX_MS, &[nonce; NONCE_BYTES]);
        assert_eq!(accept(&keys, &prove(1), at(0)), Ok(()));
        for passed_ms in [60_001, 600_000, 24 * 3_600_000] {
            let set_back = Now { unix_ms: UNIX_MS, ..at(passed_ms) };
            assert_eq!(accept(&keys, &prove(1), set_back), Err(ProofError::Used), "{passed_ms}");
        }
        // An honest program has the same clock, and is not locked out.
        let set_back = Now { unix_ms: UNIX_MS, ..at(600_000) };
        assert_eq!(accept(&keys, &prove(2), set_back), Ok(()));
    }

    #[test]
    fn rejection_names_the_difference_of_the_clocks() {
        for (error, expect) in [
            (ProofError::Time(45_001), "46 s old by the clock of the server"),
            (ProofError::Time(-90_000), "90 s in the future by the clock of the server"),
        ] {
            assert!(error.to_string().contains(expect), "{error}");
        }
    }
}
