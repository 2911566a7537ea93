//! Attempts to authenticate: one count for all routes that check a password or a code.
//! Never: a wrong password or code that counts toward no limit.

use portcullis_audit::{Outcome, Record};
use portcullis_guard::LoginSource;
use portcullis_model::{Code, Denial};
use portcullis_server::ApiRequest;

use super::failure_counts::FailureCounts;
use crate::accounts::Accounts;
use crate::request::signed_in_user::SignedInUser;
use crate::users::username::{USERNAME_MAX_CHARS, Username};

/// Marks the key of a text that is not a valid user name. User names contain no colon.
const INVALID_NAME: &str = ":other:";

/// The account that a request attempts to authenticate, and the client that does it.
#[derive(Clone, Copy)]
pub(crate) struct Attempts<'a> {
    pub(crate) request: &'a ApiRequest,
    pub(crate) failures: &'a FailureCounts,
    /// The account as the limits know it, from [`account_key`].
    pub(crate) account: &'a str,
    pub(crate) from: LoginSource<'a>,
}

/// The key under which attempts on an account are counted: the folded user name.
///
/// A text that is not a valid user name has a key of its own.
pub(crate) fn account_key(username: Option<&Username>, raw: &str) -> String {
    username.map_or_else(
        || {
            let start: String = raw.chars().take(USERNAME_MAX_CHARS).collect();
            format!("{INVALID_NAME}{start}")
        },
        Username::folded,
    )
}

/// The key of a signed-in user: the same as that of a login.
pub(crate) fn account_key_of(signed_in: &SignedInUser) -> String {
    let name = signed_in.user.name();
    account_key(Username::parse(&name).ok().as_ref(), &name)
}

/// The folded user name of a key; `None` for a text that is not a valid user name.
fn username_of_key(account: &str) -> Option<&str> {
    (!account.starts_with(INVALID_NAME)).then_some(account)
}

impl<'a> Attempts<'a> {
    /// The attempts of a signed-in user; those of all sessions count together.
    pub(crate) fn of_signed_in(
        accounts: &'a Accounts,
        request: &'a ApiRequest,
        account: &'a str,
    ) -> Self {
        let from = LoginSource::SignedIn;
        Self { request, failures: &accounts.failures, account, from }
    }
}

impl Attempts<'_> {
    /// Checks the limits of the address and of the account.
    ///
    /// # Errors
    /// [`Denial::Limit`] or [`Denial::Shed`].
    pub(crate) async fn check_allowed(&self) -> Result<(), Denial> {
        self.request.login_allowed(self.account, self.from).await
    }

    /// Counts a wrong password.
    pub(crate) fn count_wrong_password(&self) {
        let request = self.request;
        self.failures.count(self.account, request.client, request.gate.as_ref(), request.now);
        if request.gate.limits().count_failed_login(self.account, self.from, request.now) {
            self.record_closed("no more passwords are accepted from clients like this one");
        }
    }

    /// Takes one of the wrong codes that the account can have, before a one-time code is checked.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub(crate) fn take_code_attempt(&self) -> Result<(), Denial> {
        self.request.gate.limits().take_code_attempt(self.account, self.from, self.request.now)
    }

    /// Returns the attempt: the one-time code was right, even if the store could not save its use.
    pub(crate) fn return_code_attempt(&self) {
        self.request.gate.limits().return_code_attempt(self.account, self.from, self.request.now);
    }

    /// Counts a wrong one-time code: toward the codes of the account and toward its failures.
    pub(crate) fn count_wrong_code(&self) {
        self.count_wrong_password();
        if self.request.gate.limits().count_failed_code(self.account, self.from, self.request.now) {
            self.record_closed("no more codes are accepted from clients like this one");
        }
    }

    /// Counts a wrong recovery code, for which no attempt was taken before.
    pub(crate) fn count_wrong_recovery_code(&self) {
        let _counted_also_when_full = self.take_code_attempt();
        self.count_wrong_code();
    }

    fn record_closed(&self, detail: &str) {
        let mut record = Record::new(Code::AuthnLoginLock);
        record.outcome = Outcome::Failure;
        record.client = Some(self.request.client);
        // A text that is not a valid user name can be anything, also a password.
        record.user_name = username_of_key(self.account).map(String::from);
        record.detail = Some(String::from(detail));
        self.request.audit.record(record, self.request.now);
    }
}
