//! Rows of the table and rules that hold for all of them.
//! Never: a request.

use super::answer::{Answer, ClosedBy, Violation};
use super::denial::{Denial, UNKNOWN_WAIT_MS};
use super::token_fault::TokenFault;
use crate::limit::Limit;
use crate::record::{Code, Severity};

#[test]
fn rejected_token_reads_the_same_for_every_fault() {
    let missing = Denial::Token(TokenFault::Missing).answer();
    let rows = (0..=u8::MAX).filter_map(Answer::of_number);
    let tokens: Vec<_> = rows.filter(|row| row.rule == "token").collect();
    assert_eq!(tokens.len(), 24);
    assert!(tokens.iter().all(|row| row.reads_as(&missing)), "{tokens:?}");
    assert_eq!(Denial::Forbidden("missing").answer(), Denial::Forbidden("not_owner").answer());
}

#[test]
fn denial_of_an_honest_client_is_not_a_violation() {
    let tokens = [
        TokenFault::Missing,
        TokenFault::Key,
        TokenFault::Expired,
        TokenFault::NotYet,
        TokenFault::User,
        TokenFault::Revoked,
        TokenFault::Session,
        TokenFault::Clock,
        TokenFault::Ticket,
        TokenFault::Used,
        TokenFault::IdToken,
        TokenFault::OtherToken,
        TokenFault::Scope,
        TokenFault::Details,
    ];
    let limits = Limit::ALL.map(|limit| Denial::Limit { limit, retry_after_ms: 1 });
    let others = [
        Denial::IssuerKeysMissing { retry_after_ms: 8_000 },
        Denial::NonceNeeded,
        Denial::TotpRequired,
        Denial::ReauthRequired,
        Denial::SecondFactor("role"),
        Denial::SecondFactor("setup"),
        Denial::SecondFactor("issuer"),
        Denial::TicketNeeded,
        Denial::ProofNeeded,
        Denial::SessionUnknown("prefix"),
        Denial::Polling("session_ended"),
        Denial::SessionEnded("expired"),
        Denial::ConnectTimeout,
        Denial::PingTimeout,
        Denial::SlowConsumer,
        Denial::UserConnections,
        Denial::Busy,
        Denial::Draining,
        Denial::TooLarge,
        Denial::PayloadTooLarge,
        Denial::Json("depth"),
        Denial::Json("surrogate"),
        Denial::Schema { field: None, rule: "x" },
        Denial::Spam("links"),
        Denial::MidConflict,
        Denial::MidPending,
        Denial::NameTaken,
        Denial::Registration("closed"),
        Denial::Registration("invitation_needed"),
        Denial::Registration("invitation"),
        Denial::Registration("setup"),
        Denial::RoomLimit("rooms"),
        Denial::Forbidden("ended"),
    ];
    let tokens = tokens.map(Denial::Token);
    for denial in tokens.into_iter().chain(limits).chain(others) {
        assert_eq!(denial.answer().violation, Violation::No, "{denial:?}");
    }
}

#[test]
fn denial_of_a_forged_or_malformed_request_is_a_violation() {
    let tokens = [TokenFault::Shape, TokenFault::Algorithm, TokenFault::Signature];
    let others = [
        Denial::RequestMalformed,
        Denial::Host,
        Denial::Frame("reserved"),
        Denial::Packet("type"),
        Denial::SessionUnknown("unknown"),
        Denial::EventUnknown,
        Denial::Json("grammar"),
        Denial::Forbidden("not_owner"),
        Denial::Replay("seq_repeated"),
        Denial::ForeignToken,
        Denial::Login { reason: "wrong_password", username: None },
    ];
    for denial in tokens.map(Denial::Token).into_iter().chain(others) {
        assert_eq!(denial.answer().violation, Violation::Counts, "{denial:?}");
    }
}

#[test]
fn rows_of_one_rule_read_the_same() {
    let pairs = [
        (Denial::SessionUnknown("prefix"), Denial::SessionUnknown("unknown")),
        (Denial::Polling("session_ended"), Denial::Polling("poll_overlap")),
        (Denial::Json("depth"), Denial::Json("grammar")),
        (Denial::Forbidden("ended"), Denial::Forbidden("not_member")),
    ];
    for (one, other) in pairs {
        assert!(one.answer().reads_as(&other.answer()), "{one:?}");
        assert_eq!(one.answer().rule, other.answer().rule, "{one:?}");
    }
}

#[test]
fn hidden_dashboard_reads_as_one_that_does_not_exist() {
    for (hidden, missing) in [
        (Denial::HiddenPath("admin_from"), Denial::NotFound),
        (Denial::HiddenNamespace("admin_host"), Denial::NamespaceUnknown),
    ] {
        let (hidden, missing) = (hidden.answer(), missing.answer());
        assert!(hidden.reads_as(&missing), "{hidden:?}");
        assert_eq!((hidden.violation, hidden.event), (missing.violation, missing.event));
        assert_ne!(hidden.rule, missing.rule, "the operator sees the cause");
    }
}

#[test]
fn renewal_with_a_rejected_token_leaves_the_connection_open() {
    assert_eq!(Denial::Renewal(TokenFault::Key).answer().closed_by, ClosedBy::Nothing);
    assert_eq!(Denial::Token(TokenFault::Key).answer().closed_by, ClosedBy::Code(4401));
}

#[test]
fn row_of_a_limit_has_the_name_of_the_limit() {
    for limit in Limit::ALL {
        let denial = Denial::Limit { limit, retry_after_ms: 0 };
        assert_eq!(denial.answer().rule, limit.name());
        assert_eq!(denial.retry_after_ms(), Some(UNKNOWN_WAIT_MS));
    }
}

#[test]
fn row_is_found_by_the_number_in_a_reference() {
    let limit = Denial::Limit { limit: Limit::HttpTotal, retry_after_ms: 7 };
    for denial in [Denial::RequestMalformed, Denial::Login { reason: "x", username: None }, limit] {
        assert_eq!(Answer::of_number(denial.answer().number), Some(denial.answer()));
    }
    assert_eq!(Answer::of_number(0), None, "0 stands for no row");
}

#[test]
fn requests_of_clients_are_never_critical() {
    let own = [Code::SysCrash, Code::AuthorityUnconfirmed, Code::ClockSkew];
    for row in (0..=u8::MAX).filter_map(Answer::of_number) {
        let critical = row.severity == Severity::Critical;
        assert_eq!(critical, own.contains(&row.event), "{row:?}");
    }
}

#[test]
fn denial_of_a_mute_or_login_link_names_its_cause() {
    let until = |until_unix_ms| Denial::Muted { until_unix_ms, retry_after_ms: 7_000 };
    assert_eq!(until(Some(9)).retry_after_ms(), Some(7_000));
    assert_eq!(until(None).retry_after_ms(), None, "it has no end");
    let texts = ["used", "expired", "invalid"].map(|word| {
        let answer = Denial::LoginLink(word).answer();
        assert_eq!((answer.code, answer.violation), ("INVALID_MESSAGE", Violation::No));
        answer.message
    });
    assert!(texts[0].contains("used") && texts[1].contains("expired"), "{texts:?}");
    assert!(texts[2].contains("not valid"), "{texts:?}");
}

#[test]
fn denial_of_a_registration_names_its_cause() {
    for (word, expect) in [
        ("closed", "Registration is closed"),
        ("invitation_needed", "needs an invitation"),
        ("invitation", "This invitation is not valid"),
        ("setup", "This set-up link is not valid"),
    ] {
        let answer = Denial::Registration(word).answer();
        assert_eq!((answer.code, answer.status, answer.reason), ("forbidden", 403, word));
        assert!(answer.message.contains(expect), "{}", answer.message);
    }
}

#[test]
fn only_a_change_that_may_be_in_force_has_an_unknown_outcome() {
    assert_eq!(Denial::OutcomeUnknown.outcome(), Some("unknown"));
    assert_eq!(Denial::HandlerTimeout.outcome(), Some("unknown"));
    for denial in [Denial::Overloaded, Denial::StorageFull, Denial::StorageFailed] {
        assert_eq!(denial.outcome(), None, "{denial:?}");
    }
    assert_eq!(Denial::StorageFull.retry_after_ms(), Some(30_000));
}

#[test]
fn codes_and_statuses_match_the_contract() {
    let limit = |limit| Denial::Limit { limit, retry_after_ms: 1 };
    let cases = [
        (limit(Limit::MessagePerUser), "RATE_LIMIT_EXCEEDED", 429),
        (limit(Limit::ConnectPerPrefix), "rate_limited", 429),
        (limit(Limit::LoginPerUser), "rate_limited", 429),
        (limit(Limit::PreAuthTotal), "server_busy", 503),
        (Denial::Schema { field: None, rule: "x" }, "INVALID_MESSAGE", 400),
        (Denial::Forbidden("x"), "forbidden", 403),
        (Denial::TooLarge, "too_large", 413),
        (Denial::Overloaded, "server_busy", 503),
        (Denial::OutcomeUnknown, "server_busy", 503),
        (Denial::HandlerTimeout, "server_busy", 503),
        (Denial::StorageFull, "storage_full", 503),
        (Denial::StorageFailed, "storage_failed", 503),
        (Denial::Busy, "server_busy", 503),
        (Denial::SessionEnded("expired"), "session_ended", 401),
        (Denial::Token(TokenFault::Missing), "unauthorized", 401),
    ];
    for (denial, code, status) in cases {
        let answer = denial.answer();
        assert_eq!((answer.code, answer.status), (code, status), "{denial:?}");
    }
}

#[test]
fn missing_issuer_keys_state_the_time_until_the_next_fetch() {
    let denial = Denial::IssuerKeysMissing { retry_after_ms: 7_500 };
    assert_eq!(denial.retry_after_ms(), Some(7_500));
    assert_eq!(denial.answer().code, Denial::AuthorityUnconfirmed.answer().code);
}
