//! Rejected requests: every cause, with the answer to the client and the record for the operator.
//! Never: decides that a request is rejected.

mod denial; // every way in which a request is rejected
mod token_fault; // why a token is rejected
mod shed_kind; // requests that an overloaded server rejects
mod app; // a rejection of the application
mod weak_password; // why a new password is rejected
mod answer; // the row of a denial
mod table; // the rows of all denials
mod rule_text; // the requests that each limit and rule rejects, in words
mod cause; // what a client can change, where a row covers several causes
#[cfg(test)]
mod tests; // rules that hold for all rows

pub use answer::{Answer, ClosedBy, Retry, Violation};
pub use app::{APP_CODE_MAX_BYTES, APP_MESSAGE_MAX_CHARS, AppDenial};
pub use denial::Denial;
pub use rule_text::rule_text;
pub use shed_kind::ShedKind;
pub use token_fault::TokenFault;
pub use weak_password::WeakPassword;
