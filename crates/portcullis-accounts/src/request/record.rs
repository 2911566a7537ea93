//! Security records of account requests.
//! Never: a secret in a record.

use portcullis_audit::{Outcome, Record};
use portcullis_model::{Code, UserId};
use portcullis_server::ApiRequest;

/// Records a successful request of a user, with the user name.
pub(crate) fn record_success(request: &ApiRequest, code: Code, user: &UserId, username: &str) {
    record_success_with(request, code, user, |record| {
        record.user_name = Some(String::from(username));
    });
}

/// Records a successful request of a user; `more` adds fields.
pub(crate) fn record_success_with(
    request: &ApiRequest,
    code: Code,
    user: &UserId,
    more: impl FnOnce(&mut Record),
) {
    let mut record = Record::new(code);
    record.outcome = Outcome::Success;
    record.client = Some(request.client);
    record.user = Some(user.clone());
    record.origin = request.origin.as_deref().map(String::from);
    more(&mut record);
    request.audit.record(record, request.now);
}
