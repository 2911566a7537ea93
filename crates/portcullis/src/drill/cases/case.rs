//! An attack case, its verdict, and the judgements that many cases share.
//! Never: a verdict on an attack that could not be tried.

use crate::drill::client::answer::Answer;
use crate::drill::client::attacker::Attacker;
use crate::drill::client::obstacle::Obstacle;
use crate::drill::client::websocket::SocketEnd;

/// The observed result of an attack.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass { seen: String },
    Fail { seen: String, fix: Option<&'static str> },
    Skip { why: String },
}

/// The outcome of a case.
pub(crate) type CaseOutcome = Result<Verdict, Obstacle>;

/// An attack, and what the target has to do about it.
pub(crate) struct Case {
    /// A name that stays the same in all versions.
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// The threat in plain words.
    pub(crate) threat: &'static str,
    pub(crate) sent: &'static str,
    pub(crate) expected: &'static str,
    /// The remedy for the operator when it fails.
    pub(crate) fix: &'static str,
    pub(crate) run: fn(&mut Attacker<'_>) -> CaseOutcome,
}

/// The cases of a subject.
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) cases: &'static [Case],
}

pub(crate) fn pass(seen: impl Into<String>) -> Verdict {
    Verdict::Pass { seen: seen.into() }
}

pub(crate) fn fail(seen: impl Into<String>) -> Verdict {
    Verdict::Fail { seen: seen.into(), fix: None }
}

/// A failure with another remedy than that of the case.
pub(crate) fn fail_with(seen: impl Into<String>, fix: &'static str) -> Verdict {
    Verdict::Fail { seen: seen.into(), fix: Some(fix) }
}

pub(crate) fn skip(why: impl Into<String>) -> Verdict {
    Verdict::Skip { why: why.into() }
}

/// Passes when the request was rejected, by a status or by the end of the connection.
pub(crate) fn rejected(answer: &Answer) -> Verdict {
    match answer {
        Answer::Response(response) if response.status >= 400 => pass(answer.words()),
        Answer::Closed => pass(answer.words()),
        Answer::Response(_) | Answer::Silent | Answer::TooLong | Answer::Late => {
            fail(answer.words())
        }
    }
}

/// Passes when the socket was closed, with one of these codes if there is a code.
pub(crate) fn closed(end: SocketEnd, codes: &[u16]) -> Verdict {
    match end {
        SocketEnd::Code(code) if codes.contains(&code) => pass(end.words()),
        SocketEnd::Closed => pass(end.words()),
        SocketEnd::Code(_) | SocketEnd::Open => fail(end.words()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::client::answer::Response;

    #[test]
    fn request_is_rejected_by_a_status_or_an_end_and_not_by_silence() {
        let status = |status| Answer::Response(Response { status, ..Response::default() });
        for (answer, expect) in [
            (status(403), true),
            (status(502), true),
            (Answer::Closed, true),
            (status(200), false),
            (status(101), false),
            (status(302), false),
            (Answer::Silent, false),
            (Answer::TooLong, false),
            (Answer::Late, false),
        ] {
            let is_pass = matches!(rejected(&answer), Verdict::Pass { .. });
            assert_eq!(is_pass, expect, "{answer:?}");
        }
    }

    #[test]
    fn socket_is_closed_with_an_expected_code_or_without_one() {
        for (end, expect) in [
            (SocketEnd::Code(1002), true),
            (SocketEnd::Closed, true),
            (SocketEnd::Code(1000), false),
            (SocketEnd::Open, false),
        ] {
            assert_eq!(matches!(closed(end, &[1002]), Verdict::Pass { .. }), expect, "{end:?}");
        }
    }
}
