//! Reports of browsers about the policy of a page: read, recorded, answered without content.
//! Never: an answer that says whether a report was recorded; a charge to the visitor.

use std::rc::Rc;

use portcullis_audit::{Outcome, Record, Subject};
use portcullis_guard::{
    PolicyViolation, REPORT_MAX_BYTES, REPORT_PATH, ReportFormat, read_reports,
};
use portcullis_model::{Code, Denial};
use portcullis_wire::http1::{FieldValue, Head};

use crate::admin::metric_labels::ReportOutcome;
use crate::http::api::ResponseKind;
use crate::http::connection::HttpConnection;
use crate::http::decision::client_headers::user_agent;
use crate::http::decision::head_request::HeadRequest;
use crate::http::decision::media_type::is_utf8_of;
use crate::http::next::{Next, respond};
use crate::http::responder::OutgoingResponse;
use crate::rejection::{RejectedHead, RejectionSource, reject};

/// An admitted request with reports, before its body is read.
pub(crate) struct ReportCall {
    format: ReportFormat,
    /// The length of the body.
    pub(crate) body: usize,
    user_agent: String,
}

impl ReportCall {
    /// Admits a request with reports, by its head.
    pub(crate) fn admit(request: &HeadRequest<'_>) -> Result<Self, Denial> {
        let head = request.head;
        let handshake = request.handshake(request.target.endpoint(false));
        request.shard.server.gate.admission().admit_report(&handshake, request.now)?;
        let body = usize::try_from(head.content_length).map_err(|_| Denial::TooLarge)?;
        if body > REPORT_MAX_BYTES {
            return Err(Denial::TooLarge);
        }
        let format = format_of(head).ok_or(Denial::MediaType)?;
        Ok(Self { format, body, user_agent: user_agent(head) })
    }
}

fn format_of(head: &Head<'_>) -> Option<ReportFormat> {
    if !matches!(head.header("content-encoding"), FieldValue::None) {
        return None;
    }
    let FieldValue::One(value) = head.header("content-type") else { return None };
    let formats = [
        (&b"application/csp-report"[..], ReportFormat::Csp),
        (b"application/reports+json", ReportFormat::Reporting),
    ];
    formats.into_iter().find_map(|(name, format)| is_utf8_of(value, name).then_some(format))
}

/// Records the violations of a request whose body is in the buffer, and answers it.
pub(crate) async fn receive_reports(
    http: &mut HttpConnection,
    call: ReportCall,
    keep_alive: bool,
) -> Next {
    let body = http.io.take_body(call.body);
    let violations = match read_reports(call.format, &body) {
        Ok(violations) => violations,
        Err(denial) => return reject_reports(http, &denial).await,
    };
    for violation in violations {
        record(http, violation, &call.user_agent);
    }
    let response = OutgoingResponse {
        status: 204,
        content_type: "",
        body: b"",
        kind: ResponseKind::Api,
        origin: None,
        extra: Vec::new(),
        keep_alive,
    };
    respond(http, response).await
}

async fn reject_reports(http: &mut HttpConnection, denial: &Denial) -> Next {
    let shard = Rc::clone(&http.shard);
    let head =
        RejectedHead { method: Some("POST"), path: Some(REPORT_PATH), ..RejectedHead::default() };
    let source = RejectionSource { head, ..http.client.rejection_source() };
    let rejection = reject(&shard, denial, &source, shard.now());
    let body = rejection.http_body();
    http.responder().write_rejection(&rejection, &body, None, false).await;
    Next::Close
}

/// Records one violation, within the limits of reports.
fn record(http: &HttpConnection, violation: PolicyViolation, user_agent: &str) {
    let (shard, client) = (&http.shard, &http.client);
    let now = shard.now();
    if !shard.server.gate.admission().count_report(client.address, now) {
        return shard.server.metrics.count_report(ReportOutcome::Dropped);
    }
    shard.server.metrics.count_report(ReportOutcome::Recorded);
    let mut record = Record::new(Code::MaliciousCspViolation);
    record.outcome = Outcome::Failure;
    record.rule = "csp";
    record.reason = violation.directive;
    record.client = Some(client.address);
    record.port = client.port();
    shard.server.audit.record_with(record, &Subject::default(), now, |record| {
        record.path = violation.path;
        record.user_agent = Some(String::from(user_agent)).filter(|text| !text.is_empty());
        record.labels.push(("blocked", violation.blocked));
    });
}
