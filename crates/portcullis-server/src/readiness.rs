//! Whether the parts a server needs are working: the facts behind `/ready`.
//! Never: work; a fact is read from what a part has left, without waiting for it.

use serde_json::{Map, Value};

/// How one part of the server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PartState {
    /// It works.
    Working,
    /// It has a fault that operators must see, and the server goes on without it.
    Degraded(String),
    /// The server cannot serve without it: load balancers must send clients elsewhere.
    Failed(String),
}

/// A part of the product that readiness depends on.
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) read: Box<dyn Fn() -> PartState + Send + Sync>,
}

/// What `/ready` answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Readiness {
    status: &'static str,
    parts: Vec<(&'static str, PartState)>,
}

impl Readiness {
    /// Decides from the state of every part; a server that drains is not ready in any case.
    pub(crate) fn of(is_draining: bool, parts: Vec<(&'static str, PartState)>) -> Self {
        let has_failed = parts.iter().any(|(_, state)| matches!(state, PartState::Failed(_)));
        let status = match (is_draining, has_failed) {
            (true, _) => "draining",
            (false, true) => "failed",
            (false, false) => "ready",
        };
        Self { status, parts }
    }

    /// The HTTP status for load balancers.
    pub(crate) fn code(&self) -> u16 {
        if self.status == "ready" { 200 } else { 503 }
    }

    /// The answer without any detail, for every peer that can reach a probe.
    pub(crate) fn brief(&self) -> String {
        self.json(Map::new())
    }

    /// The answer with the state of each part, for operators.
    pub(crate) fn detailed(&self) -> String {
        let parts = self.parts.iter().map(|(name, state)| {
            let text = match state {
                PartState::Working => String::from("working"),
                PartState::Degraded(why) => format!("degraded: {why}"),
                PartState::Failed(why) => format!("failed: {why}"),
            };
            (String::from(*name), Value::String(text))
        });
        self.json(parts.collect())
    }

    fn json(&self, parts: Map<String, Value>) -> String {
        let mut body = Map::new();
        body.insert(String::from("status"), self.status.into());
        if !parts.is_empty() {
            body.insert(String::from("parts"), Value::Object(parts));
        }
        Value::Object(body).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_part_makes_the_server_not_ready_and_a_degraded_one_does_not() {
        let degraded = PartState::Degraded(String::from("disk full"));
        let failed = PartState::Failed(String::from("writer ended"));
        let cases = [
            (false, vec![], 200, r#"{"status":"ready"}"#, r#"{"status":"ready"}"#),
            (true, vec![], 503, r#"{"status":"draining"}"#, r#"{"status":"draining"}"#),
            (
                false,
                vec![("log", degraded.clone()), ("store", PartState::Working)],
                200,
                r#"{"status":"ready"}"#,
                r#"{"parts":{"log":"degraded: disk full","store":"working"},"status":"ready"}"#,
            ),
            (
                false,
                vec![("log", degraded), ("store", failed)],
                503,
                r#"{"status":"failed"}"#,
                concat!(
                    r#"{"parts":{"log":"degraded: disk full","store":"failed: writer ended"},"#,
                    r#""status":"failed"}"#
                ),
            ),
        ];
        for (is_draining, parts, code, brief, detailed) in cases {
            let readiness = Readiness::of(is_draining, parts);
            assert_eq!(readiness.code(), code);
            assert_eq!(readiness.brief(), brief);
            assert_eq!(readiness.detailed(), detailed);
        }
    }
}
