//! `admin:doctor {run?}`: the newest report of the regular audit, or a new one.
//! Never: a second run while one is open; a change other than the report.

use std::sync::Arc;
use std::time::Duration;

use portcullis_guard::{Event, Rate, Rule};
use portcullis_model::Denial;
use portcullis_server::Reply;
use serde::Deserialize;
use serde_json::json;

use super::report::AuditCause;
use crate::operation::call::Call;
use crate::operation::contract::{Operation, READ};
use crate::operation::desk::Desk;

/// The time for which a request waits for a run. Handlers have two seconds.
const WAIT: Duration = Duration::from_millis(1_500);

/// `admin:doctor {run?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AdminDoctor {
    /// Starts a run, unless one is open.
    #[serde(default)]
    run: Option<bool>,
}

impl Event for AdminDoctor {
    const NAME: &'static str = "admin:doctor";
    const RULE: Rule = Rule { fields: &["run"], rate: Some(Rate::per(60, 60_000)), ..READ };
}

impl Operation for AdminDoctor {
    async fn run(self, desk: Arc<Desk>, call: Call) -> Result<Reply, Denial> {
        let off = || Denial::app("audit_off", "the server has no regular audit");
        let audit = Arc::clone(desk.self_audit().ok_or_else(off)?);
        if self.run == Some(true) {
            let facts = desk.live_facts(&call.services, audit.started());
            audit.start(AuditCause::Request, &call.services, facts);
            audit.wait(WAIT).await;
        }
        let (report, is_running) = audit.newest();
        let failed = audit.failure();
        let answer = json!({ "report": report, "running": is_running, "failed": failed });
        Ok(Reply::fields(&answer))
    }
}
