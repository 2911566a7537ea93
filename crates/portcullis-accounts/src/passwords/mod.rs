//! Passwords: normal form, rules for new ones, hashing.
//! Never: user names or sessions.

pub(crate) mod password; // the text of a password, normalised and bounded
pub(crate) mod common_passwords; // well-known passwords
pub(crate) mod policy; // rules for new passwords
pub(crate) mod hashing; // Argon2id
pub(crate) mod pool; // the threads that hash
pub(crate) mod check; // the current password of a signed-in user
pub(crate) mod password_change; // POST /auth/password
