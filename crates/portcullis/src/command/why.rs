//! `portcullis why REF`: what a reference says that a client was given.
//! Never: a running server; the key and the log of the data directory are all it takes.

use anyhow::{Result, bail};
use portcullis_accounts::ServerSecret;
use portcullis_audit::{find_reference, utc};
use portcullis_guard::{
    REFERENCE_PERIOD_S, REFERENCE_STEP_S, ReferenceError, ReferenceFacts, normalize_reference,
};
use portcullis_model::{Answer, Limit, Reference, Retry, Violation};
use serde_json::Value;

use super::Installation;
use crate::output::print;

/// Explains one reference on standard output.
pub(super) fn run(installation: &Installation, text: &str) -> Result<()> {
    let data = &installation.settings.data;
    let Some(secret) = ServerSecret::load(data)? else {
        bail!("there is no sessions.secret in {}: start the server once", data.display());
    };
    let facts = secret.explain(text, installation.now())?;
    let reference = Reference::parse(&normalize_reference(text));
    let reference = reference.map_err(|_| ReferenceError::Shape)?;
    let mut said = explain(&reference, &facts);
    let log = &installation.settings.audit.file;
    said.push_str(&match find_reference(log, &reference) {
        Ok(Some(line)) => record(&line),
        Ok(None) => format!(
            "log         no record in {}: a log_suppressed record counts it,\n            \
             or its file was removed\n",
            log.display()
        ),
        Err(error) => format!("log         {} cannot be read: {error}\n", log.display()),
    });
    Ok(print(format_args!("{said}"))?)
}

fn explain(reference: &Reference, facts: &ReferenceFacts) -> String {
    let Answer { code, message, status, event, rule, reason, .. } = facts.answer;
    let cause = if reason == rule { String::new() } else { format!(", reason {reason}") };
    // Some answers say no more than their code, so that causes cannot be told apart.
    let told = if code == message { String::from(code) } else { format!("{code}: {message}") };
    let days = REFERENCE_PERIOD_S / 86_400;
    let mut said = format!(
        "reference   {reference}\n\
         rule        {rule}{cause}\n\
         time        {}, within {REFERENCE_STEP_S} seconds; or {days} days earlier, or twice that\n\
         record      {}: {}\n\
         client got  {told}; HTTP status {status}\n\
         retry       {}\n\
         violation   {}\n",
        utc(facts.unix_ms),
        event.name(),
        event.sentence(),
        retry(facts.answer.retry),
        match facts.answer.violation {
            Violation::Counts => "yes: it counts toward penalty_per_user or penalty_per_prefix",
            Violation::No => "no",
        },
    );
    if Limit::ALL.iter().any(|limit| limit.name() == rule) {
        said.push_str(
            "mend        `portcullis limits explain ADDRESS|USER` says how far it is used\n",
        );
    }
    said
}

fn retry(retry: Retry) -> String {
    match retry {
        Retry::Never => String::from("the same request is rejected again"),
        Retry::AfterMs(wait_ms) => format!("after {} s", wait_ms / 1_000),
        Retry::Given => String::from("after the time that the answer named"),
    }
}

/// What the record adds to the reference.
fn record(line: &str) -> String {
    let Ok(record) = serde_json::from_str::<Value>(line) else {
        return format!("log         {line}\n");
    };
    let mut said = String::new();
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
            // Quoted and escaped, because the client chose some of it.
            said.push_str(&format!("{name:<12}{text:?}{unit}\n"));
        }
    }
    said.push_str(&format!("log         {line}\n"));
    said
}

#[cfg(test)]
mod tests {
    use portcullis_model::{Denial, TokenFault};

    use super::*;

    fn explained(denial: &Denial) -> String {
        let facts = ReferenceFacts { answer: denial.answer(), unix_ms: 0, shard: 0 };
        explain(&Reference::parse("0123456789ab").unwrap(), &facts)
    }

    #[test]
    fn explanation_names_rule_reason_client_answer_and_record() {
        let said = explained(&Denial::Token(TokenFault::Expired));
        for part in ["token, reason expired", "unauthorized", "401", "authn_login_fail", "1970-"] {
            assert!(said.contains(part), "{part} in {said}");
        }
        assert!(said.contains("client got  unauthorized; HTTP status 401"), "said once: {said}");
        let limit = Denial::Limit { limit: Limit::ConnectPerPrefix, retry_after_ms: 5 };
        assert!(explained(&limit).contains("limits explain"));
        assert!(!explained(&Denial::Busy).contains("limits explain"));
    }

    #[test]
    fn record_text_of_a_client_is_quoted_and_escaped() {
        let line = r#"{"source":{"ip":"192.0.2.1"},"labels":{"origin":"a\u001b[2J"}}"#;
        let said = record(line);
        assert!(said.contains("\"192.0.2.1\"") && !said.contains('\u{1b}'), "{said:?}");
    }
}
