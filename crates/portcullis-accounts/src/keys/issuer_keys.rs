//! Fetches the keys of issuers that publish them over HTTPS, and keeps them current.
//! Never: more than one fetch a minute because of tokens (one in 8 s while fetches fail), or from
//! an address that a token names.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_audit::{Outcome, Record};
use portcullis_guard::{Algorithm, Issuer, KeySet, read_jwks};
use portcullis_model::{Code, Denial, Now, Severity};
use portcullis_outbound::{Client, OutboundError, Policy, Target};
use portcullis_server::{Builder, Delta, Services};

/// Time between two checks, in milliseconds.
const EVERY_MS: u64 = 5_000;
/// Shortest time between two fetches, in milliseconds.
const FETCH_EVERY_MS: u64 = 60_000;
/// Shortest time after a fetch that failed.
const RETRY_EVERY_MS: u64 = 8_000;
/// Bounds of the time for which fetched keys are used, whatever the response states.
const KEPT_MIN_S: u64 = 300;
const KEPT_MAX_S: u64 = 3_600;
/// Longest time that a CONNECT waits for keys; the fetch continues without it.
const WAIT_MAX: Duration = Duration::from_millis(1_500);

/// An issuer whose keys are fetched.
#[derive(Clone)]
pub struct RemoteIssuer {
    /// The issuer without its keys.
    pub like: Issuer,
    /// The algorithm of its keys.
    pub algorithm: Algorithm,
    /// The address of the key set.
    pub target: Target,
    /// The rules for outgoing requests.
    pub policy: Policy,
}

impl RemoteIssuer {
    /// Fetches the keys once, for commands beside a running server.
    ///
    /// # Errors
    /// Why the keys could not be fetched, as text.
    pub async fn fetch_once(&self) -> Result<Vec<Issuer>, String> {
        let client = Client::new(self.policy.clone()).map_err(|error| error.to_string())?;
        let fetched = client.fetch(&self.target).await.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&fetched.body);
        let read = read_jwks(&text, self.algorithm, &self.like);
        read.map(|set| set.issuers).map_err(|error| error.to_string())
    }
}

/// One issuer, and the state of its fetches.
struct IssuerFetch {
    issuer: RemoteIssuer,
    client: Client,
    times: Mutex<FetchTimes>,
    /// One fetch at a time; other tasks wait for it.
    lock: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct FetchTimes {
    /// When the last fetch began, plus one. It is 0 before the first fetch and after a first fetch
    /// that succeeded, so that a key created right after the start is fetched at once.
    started_ms: u64,
    /// Until when the fetched keys are used; 0 before the first success.
    valid_until_ms: u64,
    /// When the last fetch ended.
    ended_ms: Option<u64>,
    /// Whether the last fetch succeeded.
    is_current: bool,
}

impl FetchTimes {
    /// Time until the next fetch after a failed one, in milliseconds.
    fn wait_ms(&self, now: Now) -> u64 {
        let next_ms = self.started_ms.saturating_add(RETRY_EVERY_MS);
        next_ms.saturating_sub(now.monotonic_ms).max(1)
    }
}

/// Fetches keys at the start, before they expire, and when a token names an unknown key.
///
/// # Errors
/// [`OutboundError`] when an issuer's authorities cannot be used.
pub fn install_issuers(
    builder: &mut Builder,
    issuers: Vec<RemoteIssuer>,
) -> Result<(), OutboundError> {
    if issuers.is_empty() {
        return Ok(());
    }
    let mut all = Vec::with_capacity(issuers.len());
    for issuer in issuers {
        let client = Client::new(issuer.policy.clone())?;
        let times = Mutex::default();
        all.push(IssuerFetch { issuer, client, times, lock: tokio::sync::Mutex::default() });
    }
    let all: Arc<[IssuerFetch]> = all.into();
    let shared = Arc::clone(&all);
    builder.every("issuer_keys", EVERY_MS, move |around| {
        let shared = Arc::clone(&shared);
        async move {
            for issuer in shared.iter() {
                if issuer.is_due(&around) {
                    issuer.fetch(&around, around.clock.now()).await;
                }
            }
        }
    });
    builder.on_unknown_key(move |around, algorithm, seen| {
        let shared = Arc::clone(&all);
        async move {
            let fetching = tokio::task::spawn_local(async move {
                let mut retry_after_ms = None;
                for fetch in shared.iter().filter(|fetch| fetch.issuer.algorithm == algorithm) {
                    fetch.fetch(&around, seen).await;
                    let times = fetch.times.lock();
                    let wait_ms = times.wait_ms(around.clock.now());
                    retry_after_ms = retry_after_ms.max((!times.is_current).then_some(wait_ms));
                }
                retry_after_ms
            });
            // While keys are missing, the token can be neither accepted nor rejected.
            let retry_after_ms = match tokio::time::timeout(WAIT_MAX, fetching).await {
                Ok(Ok(None)) => return Ok(()),
                Ok(Ok(Some(wait_ms))) => wait_ms,
                Ok(Err(_)) | Err(_) => RETRY_EVERY_MS,
            };
            Err(Denial::IssuerKeysMissing { retry_after_ms })
        }
    });
    Ok(())
}

impl IssuerFetch {
    fn is_due(&self, around: &Services) -> bool {
        around.clock.now().monotonic_ms >= self.times.lock().valid_until_ms
    }

    /// Fetches the keys, unless a fetch began within the last minute or ended after `seen`.
    async fn fetch(&self, around: &Services, seen: Now) {
        let _guard = self.lock.lock().await;
        let now = around.clock.now();
        {
            let mut times = self.times.lock();
            if times.ended_ms.is_some_and(|ended_ms| ended_ms >= seen.monotonic_ms) {
                return;
            }
            let failed = times.ended_ms.is_some() && !times.is_current;
            let every_ms = if failed { RETRY_EVERY_MS } else { FETCH_EVERY_MS };
            let next_ms = times.started_ms.saturating_add(every_ms);
            if times.started_ms != 0 && now.monotonic_ms.saturating_add(1) < next_ms {
                return;
            }
            times.started_ms = now.monotonic_ms.saturating_add(1);
        }
        let is_current = match self.client.fetch(&self.issuer.target).await {
            Ok(fetched) => {
                let text = String::from_utf8_lossy(&fetched.body);
                let kept_s = fetched.max_age_s.unwrap_or(KEPT_MIN_S).clamp(KEPT_MIN_S, KEPT_MAX_S);
                self.apply(around, &text, kept_s)
            }
            Err(error) => {
                let target = &self.issuer.target;
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, ?cause, %target, "the keys of an issuer were not fetched");
                self.record(around, Outcome::Failure, &error.to_string());
                false
            }
        };
        let mut times = self.times.lock();
        times.ended_ms = Some(around.clock.now().monotonic_ms);
        times.is_current = is_current;
    }

    /// Puts fetched keys in force; returns whether they can be used.
    fn apply(&self, around: &Services, text: &str, kept_s: u64) -> bool {
        let like = &self.issuer.like;
        let read = read_jwks(text, self.issuer.algorithm, like).map_err(|error| error.to_string());
        let taken = read.and_then(|KeySet { issuers, unusable, others }| {
            let count = issuers.len();
            let replaced = around.gate.replace_keys(&like.issuer, issuers);
            replaced.map(|()| (count, unusable, others)).map_err(|error| error.to_string())
        });
        match taken {
            Ok((count, unusable, others)) => {
                let now_ms = around.clock.now().monotonic_ms;
                {
                    let mut times = self.times.lock();
                    if times.valid_until_ms == 0 {
                        times.started_ms = 0;
                    }
                    times.valid_until_ms = now_ms.saturating_add(kept_s * 1000);
                }
                self.record_fetched(around, count, &unusable, others);
                // Connections that were opened with a removed key end.
                if around.hub.try_deliver(Delta::RecheckAll).is_err() {
                    tracing::warn!("a shard's queue is full; its connections are checked later");
                }
                true
            }
            Err(error) => {
                let target = &self.issuer.target;
                tracing::error!(error, %target, "new keys of an issuer are invalid; old keys stay");
                self.record(around, Outcome::Failure, &error);
                false
            }
        }
    }

    /// Records the number of fetched keys, and each key that cannot be used.
    fn record_fetched(&self, around: &Services, count: usize, unusable: &[String], others: usize) {
        let mut words = format!("fetched: {count} keys in use, {others} for other purposes");
        if unusable.is_empty() {
            return self.record_as(around, Outcome::Success, Severity::Info, &words);
        }
        let list = unusable.join("; ");
        let target = &self.issuer.target;
        tracing::warn!(%target, "keys of an issuer cannot be used and are left out: {list}");
        words.push_str("; left out: ");
        words.push_str(&list);
        self.record_as(around, Outcome::Success, Severity::Warning, &words);
    }

    fn record(&self, around: &Services, outcome: Outcome, why: &str) {
        self.record_as(around, outcome, Severity::Warning, why);
    }

    fn record_as(&self, around: &Services, outcome: Outcome, severity: Severity, why: &str) {
        let mut record = Record::new(Code::IssuerKeys);
        record.severity = severity;
        record.outcome = outcome;
        record.rule = "jwks";
        record.labels.push(("issuer", self.issuer.like.issuer.to_string()));
        record.detail = Some(String::from(why));
        around.audit.record(record, around.clock.now());
    }
}
