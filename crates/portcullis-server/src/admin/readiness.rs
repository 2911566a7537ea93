//! The readiness that `/ready` reports: whether the server can serve, and the state of its parts.
//! Never: a wait, or a detail that an unauthenticated client could use.

use serde_json::{Map, Value};

use crate::setup::registered::ReadyFact;

/// The content of `/ready`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Readiness {
    is_ready: bool,
    status: &'static str,
    parts: Map<String, Value>,
}

impl Readiness {
    /// Combines the states of the parts.
    pub(crate) fn new(
        draining: bool,
        parts: impl Iterator<Item = (&'static str, ReadyFact)>,
    ) -> Self {
        let mut all_ready = true;
        let parts = parts
            .map(|(name, fact)| {
                all_ready &= fact.is_ready;
                (String::from(name), Value::from(fact.state))
            })
            .collect();
        let status = match (draining, all_ready) {
            (true, _) => "draining",
            (false, true) => "ready",
            (false, false) => "not_ready",
        };
        Self { is_ready: all_ready && !draining, status, parts }
    }

    /// The HTTP status for load balancers.
    pub(crate) fn code(&self) -> u16 {
        if self.is_ready { 200 } else { 503 }
    }

    /// The response without details, for every peer that can reach a probe: `{status}`.
    pub(crate) fn brief(&self) -> String {
        format!(r#"{{"status":"{}"}}"#, self.status)
    }

    /// The response for operators: `{status, parts: {NAME: STATE}}`.
    pub(crate) fn detailed(&self) -> String {
        let parts = serde_json::to_string(&self.parts).unwrap_or_default();
        format!(r#"{{"status":"{}","parts":{parts}}}"#, self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_part_that_is_not_ready_makes_the_server_not_ready() {
        let fact = |state, is_ready| ReadyFact { state, is_ready };
        let cases = [
            (false, fact("ok", true), (200, "ready")),
            (false, fact("full", true), (200, "ready")),
            (false, fact("corrupt", false), (503, "not_ready")),
            (true, fact("ok", true), (503, "draining")),
            (true, fact("corrupt", false), (503, "draining")),
        ];
        for (draining, store, (status, word)) in cases {
            let parts = [("shards", fact("ok", true)), ("store", store)];
            let readiness = Readiness::new(draining, parts.into_iter());
            assert_eq!(readiness.brief(), format!(r#"{{"status":"{word}"}}"#));
            let expect = format!(
                r#"{{"status":"{word}","parts":{{"shards":"ok","store":"{}"}}}}"#,
                store.state
            );
            assert_eq!((readiness.code(), readiness.detailed()), (status, expect));
        }
    }
}
