//! Keys of issuers that publish them at an address: fetched, kept, fetched again.
//! Never: because a token asks for it more than once a minute, or from where a token says.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use portcullis_audit::{Outcome, Record};
use portcullis_guard::{Algorithm, Issuer, KeySet, read_jwks};
use portcullis_model::{Code, Denial, Now, Severity};
use portcullis_outbound::{Client, OutboundError, Policy, Target};
use portcullis_server::{Builder, Delta, Surroundings};

/// How long after one look the next begins, in milliseconds.
const EVERY_MS: u64 = 5_000;
/// Between two fetches, whatever asks for them.
const FETCH_EVERY_MS: u64 = 60_000;
/// What is fetched is good for so long, whatever its sender says.
const KEPT_MIN_S: u64 = 300;
const KEPT_MAX_S: u64 = 3_600;
/// Longest a CONNECT waits for keys; the fetch goes on without it.
const WAIT_MAX: Duration = Duration::from_millis(1_500);

/// An issuer whose keys are fetched.
#[derive(Clone)]
pub struct RemoteIssuer {
    /// All there is to say of the issuer but its keys.
    pub like: Issuer,
    /// What its keys are for.
    pub algorithm: Algorithm,
    /// Where it publishes them.
    pub target: Target,
    /// How they are fetched.
    pub policy: Policy,
}

impl RemoteIssuer {
    /// Fetches the keys once, for whoever looks at a token beside a server.
    ///
    /// # Errors
    /// Why there are none, in words.
    pub async fn fetch_once(&self) -> Result<Vec<Issuer>, String> {
        let client = Client::new(self.policy.clone()).map_err(|error| error.to_string())?;
        let fetched = client.fetch(&self.target).await.map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&fetched.body);
        let read = read_jwks(&text, self.algorithm, &self.like);
        read.map(|set| set.issuers).map_err(|error| error.to_string())
    }
}

/// One issuer and what was fetched of it.
struct Fetched {
    issuer: RemoteIssuer,
    client: Client,
    times: Mutex<Times>,
    /// One fetch at a time; whoever comes meanwhile waits for it.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Times {
    /// When the last fetch began, plus one; 0 before the first, and after a first that went well:
    /// so a key that is new right after the start is learned at once.
    begun_ms: u64,
    /// Until when what was fetched is good; 0 while there is nothing.
    good_until_ms: u64,
    /// When the last fetch ended.
    ended_ms: Option<u64>,
}

/// Fetches keys before they are needed, again before they are old, and when a token names one that
/// nobody knows.
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
        all.push(Fetched { issuer, client, times, turn: tokio::sync::Mutex::default() });
    }
    let all: Arc<[Fetched]> = all.into();
    let shared = Arc::clone(&all);
    builder.every("issuer_keys", EVERY_MS, move |around| {
        let shared = Arc::clone(&shared);
        async move {
            for one in shared.iter() {
                if one.is_due(&around) {
                    one.fetch(&around, around.clock.now()).await;
                }
            }
        }
    });
    builder.on_unknown_key(move |around, seen| {
        let shared = Arc::clone(&all);
        async move {
            let fetching = tokio::task::spawn_local(async move {
                for one in shared.iter() {
                    one.fetch(&around, seen).await;
                }
            });
            // Keys that are still on their way: nobody can say yet whose the token is.
            match tokio::time::timeout(WAIT_MAX, fetching).await {
                Ok(_looked) => Ok(()),
                Err(_late) => Err(Denial::AuthorityUnconfirmed),
            }
        }
    });
    Ok(())
}

impl Fetched {
    fn is_due(&self, around: &Surroundings) -> bool {
        around.clock.now().monotonic_ms >= self.times.lock().good_until_ms
    }

    /// Fetches, unless that was done within the last minute, or by somebody else since the need
    /// was seen.
    async fn fetch(&self, around: &Surroundings, seen: Now) {
        let _turn = self.turn.lock().await;
        let now = around.clock.now();
        {
            let mut times = self.times.lock();
            if times.ended_ms.is_some_and(|ended_ms| ended_ms >= seen.monotonic_ms) {
                return;
            }
            let next_ms = times.begun_ms.saturating_add(FETCH_EVERY_MS);
            if times.begun_ms != 0 && now.monotonic_ms.saturating_add(1) < next_ms {
                return;
            }
            times.begun_ms = now.monotonic_ms.saturating_add(1);
        }
        match self.client.fetch(&self.issuer.target).await {
            Ok(fetched) => {
                let text = String::from_utf8_lossy(&fetched.body);
                let kept_s = fetched.max_age_s.unwrap_or(KEPT_MIN_S).clamp(KEPT_MIN_S, KEPT_MAX_S);
                self.take(around, &text, kept_s);
            }
            Err(error) => {
                let target = &self.issuer.target;
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::error!(%error, ?cause, %target, "an issuer's keys were not fetched");
                self.record(around, Outcome::Failure, &error.to_string());
            }
        }
        self.times.lock().ended_ms = Some(around.clock.now().monotonic_ms);
    }

    fn take(&self, around: &Surroundings, text: &str, kept_s: u64) {
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
                    if times.good_until_ms == 0 {
                        times.begun_ms = 0;
                    }
                    times.good_until_ms = now_ms.saturating_add(kept_s * 1000);
                }
                self.record_fetched(around, count, &unusable, others);
                // Connections opened with a key that is gone end.
                if around.hub.try_deliver(Delta::RecheckAll).is_err() {
                    tracing::warn!("a shard is behind; its connections find out by themselves");
                }
            }
            Err(error) => {
                let target = &self.issuer.target;
                tracing::error!(error, %target, "an issuer's keys stay as they were");
                self.record(around, Outcome::Failure, &error);
            }
        }
    }

    /// What was taken, and each key that was to be used and cannot be.
    fn record_fetched(
        &self,
        around: &Surroundings,
        count: usize,
        unusable: &[String],
        others: usize,
    ) {
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

    fn record(&self, around: &Surroundings, outcome: Outcome, why: &str) {
        self.record_as(around, outcome, Severity::Warning, why);
    }

    fn record_as(&self, around: &Surroundings, outcome: Outcome, severity: Severity, why: &str) {
        let mut record = Record::new(Code::IssuerKeys);
        record.severity = severity;
        record.outcome = outcome;
        record.rule = "jwks";
        record.labels.push(("issuer", self.issuer.like.issuer.to_string()));
        record.detail = Some(String::from(why));
        around.audit.record(record, around.clock.now());
    }
}
