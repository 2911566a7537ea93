//! Attempts to prove a secret of an account, counted the same wherever a secret is checked.
//! Never: a wrong password or code that counts toward no limit.

use portcullis_audit::{Outcome, Record};
use portcullis_guard::LoginSource;
use portcullis_model::{Code, Denial};
use portcullis_server::ApiRequest;

use crate::login::failure_counts::Failures;
use crate::login::password_login::{budget_name, budget_user_name};
use crate::request::input::SignedIn;
use crate::users::username::Username;

/// The account an attempt is about, and where the attempt comes from.
#[derive(Clone, Copy)]
pub(crate) struct Attempts<'a> {
    pub(crate) request: &'a ApiRequest,
    pub(crate) failures: &'a Failures,
    /// The folded name of the account, or of what can be no name.
    pub(crate) budget: &'a str,
    pub(crate) from: LoginSource<'a>,
}

/// The name that attempts of a signed-in user count toward: the one a log-in would use.
pub(crate) fn budget_of(signed_in: &SignedIn) -> String {
    let name = signed_in.user.name();
    budget_name(Username::parse(&name).ok().as_ref(), &name)
}

impl Attempts<'_> {
    /// Asks the limits of the address and of the account.
    ///
    /// # Errors
    /// [`Denial::Limit`] or [`Denial::Shed`].
    pub(crate) async fn allowed(&self) -> Result<(), Denial> {
        self.request.login_allowed(self.budget, self.from).await
    }

    /// Counts a wrong password.
    pub(crate) fn password_failed(&self) {
        let request = self.request;
        self.failures.count(self.budget, request.client, request.gate.as_ref(), request.now);
        if request.gate.limits().login_failed(self.budget, self.from, request.now) {
            self.record_closed("no more passwords are accepted from clients like this one");
        }
    }

    /// Takes one of the wrong codes of the account, before a one-time code is checked.
    ///
    /// # Errors
    /// [`Denial::Limit`].
    pub(crate) fn code_allowed(&self) -> Result<(), Denial> {
        self.request.gate.limits().code_allowed(self.budget, self.from, self.request.now)
    }

    /// Gives it back: the one-time code was right, whether or not the store could note its use.
    pub(crate) fn code_accepted(&self) {
        self.request.gate.limits().code_accepted(self.budget, self.from, self.request.now);
    }

    /// Counts a wrong one-time code: toward the codes of the account and toward its failures.
    pub(crate) fn code_failed(&self) {
        self.password_failed();
        if self.request.gate.limits().code_failed(self.budget, self.from, self.request.now) {
            self.record_closed("no more codes are accepted from clients like this one");
        }
    }

    /// Counts a wrong recovery code, for which nothing was taken before.
    pub(crate) fn recovery_code_failed(&self) {
        let _counted_also_when_full = self.code_allowed();
        self.code_failed();
    }

    fn record_closed(&self, detail: &str) {
        let mut record = Record::new(Code::AuthnLoginLock);
        record.outcome = Outcome::Failure;
        record.client = Some(self.request.client);
        // A text that cannot be a user name may be anything, a password too.
        record.user_name = budget_user_name(self.budget).map(String::from);
        record.detail = Some(String::from(detail));
        self.request.audit.record(record, self.request.now);
    }
}
