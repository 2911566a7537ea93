//! Counts of logins by outcome, for the metrics.
//! Never: a count by user or address.

use std::sync::atomic::{AtomicU64, Ordering};

use portcullis_model::Denial;

/// The outcome of one attempt to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoginOutcome {
    /// A session was opened.
    Success,
    /// The password was right, and a code is missing.
    FactorRequired,
    /// The name, the password or the code was wrong, or the account is closed.
    Rejected,
    /// A limit was reached.
    Limited,
    /// The server could not check it.
    Unavailable,
    /// The request was invalid.
    Invalid,
}

impl LoginOutcome {
    const ALL: [Self; 6] = [
        Self::Success,
        Self::FactorRequired,
        Self::Rejected,
        Self::Limited,
        Self::Unavailable,
        Self::Invalid,
    ];

    fn of(denial: Option<&Denial>) -> Self {
        let Some(answer) = denial.map(Denial::answer) else { return Self::Success };
        match (answer.status, answer.code) {
            (_, "totp_required") => Self::FactorRequired,
            (401, _) => Self::Rejected,
            (429, _) => Self::Limited,
            (500.., _) => Self::Unavailable,
            (_, _) => Self::Invalid,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::FactorRequired => "factor_required",
            Self::Rejected => "rejected",
            Self::Limited => "limited",
            Self::Unavailable => "unavailable",
            Self::Invalid => "invalid",
        }
    }
}

/// The number of logins with each outcome.
#[derive(Debug, Default)]
pub(crate) struct LoginCounts([AtomicU64; LoginOutcome::ALL.len()]);

impl LoginCounts {
    /// Counts a login that opened a session, or was denied.
    pub(crate) fn count(&self, denial: Option<&Denial>) {
        let outcome = LoginOutcome::of(denial);
        if let Some(count) = self.0.get(outcome as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All counts, by the name of the outcome.
    pub(crate) fn read(&self) -> Vec<(&'static str, u64)> {
        let names = LoginOutcome::ALL.into_iter().map(LoginOutcome::name);
        names.zip(self.0.iter().map(|count| count.load(Ordering::Relaxed))).collect()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::ShedKind;

    use super::*;

    #[test]
    fn denial_decides_the_outcome_of_a_login() {
        let wrong = Denial::Login { reason: "wrong_password", username: None };
        let cases = [
            (None, "success"),
            (Some(Denial::TotpRequired), "factor_required"),
            (Some(wrong), "rejected"),
            (Some(Denial::Busy), "unavailable"),
            (Some(Denial::Shed(ShedKind::Login)), "unavailable"),
        ];
        for (denial, expect) in cases {
            assert_eq!(LoginOutcome::of(denial.as_ref()).name(), expect, "{denial:?}");
        }
    }

    #[test]
    fn each_outcome_has_its_own_count() {
        let counts = LoginCounts::default();
        counts.count(None);
        counts.count(Some(&Denial::Busy));
        counts.count(Some(&Denial::Busy));
        let expect = [
            ("success", 1),
            ("factor_required", 0),
            ("rejected", 0),
            ("limited", 0),
            ("unavailable", 2),
            ("invalid", 0),
        ];
        assert_eq!(counts.read(), expect);
    }
}
