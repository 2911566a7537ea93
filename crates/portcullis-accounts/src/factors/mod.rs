//! The second factor: one-time codes (RFC 6238) and recovery codes.
//! Never: passwords.

pub(crate) mod totp; // one-time codes of a secret
pub(crate) mod recovery_code; // codes for a lost device
pub(crate) mod code_check; // the second factor of a login
pub(crate) mod pending_enrollments; // secrets that wait for their first code
pub(crate) mod totp_begin; // POST /auth/totp/begin
pub(crate) mod totp_confirm; // POST /auth/totp/confirm
pub(crate) mod totp_remove; // POST /auth/totp/remove
