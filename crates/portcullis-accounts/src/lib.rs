//! Accounts and tokens over HTTPS, built on the server's public API.
//! Never: sockets, SQL.

mod accounts; // what the routes share, and where they are installed
mod input; // what clients send, and what every route does first
mod register; // POST /auth/register
mod create_user; // a new account, however it came about
mod login; // POST /auth/login
mod setup; // POST /auth/setup: the first administrator
mod jwks; // GET /.well-known/jwks.json
mod provision; // users of foreign issuers, at their first connection
mod token; // access tokens of our own
mod keys; // the key that signs them
mod username; // names without look-alikes
mod password; // taken as they are, hashed with Argon2id
mod password_common; // which passwords are well known
mod password_pool; // a few threads that hash
#[cfg(test)]
mod story; // the routes together, over a real store and gate

pub(crate) use accounts::Accounts;
pub use accounts::{AccountOptions, AccountsError, Registration, install};
pub use keys::{KeyError, SigningKeys};
pub use password::{
    PASSWORD_MAX_BYTES, PASSWORD_MAX_CHARS, PASSWORD_MIN_CHARS, Password, PasswordHashing,
};
pub use password_pool::{PasswordPool, QUEUE_MAX};
pub use portcullis_seal::PrivateFileError;
pub use setup::Setup;
pub use token::{ACCESS_TOKEN_LIFE_S, AccessClaims};
pub use username::{USERNAME_MAX_CHARS, USERNAME_MIN_CHARS, Username};
