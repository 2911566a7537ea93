//! `portcullis why REF`: explains the reference of a rejected request.
//! Never: a running server; it needs the key and the log of the data directory.

use anyhow::{Result, bail};
use portcullis_accounts::ServerSecret;
use portcullis_audit::{find_reference, utc};
use portcullis_guard::{
    REFERENCE_PERIOD_S, REFERENCE_STEP_S, ReferenceError, ReferenceFacts, normalize_reference,
};
use portcullis_model::{Answer, Limit, Reference, Retry, Violation};
use serde_json::Value;

use super::installation::Installation;
use crate::output::print;

/// Explains one reference on standard output.
pub(super) fn run(installation: &Installation, reference: &str) -> Result<()> {
    let data = &installation.settings.storage.data;
    let Some(secret) = ServerSecret::load(data)? else {
        bail!("there is no sessions.secret in {}: start the server once", data.display());
    };
    let facts = secret.explain(reference, installation.now())?;
    let reference = Reference::parse(&normalize_reference(reference));
    let reference = reference.map_err(|_| ReferenceError::Shape)?;
    let mut text = explain(&reference, &facts);
    let log = &installation.settings.audit.file;
    text.push_str(&match find_reference(log, &reference) {
        Ok(Some(line)) => record(&line),
        Ok(None) if !log.exists() => format!(
            "log         {} does not exist: a server built with the library\n            \
             writes its records to the file of audit_file, or to standard output;\n            \
             name the file: PORTCULLIS__AUDIT__FILE=FILE portcullis why {reference}\n",
            log.display()
        ),
        Ok(None) => format!(
            "log         no record in {}: a log_suppressed record counts it,\n            \
             or its file was removed\n",
            log.display()
        ),
        Err(error) => format!("log         {} cannot be read: {error}\n", log.display()),
    });
    Ok(print(format_args!("{text}"))?)
}

fn explain(reference: &Reference, facts: &ReferenceFacts) -> String {
    let Answer { code, message, status, event, rule, reason, .. } = facts.answer;
    let cause = if reason == rule { String::new() } else { format!(", reason {reason}") };
    // The message of some responses is their code, so that clients cannot distinguish causes.
    let response = if code == message { String::from(code) } else { format!("{code}: {message}") };
    let days = REFERENCE_PERIOD_S / 86_400;
    let mut text = format!(
        "reference   {reference}\n\
         rule        {rule}{cause}\n\
         time        {}, within {REFERENCE_STEP_S} seconds; or {days} days earlier, or twice that\n\
         record      {}: {}\n\
         client got  {response}; HTTP status {status}\n\
         retry       {}\n\
         violation   {}\n",
        utc(facts.unix_ms),
        event.name(),
        event.sentence(),
        retry(facts.answer.retry),
        match facts.answer.violation {
            Violation::Counts => {
                "yes, unless a page of another site caused it: it counts toward\n            \
                 penalty_per_user or penalty_per_prefix; see docs/limits.md"
            }
            Violation::No => "no",
        },
    );
    if Limit::ALL.iter().any(|limit| limit.name() == rule) {
        text.push_str(
            "what to do  `portcullis limits explain ADDRESS|USER` shows how far it is used\n",
        );
    }
    text
}

fn retry(retry: Retry) -> String {
    match retry {
        Retry::Never => String::from("the same request is rejected again"),
        Retry::AfterMs(wait_ms) => format!("after {} s", wait_ms / 1_000),
        Retry::Given => String::from("after the time in the response"),
    }
}

/// The facts that the security record adds.
fn record(line: &str) -> String {
    let Ok(record) = serde_json::from_str::<Value>(line) else {
        return format!("log         {line}\n");
    };
    let mut output = String::new();
    let facts = [
        ("at", "/@timestamp"),
        ("reason", "/event/reason"),
        ("event", "/event/action"),
        ("address", "/source/ip"),
        ("user", "/user/name"),
        ("user id", "/user/id"),
        ("connection", "/labels/conn_id"),
        ("origin", "/labels/origin"),
        ("path", "/url/path"),
        ("wait", "/labels/retry_after_ms"),
    ];
    for (name, pointer) in facts {
        let unit = if name == "wait" { " ms" } else { "" };
        if let Some(Value::String(text)) = record.pointer(pointer) {
            // Quoted and escaped, because parts of it come from the client.
            output.push_str(&format!("{name:<12}{text:?}{unit}\n"));
        }
    }
    output.push_str(&format!("log         {line}\n"));
    output
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Denial, TokenFault};

    use super::*;

    fn explanation(denial: &Denial) -> String {
        let facts = ReferenceFacts { answer: denial.answer(), unix_ms: 0, shard: 0 };
        explain(&Reference::parse("0123456789ab").unwrap(), &facts)
    }

    #[test]
    fn explanation_has_rule_reason_response_and_record() {
        let text = explanation(&Denial::Token(TokenFault::Expired));
        for part in ["token, reason expired", "unauthorized", "401", "authn_login_fail", "1970-"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(
            text.contains("client got  unauthorized; HTTP status 401"),
            "the code occurs once: {text}"
        );
        let limit = Denial::Limit { limit: Limit::ConnectPerPrefix, retry_after_ms: 5 };
        assert!(explanation(&limit).contains("limits explain"));
        assert!(!explanation(&Denial::Busy).contains("limits explain"));
        let origin = explanation(&Denial::OriginForbidden);
        assert!(origin.contains("yes, unless a page of another site caused it"), "{origin}");
    }

    #[test]
    fn client_text_in_a_record_is_quoted_and_escaped() {
        let line = r#"{"source":{"ip":"192.0.2.1"},"labels":{"origin":"a\u001b[2J"}}"#;
        let text = record(line);
        assert!(text.contains("\"192.0.2.1\"") && !text.contains('\u{1b}'), "{text:?}");
    }
}
