//! The second factor: one-time codes (RFC 6238) and recovery codes.
//! Never: passwords.

pub(crate) mod totp; // one-time codes
pub(crate) mod totp_begin; // POST /auth/totp/begin
pub(crate) mod totp_confirm; // POST /auth/totp/confirm
pub(crate) mod totp_remove; // POST /auth/totp/remove
