//! Passwords: normal form, rules for new ones, hashing threads.
//! Never: user names or sessions.

pub(crate) mod password; // in normal form, hashed with Argon2id
pub(crate) mod common_passwords; // which passwords are well known
pub(crate) mod policy; // which new passwords are rejected
pub(crate) mod pool; // a few threads that hash
pub(crate) mod password_change; // POST /auth/password
