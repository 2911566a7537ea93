//! Headers about a client that products read, and the cookie that a client gets.
//! Never: a decision.

use portcullis_guard::{ADMISSION_COOKIE, ADMISSION_LIFE_S};
use portcullis_wire::http1::{FieldValue, Head};

/// The longest user agent that handlers get, in bytes.
const USER_AGENT_MAX_BYTES: usize = 256;

/// The printable part of the `User-Agent` header.
pub(crate) fn user_agent(head: &Head<'_>) -> String {
    let FieldValue::One(value) = head.header("user-agent") else { return String::new() };
    let visible = value.iter().take(USER_AGENT_MAX_BYTES).map(|byte| char::from(*byte));
    visible.filter(|character| matches!(character, ' '..='~')).collect()
}

/// The `Set-Cookie` value of an admission token, as a log-in sets it.
pub(crate) fn admission_cookie(value: &str) -> String {
    format!(
        "{ADMISSION_COOKIE}={value}; Max-Age={ADMISSION_LIFE_S}; Path=/; Secure; HttpOnly; \
         SameSite=Strict"
    )
}
